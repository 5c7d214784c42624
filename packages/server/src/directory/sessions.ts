import { hash, randomBytes, randomUUID } from 'node:crypto';
import type { SessionRecord } from '../feed/messages.ts';
import {
  deleteEdgeSessions,
  deleteExpiredEdgeSessions,
  insertEdgeSession,
  setTimingUntil,
} from '../store/edge-sessions.ts';
import { hasEnded, hashId } from '../store/oidc-records.ts';
import { findUser } from '../store/users.ts';
import type { Directory } from './directory.ts';
import { DirectoryError } from './directory-error.ts';
import { sessionRecordOf } from './records.ts';

export interface NewSession {
  /** Lower case, without port. */
  readonly host: string;
  readonly userId: string;
  /** The OpenID Provider's session that it came from, if any; of an access token for an application its grant. */
  readonly loginSessionUid: string | null;
  readonly lifetimeMs: number;
}

/**
 * Begins a session of a person at one host. Resolves when the relays know it (or a second later), so that the browser
 * that is redirected now is let in.
 *
 * @returns The cookie's value, 43 characters, which is stored nowhere; and the record.
 * @throws DirectoryError `forbidden` if the user is disabled or gone, `precondition_failed` if the login has ended.
 */
export async function createSession(
  directory: Directory,
  session: NewSession,
): Promise<{ value: string; record: SessionRecord }> {
  const value = randomBytes(32).toString('base64url');
  const record = await directory.change(
    async (db, touched) => {
      const user = await findUser(db, session.userId);
      if (user?.accountEnabled !== 1) {
        throw new DirectoryError('forbidden', 'This account is disabled.');
      }
      const { loginSessionUid } = session;
      // Grants are stored by their hash, and so remembered.
      if (loginSessionUid !== null && (await hasEnded(db, [loginSessionUid, hashId(loginSessionUid)]))) {
        throw new DirectoryError('precondition_failed', 'This sign-in has ended.');
      }
      const createdAt = directory.now();
      const row = {
        id: randomUUID(),
        idHash: hash('sha256', value, 'base64url'),
        host: session.host,
        userId: session.userId,
        loginSessionUid,
        createdAt,
        expiresAt: createdAt + session.lifetimeMs,
      };
      await insertEdgeSession(db, row);
      touched.add('sessions', row.id);
      return sessionRecordOf(row);
    },
    { awaitRelays: true },
  );
  return { value, record };
}

/** Lets the answers of a session say how long each hop took, for a while; or no more. Resolves when relays know. */
export async function timeSession(directory: Directory, id: string, until: number | null): Promise<void> {
  await directory.change(
    async (db, touched) => {
      await setTimingUntil(db, id, until);
      touched.add('sessions', id);
    },
    { awaitRelays: true },
  );
}

/** Ends one session. Returns whether there was one. */
export function endSession(directory: Directory, id: string): Promise<boolean> {
  return endSessions(directory, 'id', id).then(count => count > 0);
}

/** Ends the sessions that came from one session of the OpenID Provider. Returns how many. */
export function endSessionsOfLogin(directory: Directory, loginSessionUid: string): Promise<number> {
  return endSessions(directory, 'loginSessionUid', loginSessionUid);
}

/** Ends every session of a person at every host. Returns how many. */
export function endSessionsOfUser(directory: Directory, userId: string): Promise<number> {
  return endSessions(directory, 'userId', userId);
}

/** Deletes sessions that have ended by themselves, a day later: what they opened may still be open. Returns how many. */
export async function purgeExpiredSessions(directory: Directory): Promise<number> {
  return directory.change(async (db, touched) => {
    const ids = await deleteExpiredEdgeSessions(db, directory.now());
    touched.addAll('sessions', ids);
    return ids.length;
  });
}

async function endSessions(
  directory: Directory,
  column: 'id' | 'userId' | 'loginSessionUid',
  value: string,
): Promise<number> {
  return directory.change(
    async (db, touched) => {
      const ids = await deleteEdgeSessions(db, column, value);
      touched.addAll('sessions', ids);
      return ids.length;
    },
    { awaitRelays: true },
  );
}
