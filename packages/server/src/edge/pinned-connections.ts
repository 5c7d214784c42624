import type { Session } from '../feed/relay-state.ts';
import type { fieldIds } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import type { BackendCarrier } from './exchange.ts';

/**
 * Backend connections that belong to one client connection. NTLM and Negotiate authenticate a connection, not a request
 * (RFC 4559 §6), so from the first challenge on such a connection carries this client and this session alone (threat A16).
 */
export class PinnedConnections {
  readonly #byPool = new Map<
    string,
    { readonly session: Session | null; readonly connection: BackendCarrier }
  >();

  /** The connection pinned for a route's pool, which is one backend; one of another session is closed instead. */
  find(pool: string, session: Session | null): BackendCarrier | null {
    const pinned = this.#byPool.get(pool);
    if (pinned === undefined) return null;
    if (pinned.session === session && !pinned.connection.isClosed) return pinned.connection;
    this.#byPool.delete(pool);
    pinned.connection.destroy();
    return null;
  }

  pin(pool: string, session: Session | null, connection: BackendCarrier): void {
    connection.isPinned = true;
    const before = this.#byPool.get(pool);
    if (before !== undefined && before.connection !== connection) before.connection.destroy();
    this.#byPool.set(pool, { session, connection });
  }

  /** The client has gone. */
  closeAll(): void {
    for (const { connection } of this.#byPool.values()) connection.destroy();
    this.#byPool.clear();
  }
}

/** Whether a field of a head carries a scheme that authenticates the connection it comes on. */
export function namesConnectionScheme(
  head: MessageHead,
  id: typeof fieldIds.authorization | typeof fieldIds.wwwAuthenticate,
): boolean {
  for (let index = head.find(id); index >= 0; index = head.findNext(id, index)) {
    if (/(^|,)\s*(ntlm|negotiate)\b/i.test(head.valueOf(index))) return true;
  }
  return false;
}
