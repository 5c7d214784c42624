import { hash, randomBytes, randomUUID, type X509Certificate } from 'node:crypto';
import {
  defaultCredentialLifetimeSeconds,
  maxCredentialLifetimeSeconds,
} from '@postern/protocol/admin/application-credentials';
import { sha256Of, validityOf } from '@postern/protocol/x509/certificate';
import * as store from '../store/application-credentials.ts';
import { requireApplication } from './applications.ts';
import type { Directory } from './directory.ts';
import { DirectoryError, invalid, notFound } from './directory-error.ts';

interface CredentialInput {
  readonly displayName?: string | undefined;
  /** A client of the application that gets a further credential; default: a new one. */
  readonly clientId?: string | undefined;
}

export interface ApplicationCredentialInput extends CredentialInput {
  /** Milliseconds since the epoch; default: in a year. */
  readonly expiresAt?: number | undefined;
}

/** Many times what changing secrets takes; every one of them is compared when a program of the client asks. */
const maxCredentials = 100;

/**
 * Makes a credential with which a program uses an application without a person. Resolves when the relays know it.
 *
 * @returns its row, and the secret (256 bits, hex), which is stored nowhere.
 * @throws DirectoryError `not_found`, `invalid` of `endDateTime` or `clientId`, `conflict` where there are too many.
 */
export async function addApplicationCredential(
  directory: Directory,
  applicationId: string,
  input: ApplicationCredentialInput,
): Promise<{ readonly row: store.ApplicationCredentialRow; readonly secret: string }> {
  // It is typed into command lines of others: a first "-" would begin an option.
  const secret = randomBytes(32).toString('hex');
  const createdAt = directory.now();
  const expiresAt = input.expiresAt ?? createdAt + defaultCredentialLifetimeSeconds * 1_000;
  checkExpiry(expiresAt, createdAt);
  const proof = { secretHash: hashClientSecret(secret), hint: secret.slice(0, 3), certificateSha256: null };
  return { row: await add(directory, applicationId, input, proof, expiresAt), secret };
}

/**
 * Makes a certificate a credential with which a program uses an application without a person, until the certificate
 * expires. It is taken as it is: nobody has to have signed it. Resolves when the relays know it.
 *
 * @throws DirectoryError `not_found`, `invalid` of `key` or `clientId`, `conflict` where the application has this
 *   certificate, or too many credentials.
 */
export async function addCertificateCredential(
  directory: Directory,
  applicationId: string,
  certificate: X509Certificate,
  input: CredentialInput,
): Promise<CertificateCredentialRow> {
  const { notAfter } = validityOf(certificate);
  if (notAfter <= directory.now()) {
    throw invalid(
      'key',
      `This certificate has expired on ${new Date(notAfter).toISOString()}. Give the one that the program presents now.`,
    );
  }
  const certificateSha256 = sha256Of(certificate);
  const proof = { secretHash: '', hint: '', certificateSha256 };
  return { ...(await add(directory, applicationId, input, proof, notAfter)), certificateSha256 };
}

/** The row of a credential that is a certificate. */
export type CertificateCredentialRow = store.ApplicationCredentialRow & {
  readonly certificateSha256: string;
};

type Proof = Pick<store.ApplicationCredentialRow, 'secretHash' | 'hint' | 'certificateSha256'>;

function add(
  directory: Directory,
  applicationId: string,
  input: CredentialInput,
  proof: Proof,
  expiresAt: number,
): Promise<store.ApplicationCredentialRow> {
  return directory.change(
    async (db, touched) => {
      await requireApplication(db, applicationId);
      const others = await store.listApplicationCredentials(db, applicationId);
      refuseTwice(proof, others);
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
        ...proof,
        createdAt: directory.now(),
        expiresAt,
        lastUsedAt: null,
      };
      await store.insertApplicationCredential(db, row);
      touched.add('applications', applicationId);
      return row;
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
  kind: store.CredentialKind,
): Promise<void> {
  await directory.change(
    async (db, touched) => {
      await requireApplication(db, applicationId);
      if (!(await store.deleteApplicationCredential(db, applicationId, id, kind))) {
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

function refuseTwice({ certificateSha256 }: Proof, others: readonly store.ApplicationCredentialRow[]): void {
  if (certificateSha256 === null) return;
  const same = others.find(one => one.certificateSha256 === certificateSha256);
  if (same === undefined) return;
  throw new DirectoryError(
    'conflict',
    `This application has this certificate already: it is the credential ${same.id}. Remove that one first.`,
  );
}

/** A further credential of a client is called as the client is. */
function nameOf(
  clientId: string | undefined,
  others: readonly store.ApplicationCredentialRow[],
): string | null {
  if (clientId === undefined) return null;
  const ofClient = others.filter(one => one.clientId === clientId);
  if (ofClient.length > 0) return ofClient.at(-1)!.displayName;
  throw invalid('clientId', `This application has no client ${clientId}. Leave it out to make a new one.`);
}
