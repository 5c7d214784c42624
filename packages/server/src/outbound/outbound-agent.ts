import { isIP, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Outbound } from '@postern/outbound/outbound';
import { Agent, type buildConnector } from 'undici';

export interface OutboundAgentOptions {
  /** Authorities that are accepted, PEM. Default: those that Node knows. */
  readonly ca?: string | readonly string[];
  /** For connection and handshake together. Default 10 000. */
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 10_000;

/**
 * A dispatcher for undici's `request` and `fetch` whose connections are made as the service's are: directly, or through
 * its outbound proxy. To be destroyed by whoever asked for it. A request fails with an OutboundError where there is no
 * connection, and with Node's own error where its TLS is not accepted.
 */
export function createOutboundAgent(outbound: Outbound, options: OutboundAgentOptions = {}): Agent {
  return new Agent({
    connect: (target, callback) => {
      openConnection(outbound, target, options).then(
        socket => callback(null, socket),
        (error: Error) => callback(error, null),
      );
    },
  });
}

async function openConnection(
  outbound: Outbound,
  { hostname, port, protocol }: buildConnector.Options,
  { ca, timeoutMs = defaultTimeoutMs }: OutboundAgentOptions,
): Promise<Socket> {
  const signal = AbortSignal.timeout(timeoutMs);
  const host = hostname.replace(/^\[|\]$/g, '');
  const isSecure = protocol === 'https:';
  const socket = await outbound.connect(host, Number(port) || (isSecure ? 443 : 80), { timeoutMs, signal });
  if (!isSecure) return socket;
  return startTls(socket, host, ca, signal);
}

/**
 * Makes TLS with a host over a connection.
 *
 * @throws what Node says of the handshake or the certificate, or the signal's reason.
 */
export async function startTls(
  socket: Socket,
  host: string,
  ca: string | readonly string[] | undefined,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const secure = tlsConnect({
    socket,
    host,
    // An address is no server name (RFC 6066 §3); it is still what the certificate is compared with.
    servername: isIP(host) === 0 ? host : '',
    ca: typeof ca === 'string' || ca === undefined ? ca : [...ca],
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
  });
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const onAbort = () => reject(signal.reason);
  const onClose = () => reject(new Error('the connection was closed during the TLS handshake'));
  secure.once('secureConnect', () => resolve(secure));
  secure.once('error', reject);
  secure.once('close', onClose);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    return await promise;
  } catch (error) {
    // The error that destroying may bring is nobody's.
    secure.on('error', () => {});
    secure.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    secure.off('error', reject);
    secure.off('close', onClose);
  }
}
