import type { X509Certificate } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import {
  createSecureContext,
  type SecureContext,
  type SecureVersion,
  type TLSSocket,
  connect as tlsConnect,
} from 'node:tls';
import { type Outbound, OutboundError } from '@postern/outbound/outbound';
import { type EchoAnswer, echoProtocol } from '@postern/protocol/tunnel/messages';

/** How far an attempt came before it failed. */
export type Stage = 'connection' | 'handshake' | 'answer';

/** Why a probe got no answer; the message says what was seen. */
export class ProbeError extends Error {
  readonly stage: Stage;
  /** Of the system, of OpenSSL or of an OutboundError; `timed_out` where nothing came. */
  readonly code: string;

  constructor(stage: Stage, code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.stage = stage;
    this.code = code;
  }
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface HandshakeOptions {
  /** Default: what this machine's TLS agrees on, from 1.2 on. */
  readonly version?: SecureVersion;
  readonly protocols: readonly string[];
  /** Presented to the service, PEM. */
  readonly client?: { readonly certificate: string; readonly privateKey: string };
  /**
   * What the chain is compared with, PEM; the verdict is in `chainError`, and nothing is refused for it. Not together
   * with `version` and `client`.
   */
  readonly authorities?: readonly string[];
  readonly signal: AbortSignal;
}

/** What a TLS handshake showed. */
export interface Handshake {
  readonly socket: TLSSocket;
  readonly version: string;
  /** Empty where none was agreed on. */
  readonly protocol: string;
  readonly certificate: X509Certificate;
  /** OpenSSL's or Node's word for what is wrong with the chain or the name; empty where nothing is. */
  readonly chainError: string;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: Buffer;
  /** The same as text. */
  readonly body: string;
}

export interface GetOptions {
  readonly signal: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whose certificates are accepted, PEM. Default: anybody's, since nothing secret is sent. */
  readonly authorities?: readonly string[];
  /** Sent with POST, as a form. */
  readonly form?: string;
}

export interface Echo {
  readonly answer: EchoAnswer;
  /** This machine's clock when the answer came, in milliseconds since the epoch. */
  readonly receivedAt: number;
  readonly version: string;
}

const connectLimitMs = 3_000;
const handshakeLimitMs = 4_000;
const answerLimitMs = 4_000;
const maxBodyBytes = 512 * 1024;

/** Makes the connections that checks look at: as the connector would, and telling what came of each step. */
export class Probes {
  readonly #outbound: Outbound;
  /** Reading hundreds of authorities takes a third of a second. */
  readonly #contexts = new WeakMap<readonly string[], SecureContext>();

  constructor(outbound: Outbound) {
    this.#outbound = outbound;
  }

  /** @throws OutboundError, or the signal's reason. */
  connect({ host, port }: Endpoint, signal: AbortSignal, direct = false): Promise<Socket> {
    return this.#outbound.connect(host, port, { timeoutMs: connectLimitMs, signal, direct });
  }

  /**
   * Makes a TLS connection and accepts any certificate: who answers is told, and nothing secret is sent before a check
   * has looked at it.
   *
   * @throws ProbeError
   */
  async handshake(endpoint: Endpoint, options: HandshakeOptions): Promise<Handshake> {
    const socket = await this.connect(endpoint, options.signal).catch((error: unknown) => {
      options.signal.throwIfAborted();
      if (error instanceof OutboundError)
        throw new ProbeError('connection', error.code, error.message, { cause: error });
      throw error;
    });
    const { host } = endpoint;
    const { version, client } = options;
    const secure = tlsConnect({
      socket,
      // An address is no server name (RFC 6066 §3).
      servername: isIP(host) === 0 ? host : '',
      ALPNProtocols: [...options.protocols],
      rejectUnauthorized: false,
      minVersion: version ?? 'TLSv1.2',
      ...(version !== undefined && { maxVersion: version }),
      ...(client !== undefined && { cert: client.certificate, key: client.privateKey }),
      ...(options.authorities !== undefined && { secureContext: this.#contextFor(options.authorities) }),
    });
    // Whoever waits for something hears of an error; one that comes when nobody waits must not end the process.
    secure.on('error', () => {});
    try {
      await settled(secure, 'secureConnect', 'handshake', handshakeLimitMs, options.signal);
      const certificate = secure.getPeerX509Certificate();
      if (certificate === undefined)
        throw new ProbeError('handshake', 'no_certificate', 'no certificate was shown');
      return {
        socket: secure,
        version: secure.getProtocol() ?? '',
        protocol: secure.alpnProtocol || '',
        certificate,
        // Node types an error where the short name comes.
        chainError: secure.authorized ? '' : String(secure.authorizationError ?? 'unknown'),
      };
    } catch (error) {
      abandon(secure);
      throw error;
    }
  }

  /** A handshake whose connection is of no further use. */
  async look(endpoint: Endpoint, options: HandshakeOptions): Promise<Omit<Handshake, 'socket'>> {
    const { socket, ...seen } = await this.handshake(endpoint, options);
    abandon(socket);
    return seen;
  }

  /** Asks the tunnel listener what it saw of this connection. @throws ProbeError */
  async echo(
    endpoint: Endpoint,
    options: Omit<HandshakeOptions, 'protocols'>,
    now: () => number,
  ): Promise<Echo> {
    const { socket, version, protocol } = await this.handshake(endpoint, {
      ...options,
      protocols: [echoProtocol],
    });
    try {
      if (protocol !== echoProtocol) {
        throw new ProbeError(
          'answer',
          'not_the_service',
          `who answered does not know the protocol ${echoProtocol}`,
        );
      }
      const text = await readToEnd(socket, options.signal);
      return { answer: parseEcho(text), receivedAt: now(), version };
    } finally {
      abandon(socket);
    }
  }

  /** Gets a page. @throws ProbeError */
  async get(url: URL, options: GetOptions): Promise<HttpAnswer> {
    const { signal, authorities } = options;
    const endpoint = { host: url.hostname, port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80) };
    const socket =
      url.protocol === 'https:'
        ? (await this.#trusted(endpoint, signal, authorities)).socket
        : await this.#plain(endpoint, signal);
    try {
      return await exchange(socket, url, options);
    } finally {
      abandon(socket);
    }
  }

  #contextFor(authorities: readonly string[]): SecureContext {
    let context = this.#contexts.get(authorities);
    if (context === undefined) {
      context = createSecureContext({ ca: [...authorities], minVersion: 'TLSv1.2' });
      this.#contexts.set(authorities, context);
    }
    return context;
  }

  async #trusted(
    endpoint: Endpoint,
    signal: AbortSignal,
    authorities?: readonly string[],
  ): Promise<Handshake> {
    const handshake = await this.handshake(endpoint, {
      protocols: ['http/1.1'],
      signal,
      ...(authorities !== undefined && { authorities }),
    });
    if (authorities === undefined || handshake.chainError === '') return handshake;
    abandon(handshake.socket);
    throw new ProbeError(
      'handshake',
      handshake.chainError,
      `its certificate is not trusted (${handshake.chainError})`,
    );
  }

