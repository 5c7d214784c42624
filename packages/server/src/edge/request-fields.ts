import type { Session } from '../feed/relay-state.ts';
import type { Route } from '../routes/route-table.ts';
import { fieldText } from '../translation/field-text.ts';

/** Names of the fields that tell backends who is asking; an empty name is not sent. */
export interface IdentityFieldNames {
  readonly user: string;
  readonly email: string;
  readonly displayName: string;
  readonly userId: string;
  /** All of them in lower case: what clients may not send. */
  readonly reserved: ReadonlySet<string>;
}

const none = Buffer.alloc(0);

/**
 * Host and where the request came from, as whole field lines. They are the same for every request of a connection to a
 * route, so the caller keeps them.
 *
 * @param address The client's address.
 * @param forwardedFor What a trusted proxy in front of us said, or null.
 * @param sentHost The authority that the client asked for.
 */
export function connectionFields(
  route: Route,
  address: string,
  forwardedFor: string | null,
  sentHost: string,
): Buffer {
  const chain = forwardedFor === null ? address : `${forwardedFor}, ${address}`;
  // RFC 8586: whoever relays leaves it in, so that a request that comes back is known again.
  const loop = route.loopTag === '' ? '' : `CDN-Loop: postern; r=${route.loopTag}\r\n`;
  const client = forwardedFor === null ? address : (forwardedFor.split(',')[0] ?? '').trim();
  return Buffer.from(
    `Host: ${route.hostField ?? sentHost}\r\n` +
      `X-Forwarded-For: ${chain}\r\n` +
      `X-Forwarded-Host: ${sentHost}\r\n` +
      'X-Forwarded-Proto: https\r\n' +
      `Forwarded: for=${forwardedNode(client)};host="${sentHost}";proto=https\r\n` +
      loop,
    'latin1',
  );
}

/** Who is asking, as whole field lines. Backends get the configured names; the control process the ids it works with. */
export function identityFields(session: Session | null, route: Route, names: IdentityFieldNames): Buffer {
  if (session === null) return none;
  if (route.backend === 'control') {
    return Buffer.from(
      `X-Postern-User-Id: ${session.user.id}\r\nX-Postern-Session-Id: ${session.record.id}\r\n`,
      'latin1',
    );
  }
  session.identityFields ??= Buffer.from(identityLines(session, names), 'latin1');
  return session.identityFields;
}

function identityLines({ user }: Session, names: IdentityFieldNames): string {
  let lines = '';
  if (names.user !== '') lines += `${names.user}: ${fieldText(user.userPrincipalName)}\r\n`;
  if (names.email !== '' && user.mail !== null) lines += `${names.email}: ${fieldText(user.mail)}\r\n`;
  if (names.displayName !== '') lines += `${names.displayName}: ${fieldText(user.displayName)}\r\n`;
  if (names.userId !== '') lines += `${names.userId}: ${user.id}\r\n`;
  return lines;
}

/** RFC 7239 §6: an IPv6 address is bracketed and quoted. */
function forwardedNode(address: string): string {
  return address.includes(':') ? `"[${address}]"` : address;
}
