import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type RequestOptions, request } from 'node:https';
import type { LookupFunction, TcpSocketConnectOpts } from 'node:net';
import { getCACertificates, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { addressPatienceMs, lookupName } from '@postern/outbound/lookup-name';
import { messageOf, type Outbound, OutboundError } from '@postern/outbound/outbound';
import { CliError } from './cli-error.ts';

/** What of a `fetch` request this program uses. */
export interface FetchRequest {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

export type ServiceFetch = (url: string, options?: FetchRequest) => Promise<Response>;

/** Longest answer that is read; the longest page of a list is far below. */
const maxBodyBytes = 16 * 1024 * 1024;
const timeoutMs = 30_000;

/**
 * Makes a `fetch` that trusts the authorities of `caFile` (those of Node and of the operating system where there is
 * none), finds `*.localhost` on this machine, goes through the proxy that `outbound` knows for a host, and follows no
 * redirect.
 *
 * @throws CliError `usage` where the file has no certificate; the function that it gives throws `unreachable`.
 */
export function createServiceFetch(options: {
  caFile?: string;
  lookup?: LookupFunction;
  outbound?: Outbound;
}): ServiceFetch {
  const ca = options.caFile === undefined ? publicAuthorities() : [readAuthorities(options.caFile)];
  const lookup = options.lookup ?? lookupName;
  return (url, { method = 'GET', headers = {}, body, signal } = {}) =>
    new Promise((resolve, reject) => {
      const target = new URL(url);
      const fail = (error: Error) => reject(explain(error, target, options.caFile));
      const port = target.port === '' ? 443 : Number(target.port);
      const { outbound } = options;
      const way: RequestOptions & Pick<TcpSocketConnectOpts, 'autoSelectFamilyAttemptTimeout'> =
        outbound?.proxyFor(target.hostname, port)
          ? connectThrough(outbound, target.hostname, port, ca)
          : { ca, lookup, agent: false, autoSelectFamilyAttemptTimeout: addressPatienceMs };
      const outgoing = request(
        target,
        { ...way, method, headers: withLength(headers, body), signal, timeout: timeoutMs },
        incoming => {
          const chunks: Buffer[] = [];
          let length = 0;
          incoming.on('data', (chunk: Buffer) => {
            length += chunk.length;
            chunks.push(chunk);
            if (length > maxBodyBytes) {
              incoming.destroy(new Error('the answer is too long'));
            }
          });
          incoming.on('error', fail);
          incoming.on('end', () => {
            const status = incoming.statusCode ?? 0;
            const empty = status === 204 || status === 304;
            resolve(
              new Response(empty ? null : Buffer.concat(chunks), {
                status,
                headers: pairs(incoming.rawHeaders),
              }),
            );
          });
        },
      );
      outgoing.on('timeout', () =>
        outgoing.destroy(new Error(`no answer within ${timeoutMs / 1000} seconds`)),
      );
      outgoing.on('error', fail);
      outgoing.end(body);
    });
}

/** For `request`: connections through the proxy, with TLS to the host inside. */
function connectThrough(outbound: Outbound, host: string, port: number, ca: string[]): RequestOptions {
  return {
    createConnection: (_options, done) => {
      openTls(outbound, host, port, ca).then(
        socket => done(null, socket),
        // No socket comes with an error, whatever the type says.
        (error: Error) => done(error, undefined as never),
      );
      return undefined;
    },
  };
}

async function openTls(outbound: Outbound, host: string, port: number, ca: string[]): Promise<TLSSocket> {
  const socket = await outbound.connect(host, port, { timeoutMs });
  const tls = tlsConnect({ socket, servername: host, ca, ALPNProtocols: ['http/1.1'] });
  tls.setTimeout(timeoutMs, () => tls.destroy(new Error(`no answer within ${timeoutMs / 1000} seconds`)));
  await once(tls, 'secureConnect');
  return tls;
}

/**
 * Authorities that certificates of published hosts may come from: the public ones, those of this machine, and `caFile`.
 *
 * @throws CliError `usage` where the file has no certificate.
 */
export function hostAuthorities(caFile: string | undefined): string[] {
  return [...publicAuthorities(), ...(caFile === undefined ? [] : [readAuthorities(caFile)])];
}

function publicAuthorities(): string[] {
  return [...getCACertificates('default'), ...getCACertificates('system')];
}

function readAuthorities(caFile: string): string {
  let pem: string;
  try {
    pem = readFileSync(caFile, 'utf8');
  } catch (error) {
    throw new CliError('usage', `The CA file ${caFile} cannot be read: ${(error as Error).message}`, {
      remedy: 'Name the file again with --ca-file.',
      cause: error,
    });
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
    throw new CliError('usage', `${caFile} contains no certificate in PEM form.`);
  }
  return pem;
}

function withLength(headers: Record<string, string>, body: string | undefined): Record<string, string> {
  return body === undefined ? headers : { ...headers, 'content-length': String(Buffer.byteLength(body)) };
}

function pairs(rawHeaders: readonly string[]): [string, string][] {
  return rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [[name, rawHeaders[index + 1]] as [string, string]] : [],
  );
}

const untrusted = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]);

function explain(error: NodeJS.ErrnoException, target: URL, caFile: string | undefined): CliError {
  const fail = (message: string, remedy?: string) =>
    new CliError('unreachable', message, { remedy, cause: error });
  if (error instanceof OutboundError) {
    return fail(error.message, error.remedy);
  }
  switch (error.code) {
    case 'ECONNREFUSED':
      return fail(`Nothing answers at ${target.host}.`, 'Is the service running, and is the port right?');
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return fail(`The name ${target.hostname} cannot be resolved.`, 'Check the domain and the DNS records.');
    case 'CERT_HAS_EXPIRED':
      return fail(
        `The certificate of ${target.host} has expired.`,
        "Renew the service's certificate, or check this machine's clock.",
      );
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return fail(`The certificate of ${target.host} is for other names.`, 'Check the domain.');
  }
  if (untrusted.has(error.code ?? '')) {
    return fail(
      caFile === undefined
        ? `The certificate of ${target.host} comes from an authority that this machine does not trust.`
        : `The certificate of ${target.host} does not come from an authority in ${caFile}.`,
      'Name the file with the right CA certificate: --ca-file FILE.',
    );
  }
  return fail(
    `${target.host} cannot be reached: ${messageOf(error) || (error.code ?? 'no reason was given')}.`,
  );
}
