import { deleteEdgeSessions } from '../store/edge-sessions.ts';
import { deleteOidcRecordsOfAccount } from '../store/oidc-records.ts';
import type { Directory } from './directory.ts';
import { requireUser } from './users.ts';

/**
 * Signs a person out everywhere: sessions at applications, the login session, and every token. Resolves when the relays
 * know it, or a second later.
 *
 * @throws DirectoryError `not_found`
 */
export async function endSignIns(directory: Directory, userId: string): Promise<void> {
  await directory.change(
    async (db, touched) => {
      await requireUser(db, userId);
      touched.addAll('sessions', await deleteEdgeSessions(db, 'userId', userId));
      await deleteOidcRecordsOfAccount(db, userId);
    },
    { awaitRelays: true },
  );
}
