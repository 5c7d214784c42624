import type { RoleName } from '@postern/protocol/admin/directory';
import type { FastifyRequest } from 'fastify';
import type { Actor } from '../telemetry/events.ts';
import { AdminError } from './admin-error.ts';

/** Who may call a route: anybody, everybody who is signed in, or whoever holds a role (Global Administrators hold all). */
export type Access = 'anybody' | 'signed-in' | RoleName;

const application: Access = 'Application Administrator';
const global: Access = 'Global Administrator';

const profile = '/onPremisesPublishingProfiles/applicationProxy';

const segments =
  '/applications/:id/onPremisesPublishing/segmentsConfiguration/microsoft.graph.webSegmentConfiguration/applicationSegments';

/**
 * Who may call what: method and path below `/api/v1.0`. A route that is not here is not registered, so that forgetting
 * one refuses rather than allows. Application Administrators read users and groups, since they assign applications to
 * them, and change neither.
 */
export const accessTable: Readonly<Record<string, Access>> = {
  'GET /me': 'signed-in',

  [`GET ${profile}`]: application,
  [`PATCH ${profile}`]: application,
  [`GET ${profile}/connectors`]: application,
  [`GET ${profile}/connectors/:id`]: application,
  [`DELETE ${profile}/connectors/:id`]: application,
  [`POST ${profile}/connectors/:id/revoke`]: application,
  [`PATCH ${profile}/connectors/:id`]: application,
  [`POST ${profile}/connectors/:id/drain`]: application,
  [`POST ${profile}/connectors/:id/resume`]: application,
  [`POST ${profile}/connectors/:id/doctor`]: application,
  [`GET ${profile}/connectors/:id/events`]: application,
  [`GET ${profile}/connectors/:id/memberOf`]: application,
  [`POST ${profile}/connectors/:id/memberOf/$ref`]: application,
  [`GET ${profile}/connectorGroups`]: application,
  [`POST ${profile}/connectorGroups`]: application,
  [`GET ${profile}/connectorGroups/:id`]: application,
  [`PATCH ${profile}/connectorGroups/:id`]: application,
  [`DELETE ${profile}/connectorGroups/:id`]: application,
  [`GET ${profile}/connectorGroups/:id/members`]: application,
  [`POST ${profile}/connectorGroups/:id/members/$ref`]: application,
  [`GET ${profile}/connectorGroups/:id/applications`]: application,
  [`POST ${profile}/connectorGroups/:id/applications/$ref`]: application,
  [`GET ${profile}/certificateAuthorities`]: application,
  [`POST ${profile}/certificateAuthorities/:name/rotate`]: global,
  [`GET ${profile}/enrolmentTokens`]: application,
  [`POST ${profile}/enrolmentTokens`]: application,
  [`DELETE ${profile}/enrolmentTokens/:id`]: application,

  [`GET ${profile}/certificates`]: application,
  [`POST ${profile}/certificates`]: application,
  [`GET ${profile}/certificates/:id`]: application,
  [`DELETE ${profile}/certificates/:id`]: application,
  [`GET ${profile}/automaticCertificates`]: application,
  [`POST ${profile}/automaticCertificates/:id/renew`]: application,

  'GET /domains': application,
  'POST /domains': application,
  'GET /domains/:id': application,
  'PATCH /domains/:id': application,
  'DELETE /domains/:id': application,
  'POST /domains/:id/verify': application,
  'POST /domains/:id/check': application,
  'GET /domains/:id/verificationDnsRecords': application,
  'GET /domains/:id/serviceConfigurationRecords': application,

  'POST /alerts/test': application,

  'GET /applications': application,
  'POST /applications': application,
  'GET /applications/:id': application,
  'PATCH /applications/:id': application,
  'DELETE /applications/:id': application,
  'GET /applications/:id/backendHealth': application,
  'GET /applications/:id/passwordCredentials': application,
  'POST /applications/:id/addPassword': application,
  'POST /applications/:id/removePassword': application,
  'GET /applications/:id/keyCredentials': application,
  'POST /applications/:id/addKey': application,
  'POST /applications/:id/removeKey': application,
  'GET /applications/:id/onPremisesPublishing': application,
  [`GET ${segments}`]: application,
  [`POST ${segments}`]: application,
  [`GET ${segments}/:segmentId`]: application,
  [`PATCH ${segments}/:segmentId`]: application,
  [`DELETE ${segments}/:segmentId`]: application,
  'GET /applications/:id/connectorGroup': application,
  'POST /applications/:id/test': application,
  'PUT /applications/:id/connectorGroup/$ref': application,
  'POST /applicationTemplates/:id/instantiate': application,

  'GET /servicePrincipals': application,
  'GET /servicePrincipals/:id': application,
  'PATCH /servicePrincipals/:id': application,
  'GET /servicePrincipals/:id/appRoleAssignedTo': application,
  'POST /servicePrincipals/:id/appRoleAssignedTo': application,
  'DELETE /servicePrincipals/:id/appRoleAssignedTo/:assignmentId': application,
  'GET /servicePrincipals/:id/appRoleAssignments': application,
  'POST /servicePrincipals/:id/appRoleAssignments': application,
  'DELETE /servicePrincipals/:id/appRoleAssignments/:assignmentId': application,

  'GET /users': application,
  'POST /users': global,
  'GET /users/:id': application,
  'PATCH /users/:id': global,
  'DELETE /users/:id': global,
  'POST /users/:id/invite': global,
  'POST /users/:id/revokeSignInSessions': global,
  'GET /users/:id/memberOf': application,

  'GET /groups': application,
  'POST /groups': global,
  'GET /groups/:id': application,
  'PATCH /groups/:id': global,
  'DELETE /groups/:id': global,
  'GET /groups/:id/members': application,
  'POST /groups/:id/members/$ref': global,
  'DELETE /groups/:id/members/:userId/$ref': global,

  'GET /directoryRoles': application,
  'GET /directoryRoles/:id/members': application,
  'POST /directoryRoles/:id/members/$ref': global,
  'DELETE /directoryRoles/:id/members/:userId/$ref': global,
};

