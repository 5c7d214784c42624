import {
  type KeyCredential,
  keyCredential,
  type PasswordCredential,
  passwordCredential,
} from '@postern/protocol/admin/application-credentials';
import type { AdminClient } from './admin-client.ts';

/** A secret of a program, or a certificate of one. */
export type ApplicationCredential = PasswordCredential | KeyCredential;

/** Credentials of both kinds, those that have expired included. */
export async function listCredentials(
  admin: AdminClient,
  applicationId: string,
): Promise<ApplicationCredential[]> {
  const path = `applications/${applicationId}`;
  const [secrets, certificates] = await Promise.all([
    admin.list(`${path}/passwordCredentials`, passwordCredential),
    admin.list(`${path}/keyCredentials`, keyCredential),
  ]);
  return [...secrets, ...certificates];
}

/** What tells a credential from others, for people: how a secret begins, or how a certificate's SHA-256 does. */
export function describeProof(credential: ApplicationCredential): string {
  return 'sha256' in credential ? `certificate ${credential.sha256.slice(0, 16)}…` : `${credential.hint}…`;
}
