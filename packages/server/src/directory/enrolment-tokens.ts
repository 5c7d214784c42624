import { hash, randomBytes, randomUUID } from 'node:crypto';
import { findDefaultConnectorGroup } from '../store/connector-groups.ts';
import * as store from '../store/enrolment-tokens.ts';
import { requireConnectorGroup } from './connector-groups.ts';
import type { Directory } from './directory.ts';
import { notFound } from './directory-error.ts';

export interface EnrolmentTokenInput {
  readonly displayName?: string | undefined;
  /** Default: the service's default group. */
  readonly connectorGroupId?: string | undefined;
  readonly maxUses: number;
  readonly lifetimeMs: number;
  readonly createdBy: string;
}

/** How long tokens that no longer work stay in the list. */
const keptMs = 30 * 86_400_000;

/**
 * Makes an enrolment token.
 *
 * @returns its row, and the secret (256 bits, base64url), which is stored nowhere.
 * @throws DirectoryError `not_found` of the group.
 */
export async function createEnrolmentToken(
  directory: Directory,
  input: EnrolmentTokenInput,
): Promise<{ readonly row: store.EnrolmentTokenRow; readonly secret: string }> {
  const secret = randomBytes(32).toString('base64url');
  return directory.change(async db => {
    const group =
      input.connectorGroupId === undefined
        ? await findDefaultConnectorGroup(db)
        : await requireConnectorGroup(db, input.connectorGroupId);
    const now = directory.now();
    const row: store.EnrolmentTokenRow = {
      id: randomUUID(),
      secretHash: hashEnrolmentSecret(secret),
      displayName: input.displayName ?? null,
      connectorGroupId: group.id,
      createdBy: input.createdBy,
      maxUses: input.maxUses,
      uses: 0,
      createdAt: now,
      expiresAt: now + input.lifetimeMs,
      lastUsedAt: null,
      revokedAt: null,
    };
    await store.insertEnrolmentToken(db, row);
    return { row, secret };
  });
}

/**
 * Takes an enrolment token back: nobody can register with it any more; connectors that have stay. Doing it again changes
 * nothing.
 *
 * @throws DirectoryError `not_found`
 */
export async function revokeEnrolmentToken(directory: Directory, id: string): Promise<void> {
  await directory.change(async db => {
    if ((await store.findEnrolmentToken(db, id)) === null) throw notFound('enrolment token', id);
    await store.markEnrolmentTokenRevoked(db, id, directory.now());
  });
}

/** Deletes tokens that have long expired. */
export async function purgeEnrolmentTokens(directory: Directory): Promise<void> {
  await directory.change(db => store.deleteEnrolmentTokensExpiredBefore(db, directory.now() - keptMs));
}

/** What is kept of a secret. A hash without salt is enough for 256 random bits. */
export function hashEnrolmentSecret(secret: string): string {
  return hash('sha256', secret, 'base64url');
}

/** What an enrolment token is good for. */
export type EnrolmentTokenStatus = 'usable' | 'usedUp' | 'expired' | 'revoked';

/** @param now Milliseconds since the epoch. */
export function enrolmentTokenStatus(row: store.EnrolmentTokenRow, now: number): EnrolmentTokenStatus {
  if (row.revokedAt !== null) return 'revoked';
  if (row.expiresAt <= now) return 'expired';
  return row.uses < row.maxUses ? 'usable' : 'usedUp';
}