/** The person that a request is made for. */
export interface Caller {
  readonly userId: string;
  readonly roles: readonly string[];
}

/** Where the answers to "who is this, and what may they do" come from. */
export interface AuthorizeParts {
  /** null for a token that does not work: unknown, expired, revoked. */
  readonly authenticateBearer: (
    token: string,
  ) => Promise<{ userId: string; scopes: readonly string[]; clientId: string } | null>;
  /** Roles of a person; null where the person does not exist or is disabled. */
  readonly rolesOfActiveUser: (userId: string) => Promise<readonly string[] | null>;
  /** `https://portal.<domain>`, with the public port where it is not 443. */
  readonly portalOrigin: string;
}

/** The scope that an access token needs for the admin API. */
const apiScope = 'api';

/**
 * Gives the caller of a request where they may make it. Only the Authorization header counts: what a browser attaches
 * by itself, cookies above all, proves nothing here.
 *
 * @throws AdminError `InvalidAuthenticationToken` or `Authorization_RequestDenied`.
 */
export async function authorize(
  request: Pick<FastifyRequest, 'headers'>,
  access: Exclude<Access, 'anybody'>,
  parts: AuthorizeParts,
): Promise<Caller> {
  const { origin } = request.headers;
  if (origin !== undefined && origin !== parts.portalOrigin) {
    throw denied(`Pages of ${printable(origin)} may not use the admin API.`);
  }
  const identity = await authenticate(request.headers.authorization, parts);
  if (!identity.scopes.includes(apiScope)) {
    throw denied(
      `The access token lacks the scope "${apiScope}". Sign in again with a program that asks for it.`,
    );
  }
  return callerFor(identity.userId, access, parts);
}

/**
 * Gives the caller whom a door of the admin API has made out, where their roles allow the route.
 *
 * @throws AdminError `InvalidAuthenticationToken` or `Authorization_RequestDenied`.
 */
export async function callerFor(
  userId: string,
  access: Exclude<Access, 'anybody'>,
  { rolesOfActiveUser }: Pick<AuthorizeParts, 'rolesOfActiveUser'>,
): Promise<Caller> {
  const roles = await rolesOfActiveUser(userId);
  if (roles === null) {
    throw new AdminError('InvalidAuthenticationToken', 'The account that asks is disabled or gone.');
  }
  requireRole(roles, access);
  return { userId, roles };
}

async function authenticate(header: string | undefined, parts: AuthorizeParts) {
  const token = /^Bearer +([A-Za-z0-9._~+/-]{1,4096}=*)$/i.exec(header ?? '')?.[1];
  if (token === undefined) {
    throw new AdminError(
      'InvalidAuthenticationToken',
      'The request has no access token: send "Authorization: Bearer …". Cookies are not looked at.',
    );
  }
  const identity = await parts.authenticateBearer(token);
  if (identity === null) {
    throw new AdminError('InvalidAuthenticationToken', 'The access token has expired or was revoked.');
  }
  return identity;
}

function requireRole(roles: readonly string[], access: Exclude<Access, 'anybody'>): void {
  if (access === 'signed-in' || roles.includes(access) || roles.includes(global)) {
    return;
  }
  const held = roles.length === 0 ? 'You hold no role' : `You hold the role ${roles.join(', ')}`;
  throw denied(`${held}; this needs ${access}. A Global Administrator can grant it.`);
}

function denied(message: string): AdminError {
  return new AdminError('Authorization_RequestDenied', message);
}

function printable(text: string): string {
  return text.slice(0, 256).replace(/[^\x21-\x7e]/g, '?');
}

const callers = new WeakMap<object, Caller>();

/** Remembers whom a request is made for. */
export function rememberCaller(request: FastifyRequest, caller: Caller): void {
  callers.set(request, caller);
}

/** The caller of a request, as events name it. */
export function actorOf(request: FastifyRequest): Actor {
  return { userId: callerOf(request).userId, requestId: request.id };
}

/** The caller of a request that {@link authorize} has let through. */
export function callerOf(request: FastifyRequest): Caller {
  const caller = callers.get(request);
  if (caller === undefined) {
    throw new TypeError('the route of this request is open to anybody: it has no caller');
  }
  return caller;
}
