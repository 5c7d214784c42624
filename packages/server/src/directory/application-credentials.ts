import { hash, randomBytes, randomUUID } from 'node:crypto';
import {
  defaultCredentialLifetimeSeconds,
  maxCredentialLifetimeSeconds,
} from '@postern/protocol/admin/application-credentials';
import * as store from '../store/application-credentials.ts';
import { requireApplication } from './applications.ts';
import type { Directory } from './directory.ts';
import { DirectoryError, invalid, notFound } from './directory-error.ts';

export interface ApplicationCredentialInput {
  readonly displayName?: string | undefined;
  /** Milliseconds since the epoch; default: in a year. */
  readonly expiresAt?: number | undefined;
  /** A client of the application that gets a further secret; default: a new one. */
  readonly clientId?: string | undefined;
}

/** Many times what changing secrets takes; every one of them is compared when a program of the client asks. */
const maxCredentials = 100;

/**
 * Makes a credential with which a program uses an application without a person. Resolves when the relays know it.
 *
 * @returns its row, and the secret (256 bits, base64url), which is stored nowhere.
 * @throws DirectoryError `not_found`, `invalid` of `endDateTime` or `clientId`, `conflict` where there are too many.
 */
export async function addApplicationCredential(
  directory: Directory,
  applicationId: string,
  input: ApplicationCredentialInput,
): Promise<{ readonly row: store.ApplicationCredentialRow; readonly secret: string }> {
  const secret = randomBytes(32).toString('base64url');
  const createdAt = directory.now();
  const expiresAt = input.expiresAt ?? createdAt + defaultCredentialLifetimeSeconds * 1_000;
  checkExpiry(expiresAt, createdAt);
  return directory.change(
    async (db, touched) => {
      await requireApplication(db, applicationId);
      const others = await store.listApplicationCredentials(db, applicationId);
      if (others.length >= maxCredentials) {
        throw new DirectoryError(
          'conflict',
          `An application has at most ${maxCredentials} credentials. Remove those that nobody uses.`,
        );
      }
      const nameBefore = nameOf(input.clientId, others);
      const row: store.ApplicationCredentialRow = {
        id: randomUUID(),
        applicationId,
        clientId: input.clientId ?? randomUUID(),
        displayName: input.displayName ?? nameBefore,
        secretHash: hashClientSecret(secret),
        hint: secret.slice(0, 3),
        createdAt,
        expiresAt,
        lastUsedAt: null,
      };
      await store.insertApplicationCredential(db, row);
      touched.add('applications', applicationId);
      return { row, secret };
    },
    { awaitRelays: true },
  );
}

/**
 * Removes a credential: what was let in with it is ended, and nothing is let in with it any more, when this resolves.
 *
 * @throws DirectoryError `not_found`
 */
export async function removeApplicationCredential(
  directory: Directory,
  applicationId: string,
  id: string,
): Promise<void> {
  await directory.change(
    async (db, touched) => {
      await requireApplication(db, applicationId);
      if (!(await store.deleteApplicationCredential(db, applicationId, id))) {
        throw notFound('credential', id);
      }
      touched.add('applications', applicationId);
    },
    { awaitRelays: true },
  );
}

/** Notes that a credential was used. Relays need not hear of it. */
export async function recordCredentialUse(directory: Directory, id: string): Promise<void> {
  await directory.change(db => store.markApplicationCredentialUsed(db, id, directory.now()));
}

/** What is kept of a secret. A slow hash with salt is for what people think up; 256 random bits cannot be guessed from it. */
export function hashClientSecret(secret: string): string {
  return hash('sha256', secret, 'base64url');
}

function checkExpiry(expiresAt: number, now: number): void {
  const latest = now + maxCredentialLifetimeSeconds * 1_000;
  if (expiresAt > now && expiresAt <= latest) return;
  const example = new Date(now + defaultCredentialLifetimeSeconds * 1_000).toISOString();
  throw invalid(
    'endDateTime',
    `A credential ends in the future, and at most two years from now (${new Date(latest).toISOString()}): for example ${example}.`,
  );
}

/** A further secret of a client is called as the client is. */
function nameOf(
  clientId: string | undefined,
  others: readonly store.ApplicationCredentialRow[],
): string | null {
  if (clientId === undefined) return null;
  const ofClient = others.filter(one => one.clientId === clientId);
  if (ofClient.length > 0) return ofClient.at(-1)!.displayName;
  throw invalid('clientId', `This application has no client ${clientId}. Leave it out to make a new one.`);
}
