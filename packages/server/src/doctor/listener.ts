import type { X509Certificate } from 'node:crypto';
import { isIP, connect as netConnect } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Endpoint } from '../config/schema.ts';

/** What the service's own listener shows to who asks for a host. */
export interface ShownCertificate {
  readonly certificate: X509Certificate;
  /** Node's word for what is wrong with its chain; empty where nothing is. */
  readonly chainError: string;
}

const limitMs = 4_000;

/** An address that the listener can be reached at from this machine. */
export function reachable({ host, port }: Endpoint): Endpoint {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port };
  return host === '::' ? { host: '::1', port } : { host, port };
}

/** Makes a connection and ends it. @throws what the system says, or that it took too long. */
export async function tryConnection(endpoint: Endpoint): Promise<void> {
  const socket = netConnect(endpoint.port, endpoint.host);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`no connection within ${limitMs / 1_000} s`)), limitMs);
  socket.once('connect', () => resolve());
  socket.on('error', reject);
  await promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

/**
 * Looks at the certificate for a host; whoever it is from.
 *
 * @param authorities What its chain is compared with, PEM.
 * @param protocols ALPN protocols.
 * @throws what Node says, or that it took too long.
 */
export async function lookAt(
  endpoint: Endpoint,
  host: string,
  authorities: readonly string[],
  protocols: readonly string[] = ['http/1.1'],
): Promise<ShownCertificate> {
  const socket = tlsConnect({
    host: endpoint.host,
    port: endpoint.port,
    servername: isIP(host) === 0 ? host : '',
    rejectUnauthorized: false,
    ca: [...authorities],
    ALPNProtocols: [...protocols],
  });
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const timer = setTimeout(() => reject(new Error(`no handshake within ${limitMs / 1_000} s`)), limitMs);
  socket.once('secureConnect', () => resolve(socket));
  socket.on('error', reject);
  socket.once('close', () => reject(new Error('the connection was closed during the handshake')));
  try {
    await promise;
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) throw new Error('no certificate was shown');
    return { certificate, chainError: socket.authorized ? '' : String(socket.authorizationError ?? '') };
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
