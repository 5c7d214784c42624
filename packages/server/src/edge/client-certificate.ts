import type { TLSSocket } from 'node:tls';
import { sha256Of } from '@postern/protocol/x509/certificate';
import type { Session } from '../feed/relay-state.ts';
import { fieldIds } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import type { RouteClients } from '../routes/route-clients.ts';
import type { ClientCheckParts } from './client-credentials.ts';

/** What is known of a connection on which TLS has asked for the client's certificate. */
export interface CertificateFacts {
  /** The host at which it was asked for; null where it was not. */
  readonly askedAt: string | null;
  /** SHA-256 of the DER of the one whose key the client has proved, upper-case hex; null where it presented none. */
  readonly certificate: string | null;
}

/** Of a connection on which nobody was asked: all but those of a few programs. */
export const notAsked: CertificateFacts = { askedAt: null, certificate: null };

/**
 * The certificate that a client has presented in the handshake of this connection.
 *
 * @param host At which it was asked for.
 */
export function certificateFactsOf(socket: TLSSocket, host: string): CertificateFacts {
  // Who resumes a session proves no key. Sessions of this kind are never kept; should one appear, it counts for nothing.
  const presented = socket.isSessionReused() ? undefined : socket.getPeerX509Certificate();
  return { askedAt: host, certificate: presented === undefined ? null : sha256Of(presented) };
}

/**
 * Whom a request speaks for that names nobody in its own fields: the program whose certificate its connection was opened
 * with; `misdirected` where the client may have one for this host and was asked at another, or before there were any; null
 * where nobody is known.
 *
 * Requests of browsers speak for nobody: a page of another site could make a browser send them, as it could with a cookie
 * (threat E1).
 *
 * @param certified Null where TLS says nothing of the client: it ends at a proxy in front of the service.
 */
export function certifiedClient(
  head: MessageHead,
  host: string,
  clients: RouteClients | null,
  certified: CertificateFacts | null,
  { onUse, now }: Pick<ClientCheckParts, 'onUse' | 'now'>,
): Session | 'misdirected' | null {
  const known = clients?.certificates ?? null;
  if (known === null || certified === null || head.find(fieldIds.secFetchSite) >= 0) return null;
  const { askedAt, certificate } = certified;
  const program = certificate === null ? undefined : known.get(certificate);
  if (program === undefined) return askedAt === host ? null : 'misdirected';
  if (program.record.expiresAt <= now()) return null;
  onUse(program.record.id);
  return program.session;
}
