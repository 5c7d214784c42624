import type { Kysely } from 'kysely';
import { enrolmentTokenStatus, hashEnrolmentSecret } from '../directory/enrolment-tokens.ts';
import { type EnrolmentTokenRow, findEnrolmentTokenBySecret } from '../store/enrolment-tokens.ts';
import type { Database } from '../store/schema.ts';
import { mayRegister, rolesThatRegister } from './authority.ts';
import { RegistrationRefusal } from './refusal.ts';

/** By whose right a connector registers. */
export interface Applicant {
  /** The administrator: who is signed in, or who made the enrolment token. */
  readonly userId: string;
  /** May be used up. null: an administrator is signed in. */
  readonly enrolmentToken: EnrolmentTokenRow | null;
}

export interface ApplicantParts {
  readonly db: Kysely<Database>;
  /** Who an access token belongs to; null for one that is missing in the books, expired or revoked. */
  readonly authenticate: (token: string) => Promise<{ userId: string; scopes: readonly string[] } | null>;
  /** Roles of a person; none where the account is disabled or gone. */
  readonly rolesOf: (userId: string) => Promise<readonly string[]>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Says by whose right a request registers a connector: `Authorization: Bearer <access token>` of an administrator, or
 * `Authorization: Enrolment <secret of an enrolment token>`.
 *
 * @throws RegistrationRefusal of the category `admin_authentication`.
 */
export async function authenticateApplicant(
  parts: ApplicantParts,
  authorization: string | undefined,
): Promise<Applicant> {
  const secret = /^Enrolment +([A-Za-z0-9_-]{1,128})$/i.exec(authorization ?? '')?.[1];
  if (secret !== undefined) return byEnrolmentToken(parts, secret);
  return byAccessToken(parts, authorization);
}

async function byAccessToken(parts: ApplicantParts, authorization: string | undefined): Promise<Applicant> {
  const token = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization ?? '')?.[1];
  const identity = token === undefined ? null : await parts.authenticate(token);
  if (identity === null) {
    throw refusal('not_authenticated', 401, {
      message:
        token === undefined
          ? 'The request carried neither an access token of an administrator nor an enrolment token.'
          : 'The access token was not accepted: it has expired, was revoked, or was issued by another service.',
      remedy: 'Sign in again with "postern login" and repeat the registration.',
    });
  }
  const roles = await parts.rolesOf(identity.userId);
  const decision = mayRegister({ ...identity, roles });
  if (decision.allowed) return { userId: identity.userId, enrolmentToken: null };
  if (decision.reason === 'missing_scope') {
    throw refusal('not_authorized', 403, {
      message: 'The sign-in was made for another purpose: its token may not register connectors.',
      remedy: 'Sign in with "postern login", which asks for the right to use the admin API, and repeat.',
    });
  }
  const held = roles.length === 0 ? 'holds no role' : `holds the role ${roles.join(', ')}`;
  throw refusal('not_authorized', 403, {
    message: `You are signed in, but this account ${held}; registering a connector needs the role ${neededRoles}.`,
    remedy:
      'A Global Administrator can grant it (postern user role NAME --add "Application Administrator"). Or sign in with an ' +
      'account that has it ("postern logout", then "postern login"), or use an enrolment token.',
  });
}

async function byEnrolmentToken(parts: ApplicantParts, secret: string): Promise<Applicant> {
  const token = await findEnrolmentTokenBySecret(parts.db, hashEnrolmentSecret(secret));
  if (token === null) {
    throw refusal('enrolment_token_unknown', 401, {
      message:
        'The service does not know this enrolment token: it was made by another service, or has been expired for more ' +
        'than 30 days, or its connector group was deleted.',
      remedy: makeAnother,
    });
  }
  const status = enrolmentTokenStatus(token, parts.now());
  // Used up is for the registration to say: the request may be one that was answered, and whose answer was lost.
  if (status === 'expired' || status === 'revoked') throw enrolmentRefusal(token, status);
  const roles = await parts.rolesOf(token.createdBy);
  if (roles.some(role => rolesThatRegister.includes(role))) {
    return { userId: token.createdBy, enrolmentToken: token };
  }
  throw refusal('enrolment_token_revoked', 403, {
    message: `The administrator who made this enrolment token is no longer ${neededRoles}, and with that it has ended.`,
    remedy: makeAnother,
  });
}

/** The refusal of an enrolment token that is known and cannot be used. */
export function enrolmentRefusal(
  token: EnrolmentTokenRow,
  status: 'usedUp' | 'expired' | 'revoked',
): RegistrationRefusal {
  switch (status) {
    case 'usedUp':
      return refusal('enrolment_token_used_up', 403, {
        message: `This enrolment token is used up: ${connectors(token.uses)} registered with it, the last at ${utc(token.lastUsedAt)}.`,
        remedy: `${makeAnother} --max-uses makes one for several machines.`,
      });
    case 'expired':
      return refusal('enrolment_token_expired', 403, {
        message: `This enrolment token expired at ${utc(token.expiresAt)}.`,
        remedy: makeAnother,
      });
    case 'revoked':
      return refusal('enrolment_token_revoked', 403, {
        message: `This enrolment token was revoked by an administrator at ${utc(token.revokedAt)}.`,
        remedy: makeAnother,
      });
  }
}

const neededRoles = rolesThatRegister.join(' or ');

const makeAnother =
  'Make another with "postern connector enrolment-token create", or in the Admin center under Connectors.';

function connectors(count: number): string {
  return count === 1 ? 'one connector' : `${count} connectors`;
}

function utc(milliseconds: number | null): string {
  return new Date(milliseconds ?? 0).toISOString().replace(/T(.{8}).*/, ' $1 UTC');
}

function refusal(
  code: string,
  status: number,
  fields: { message: string; remedy: string },
): RegistrationRefusal {
  return new RegistrationRefusal(code, { status, category: 'admin_authentication', ...fields });
}
