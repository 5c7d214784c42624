import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';

export interface ServiceAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * One HTTPS request to the quick start's own service. Its names end in `localhost`, which is loopback (RFC 6761) though
 * not every resolver knows it, and its certificate is of the local CA.
 */
export async function fetchWithAuthority(
  url: string,
  options: {
    readonly method: string;
    readonly authorityFile: string;
    readonly body?: string;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<ServiceAnswer> {
  const { hostname, port, pathname, search, host } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<ServiceAnswer>();
  const sent = request(
    {
      host: '127.0.0.1',
      servername: hostname,
      port,
      path: `${pathname}${search}`,
      method: options.method,
      headers: { ...options.headers, host, 'content-length': Buffer.byteLength(options.body ?? '') },
      ca: readFileSync(options.authorityFile),
      signal: AbortSignal.timeout(30_000),
      agent: false,
    },
    response => {
      text(response).then(body => resolve({ status: response.statusCode ?? 0, body }), reject);
    },
  );
  sent.on('error', reject);
  sent.end(options.body);
  return promise;
}
