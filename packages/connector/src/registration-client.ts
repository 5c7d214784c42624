import { request as httpRequest, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type DetailedPeerCertificate, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { messageOf, type Outbound, OutboundError } from '@postern/outbound/outbound';
import {
  type RegistrationRequest,
  type RegistrationResult,
  registrationError,
  registrationResult,
} from '@postern/protocol/registration';
import { RegistrationError } from './registration-error.ts';

/** Where registration is. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface RegistrationClientOptions {
  readonly endpoint: Endpoint;
  readonly outbound: Outbound;
  /** For all of it together, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** How often a request is sent whose answer does not arrive; the service gives a repeated one the same answer. */
const maxAttempts = 3;
const pauseMs = 500;

/** An answer is a few certificates; a longer one comes from somebody else. */
const maxAnswerBytes = 256 * 1024;

/**
 * A connector's side of registration. Every method throws RegistrationError, or the signal's reason once it is aborted.
 */
export class RegistrationClient {
  readonly #endpoint: Endpoint;
  readonly #outbound: Outbound;
  readonly #timeout: AbortSignal;
  readonly #given: AbortSignal | undefined;
  readonly #signal: AbortSignal;

  constructor({ endpoint, outbound, timeoutMs, signal }: RegistrationClientOptions) {
    this.#endpoint = endpoint;
    this.#outbound = outbound;
    this.#timeout = AbortSignal.timeout(timeoutMs);
    this.#given = signal;
    this.#signal = signal ? AbortSignal.any([this.#timeout, signal]) : this.#timeout;
  }

  /**
   * Gets the root certificate with a fingerprint from the chain that the service shows. Nothing is sent on this
   * connection: it only finds the root that the next one is checked against, in full and by the TLS library.
   *
   * @param sha256 Of the DER, upper-case hex.
   * @returns PEM.
   */
  async findRoot(sha256: string): Promise<string> {
    const chain = await this.#attempt(async () => {
      const socket = await this.#openTls({ rejectUnauthorized: false });
      const shown = chainOf(socket.getPeerCertificate(true));
      socket.destroy();
      return shown;
    });
    const root = chain.find(certificate => certificate.fingerprint256.replaceAll(':', '') === sha256);
    if (root !== undefined) return pemOf(root);
    throw unexpectedRoot(this.#endpoint, sha256, chain);
  }

  /**
   * Asks for the registration, and again where the answer is lost on its way.
   *
   * @param authorization The header's value.
   * @param ca Authorities to trust, PEM, and no others.
   */
  register(
    body: RegistrationRequest,
    authorization: string,
    ca: readonly string[],
  ): Promise<RegistrationResult> {
    return this.#attempt(async () => {
      for (let attempt = 1; ; attempt++) {
        const socket = await this.#openTls({ ca: [...ca] });
        try {
          const response = await this.#post(socket, JSON.stringify(body), authorization);
          return readAnswer(response.statusCode ?? 0, await readBody(response), this.#endpoint);
        } catch (error) {
          // From here on the service may have registered this machine, and nobody but it knows.
          if (error instanceof RegistrationError || attempt === maxAttempts) throw error;
          await delay(pauseMs, undefined, { signal: this.#signal });
        } finally {
          socket.destroy();
        }
      }
    });
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof RegistrationError) throw error;
      this.#given?.throwIfAborted();
      throw explainFailure(error, this.#endpoint, this.#timeout.aborted);
    }
  }

  async #openTls(options: { ca: string[] } | { rejectUnauthorized: false }): Promise<TLSSocket> {
    const { host, port } = this.#endpoint;
    const signal = this.#signal;
    const socket = await this.#outbound.connect(host, port, { signal });
    const tls = tlsConnect({
      ...options,
      socket,
      servername: host,
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
    });
    const abort = () => tls.destroy(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    tls.once('close', () => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
    const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
    tls.once('secureConnect', () => resolve(tls));
    // Stays: whoever reads from the connection hears of it in another way.
    tls.on('error', reject);
    tls.once('close', () => reject(new Error('the connection was closed')));
    return promise;
  }

  #post(socket: TLSSocket, body: string, authorization: string): Promise<IncomingMessage> {
    const { host, port } = this.#endpoint;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = httpRequest({
      createConnection: () => socket,
      method: 'POST',
      path: '/register',
      signal: this.#signal,
      headers: {
        host: port === 443 ? host : `${host}:${port}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        accept: 'application/json',
        authorization,
        connection: 'close',
      },
    });
    request.on('response', resolve);
    request.on('error', reject);
    request.end(body);
    return promise;
  }
}

/** From the leaf upwards, as far as the service has shown it. */
function chainOf(leaf: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  for (let next: DetailedPeerCertificate | undefined = leaf; next?.raw; next = next.issuerCertificate) {
    // A root is its own issuer.
    if (chain.includes(next)) break;
    chain.push(next);
  }
  return chain;
}

function pemOf({ raw }: DetailedPeerCertificate): string {
  const lines = raw.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > maxAnswerBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

function readAnswer(status: number, text: string, endpoint: Endpoint): RegistrationResult {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Whoever answers with something else than JSON is described below.
  }
  if (status === 201) {
    const result = registrationResult.safeParse(value);
    if (result.success) return result.data;
  }
  const refusal = registrationError.safeParse(value);
  if (refusal.success) {
    const { code, message, category, remedy } = refusal.data.error;
    throw new RegistrationError(code, {
      category: category ?? 'trust_establishment',
      message,
      remedy: remedy ?? "Look into the service's log for the reason.",
    });
  }
  throw new RegistrationError('bad_answer', {
    category: 'connectivity',
    message: `${endpoint.host}:${endpoint.port} answered with HTTP status ${status}, but not as the registration of a Postern service does.`,
    remedy: 'Check the name and port of the service, and that no proxy or portal answers in its place.',
  });
}

const certificateFailures = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'INVALID_CA',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

function explainFailure(error: unknown, { host, port }: Endpoint, timedOut: boolean): RegistrationError {
  // That of an aborted signal is a number.
  const { code: given } = error as { readonly code?: unknown };
  const code = typeof given === 'string' ? given : '';
  const cause = { cause: error };
  if (error instanceof OutboundError) return explainOutbound(error);
  if (certificateFailures.has(code)) {
    return new RegistrationError(
      'untrusted_service',
      {
        category: 'trust_establishment',
        message: `The certificate that ${host}:${port} shows is not trusted by this machine: ${messageOf(error)} (${code}).`,
        remedy:
          'If the service uses an authority of its own, register with an enrolment token, which says how to recognise it, ' +
          'or give its certificate with --ca-file. If not, something between here and the service opens TLS connections ' +
          'and has to let this name pass untouched. Check the clock, too.',
      },
      cause,
    );
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return new RegistrationError(
      'tls_failed',
      {
        category: 'trust_establishment',
        message: `No TLS connection with ${host}:${port}: ${messageOf(error)}.`,
        remedy:
          'Let firewalls and proxies pass TLS 1.2 and 1.3 with SHA-512 signatures to this name untouched.',
      },
      cause,
    );
  }
  return new RegistrationError(
    'unreachable',
    {
      category: 'connectivity',
      message: `${host}:${port} cannot be reached${timedOut ? ' in time' : ''}: ${timedOut ? 'no answer' : messageOf(error)}.`,
      remedy: `Let this machine make outbound TCP connections to ${host} port ${port}; no inbound port is needed. Check that the service runs.`,
    },
    cause,
  );
}

function explainOutbound(error: OutboundError): RegistrationError {
  const { message, remedy } = error;
  const code = error.code === 'timed_out' ? 'unreachable' : error.code;
  return new RegistrationError(code, { category: 'connectivity', message, remedy }, { cause: error });
}

function unexpectedRoot(
  { host, port }: Endpoint,
  sha256: string,
  chain: readonly DetailedPeerCertificate[],
): RegistrationError {
  const top = chain.at(-1);
  const issuer = [top?.issuer.CN, top?.issuer.O].flat().find(name => name !== undefined);
  return new RegistrationError('unexpected_root', {
    category: 'trust_establishment',
    message:
      `${host}:${port} does not show the root certificate that the enrolment token names (SHA-256 ${sha256}). ` +
      `The chain that it shows was issued by ${issuer === undefined ? 'nobody it names' : JSON.stringify(issuer)}.`,
    remedy:
      'If that is not the authority of the service, something between here and the service opens TLS connections and has ' +
      'to let this name pass untouched. If it is, the service has got another certificate since: make a new enrolment ' +
      'token with "postern connector enrolment-token create".',
  });
}
