import { clientAuthenticationDefault } from '@postern/protocol/admin/publishing-clients';
import type { ApplicationRecord, CredentialRecord } from '../feed/messages.ts';
import type { Session } from '../feed/relay-state.ts';

/** A credential of a program, with what stands for the program where a person's session stands for the person. */
export interface ProgramCredential {
  readonly record: CredentialRecord;
  readonly session: Session;
}

export interface ProgramSecret extends ProgramCredential {
  /** SHA-256 of the secret. */
  readonly secretHash: Buffer;
}

/** How programs say who they are, made ready for the request path. */
export interface RouteClients {
  /** By client id; several while secrets are exchanged. */
  readonly programs: ReadonlyMap<string, readonly ProgramSecret[]>;
  /** Of clients with a certificate, by the SHA-256 of its DER (upper-case hex); null where none has one. */
  readonly certificates: ReadonlyMap<string, ProgramCredential> | null;
  /** HTTP Basic lets in: with one of them, and where tokens do with a token as the password. */
  readonly isBasicAllowed: boolean;
  /** Access tokens of ours let in, of people and of programs. */
  readonly isBearerAllowed: boolean;
  /** The backend gets the access token. */
  readonly isTokenPassedOn: boolean;
}

/** Of an application without credentials for which nobody has set anything: most of thousands share it. */
const tokensAlone: RouteClients = {
  programs: new Map(),
  certificates: null,
  ...clientAuthenticationDefault,
};

/** Null where nothing that a client could say in Authorization is the service's business. */
export function clientsOf(application: ApplicationRecord): RouteClients | null {
  const { credentials = [], clientAuthentication: settings } = application;
  const hasCredentials = credentials.length > 0;
  // Nobody need say who they are there; but what was made for the service stays with it.
  const isAsked = application.preAuthentication !== 'passthrough';
  if (!isAsked && !hasCredentials) return null;
  if (!hasCredentials && settings === undefined) return tokensAlone;
  const { isBasicAllowed, isBearerAllowed, isTokenPassedOn } = settings ?? clientAuthenticationDefault;
  const takesTokens = isAsked && isBearerAllowed;
  if (!hasCredentials && !takesTokens) return null;
  const secrets = credentials.filter(one => one.certificateSha256 === undefined);
  return {
    programs: Map.groupBy(secrets.map(secretOf), secret => secret.record.clientId),
    certificates: isAsked ? certificatesOf(credentials) : null,
    isBasicAllowed: isAsked && isBasicAllowed,
    isBearerAllowed: takesTokens,
    isTokenPassedOn,
  };
}

function secretOf(record: CredentialRecord): ProgramSecret {
  return { ...programOf(record), secretHash: Buffer.from(record.secretHash, 'base64url') };
}

function certificatesOf(
  credentials: readonly CredentialRecord[],
): ReadonlyMap<string, ProgramCredential> | null {
  const known = new Map<string, ProgramCredential>();
  for (const record of credentials) {
    if (record.certificateSha256 !== undefined) known.set(record.certificateSha256, programOf(record));
  }
  return known.size > 0 ? known : null;
}

function programOf(record: CredentialRecord): ProgramCredential {
  const { id, clientId, displayName, expiresAt } = record;
  return {
    record,
    session: {
      record: { id, idHash: '', host: '', userId: clientId, expiresAt },
      user: {
        id: clientId,
        userPrincipalName: clientId,
        displayName: displayName ?? clientId,
        mail: null,
        enabled: true,
        groupIds: [],
      },
      credential: record,
      ended: false,
      identityFields: null,
    },
  };
}