  async #plain(endpoint: Endpoint, signal: AbortSignal): Promise<Socket> {
    try {
      return await this.connect(endpoint, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof OutboundError)
        throw new ProbeError('connection', error.code, error.message, { cause: error });
      throw error;
    }
  }
}

/** Destroys a connection; the error that this may bring is nobody's. */
export function abandon(socket: Socket): void {
  socket.on('error', () => {});
  socket.destroy();
}

/** Whether the other side, or somebody on the way, ended the connection without a word. */
export function isReset(error: ProbeError): boolean {
  return ['ECONNRESET', 'EPIPE', 'ECONNABORTED'].includes(error.code);
}

/** Waits for an event of a socket. @throws ProbeError if it breaks or the time is over. */
async function settled(
  socket: Socket,
  event: string,
  stage: Stage,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => reject(new ProbeError(stage, 'timed_out', `nothing came within ${limitMs / 1000} s`)),
    limitMs,
  );
  const onError = (error: NodeJS.ErrnoException) =>
    reject(new ProbeError(stage, error.code ?? '', error.message, { cause: error }));
  const onClose = () => reject(new ProbeError(stage, 'ECONNRESET', 'the connection was closed'));
  const onAbort = () => reject(signal.reason);
  const onEvent = () => resolve();
  socket.once(event, onEvent);
  socket.once('error', onError);
  socket.once('close', onClose);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    await promise;
  } finally {
    clearTimeout(timer);
    socket.off(event, onEvent);
    socket.off('error', onError);
    socket.off('close', onClose);
    signal.removeEventListener('abort', onAbort);
  }
}

async function readToEnd(socket: Socket, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  socket.on('data', (bytes: Buffer) => {
    chunks.push(bytes);
    length += bytes.length;
    if (length > maxBodyBytes) socket.destroy(new Error('the answer is too long'));
  });
  await settled(socket, 'end', 'answer', answerLimitMs, signal);
  return Buffer.concat(chunks).toString('utf8');
}

function parseEcho(text: string): EchoAnswer {
  try {
    const answer = JSON.parse(text) as Partial<EchoAnswer> | null;
    if (
      typeof answer?.tlsVersion === 'string' &&
      typeof answer.verdict === 'string' &&
      typeof answer.time === 'number'
    ) {
      return answer as EchoAnswer;
    }
  } catch {
    // Said below.
  }
  throw new ProbeError('answer', 'not_the_service', 'the answer is none of a Postern service');
}

async function exchange(
  socket: Socket,
  url: URL,
  { signal, headers, form }: GetOptions,
): Promise<HttpAnswer> {
  const timeout = AbortSignal.timeout(answerLimitMs);
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const request = httpRequest({
    createConnection: () => socket,
    method: form === undefined ? 'GET' : 'POST',
    host: url.hostname,
    port: url.port,
    path: `${url.pathname}${url.search}`,
    headers: {
      host: url.host,
      'user-agent': 'postern-connector-doctor',
      accept: '*/*',
      connection: 'close',
      ...(form !== undefined && {
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': String(Buffer.byteLength(form)),
      }),
      ...headers,
    },
    signal: AbortSignal.any([signal, timeout]),
  });
  request.on('error', (error: NodeJS.ErrnoException) => {
    if (signal.aborted) return reject(signal.reason);
    if (timeout.aborted) {
      return reject(new ProbeError('answer', 'timed_out', `no answer within ${answerLimitMs / 1000} s`));
    }
    reject(new ProbeError('answer', error.code ?? '', error.message, { cause: error }));
  });
  request.on('response', response => {
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (bytes: Buffer) => {
      chunks.push(bytes);
      length += bytes.length;
      if (length > maxBodyBytes) response.destroy(new Error('the answer is too long'));
    });
    response.on('error', error =>
      reject(new ProbeError('answer', 'broken', error.message, { cause: error })),
    );
    response.on('end', () => {
      const bytes = Buffer.concat(chunks);
      const { statusCode = 0, headers } = response;
      resolve({ status: statusCode, headers, bytes, body: bytes.toString('utf8') });
    });
  });
  request.end(form);
  return promise;
}
