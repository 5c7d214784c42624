import type { ApplicationRecord, CredentialRecord } from '../feed/messages.ts';
import type { Session } from '../feed/relay-state.ts';

/** A credential of a program, with what stands for the program where a person's session stands for the person. */
export interface ProgramCredential {
  readonly record: CredentialRecord;
  /** SHA-256 of the secret. */
  readonly secretHash: Buffer;
  readonly session: Session;
}

/** How programs say who they are, made ready for the request path. */
export interface RouteClients {
  /** By client id; several while secrets are exchanged. */
  readonly programs: ReadonlyMap<string, readonly ProgramCredential[]>;
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
  isBasicAllowed: true,
  isBearerAllowed: true,
  isTokenPassedOn: false,
};

/** Null where nothing that a client could say in Authorization is the service's business. */
export function clientsOf(application: ApplicationRecord): RouteClients | null {
  const { credentials = [], clientAuthentication: settings } = application;
  const hasCredentials = credentials.length > 0;
  // Nobody need say who they are there; but what was made for the service stays with it.
  const isAsked = application.preAuthentication !== 'passthrough';
  if (!isAsked && !hasCredentials) return null;
  if (!hasCredentials && settings === undefined) return tokensAlone;
  const isBearerAllowed = isAsked && settings?.isBearerAllowed !== false;
  if (!hasCredentials && !isBearerAllowed) return null;
  return {
    programs: Map.groupBy(credentials.map(programOf), program => program.record.clientId),
    isBasicAllowed: isAsked && settings?.isBasicAllowed !== false,
    isBearerAllowed,
    isTokenPassedOn: settings?.isTokenPassedOn === true,
  };
}

function programOf(record: CredentialRecord): ProgramCredential {
  const { id, clientId, displayName, expiresAt } = record;
  return {
    record,
    secretHash: Buffer.from(record.secretHash, 'base64url'),
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
