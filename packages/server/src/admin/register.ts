import { randomBytes } from 'node:crypto';
import swagger from '@fastify/swagger';
import { adminError } from '@postern/protocol/admin/error';
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { z } from 'zod';
import { hostConstraint } from '../pages/host-constraint.ts';
import { rolesOf } from '../store/roles.ts';
import { findUser } from '../store/users.ts';
import { AdminError } from './admin-error.ts';
import { addAlerts } from './alerts.ts';
import { answerError } from './answer-error.ts';
import { addCertificateCredentials } from './application-certificates.ts';
import { addApplicationCredentials } from './application-credentials.ts';
import { addApplicationSegments } from './application-segments.ts';
import { addApplicationTemplates } from './application-templates.ts';
import { addApplicationTest } from './application-test.ts';
import { addApplications } from './applications.ts';
import {
  type Access,
  type AuthorizeParts,
  accessTable,
  authorize,
  type Caller,
  rememberCaller,
} from './authorize.ts';
import { addBackendHealth } from './backend-health.ts';
import { addCertificateAuthorities } from './certificate-authorities.ts';
import { addCertificates } from './certificates.ts';
import { addConnectorDoctor } from './connector-doctor.ts';
import { addConnectorGroups } from './connector-groups.ts';
import { addConnectors } from './connectors.ts';
import { addDirectoryRoles } from './directory-roles.ts';
import { addDomains } from './domains.ts';
import { addEnrolmentTokens } from './enrolment-tokens.ts';
import { addGroups } from './groups.ts';
import { addMe } from './me.ts';
import type { AdminApiParts, AdminApp, ResourceParts } from './parts.ts';
import { addPublishingProfile } from './publishing-profile.ts';
import { addServicePrincipals } from './service-principals.ts';
import { addUsers } from './users.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call a route of the admin API. */
    access?: Access;
  }
}

/** Longest body of a request; the longest that means something is far below. */
const maxBodyBytes = 256 * 1024;

/**
 * A way into the admin API: an address below which its routes are, and who says for whom a request is made. The routes,
 * the table of roles and the errors are the same behind every door.
 */
export interface Door {
  /** Such as `/api`. */
  readonly prefix: string;
  /** All mean the same. */
  readonly versions: readonly string[];
  /** Adds what the door alone has, before its routes. */
  readonly prepare?: (api: AdminApp) => Promise<void>;
  /** @throws AdminError where the request may not be made. */
  readonly authorize: (request: FastifyRequest, access: Exclude<Access, 'anybody'>) => Promise<Caller>;
}

const prefix = '/api';
/** Both mean the same; scripts written for Microsoft Graph name either. */
const versions = ['v1.0', 'beta'] as const;

const resources: readonly ((app: AdminApp, parts: ResourceParts) => void)[] = [
  addMe,
  addUsers,
  addGroups,
  addDirectoryRoles,
  addApplications,
  addApplicationSegments,
  addApplicationCredentials,
  addCertificateCredentials,
  addApplicationTemplates,
  addApplicationTest,
  addBackendHealth,
  addServicePrincipals,
  addPublishingProfile,
  addConnectors,
  addConnectorGroups,
  addConnectorDoctor,
  addCertificateAuthorities,
  addDomains,
  addCertificates,
  addAlerts,
  addEnrolmentTokens,
];

/**
 * Adds the admin API below `/api` of the portal's host. The request id that it answers with is fastify's.
 *
 * @throws TypeError where a route is missing from the table of authorize.ts.
 */
export async function registerAdminApi(app: FastifyInstance, parts: AdminApiParts): Promise<void> {
  const authorizeParts: AuthorizeParts = {
    authenticateBearer: parts.authenticateBearer,
    rolesOfActiveUser: userId => rolesOfActiveUser(parts, userId),
    portalOrigin: parts.portalOrigin,
  };
  await registerDoor(app, parts, {
    prefix,
    versions,
    prepare: describe,
    authorize: (request, access) => authorize(request, access, authorizeParts),
  });
}

/**
 * Adds the admin API behind a door to the portal's host.
 *
 * @throws TypeError where a route is missing from the table of authorize.ts.
 */
export async function registerDoor(app: FastifyInstance, parts: AdminApiParts, door: Door): Promise<void> {
  await app.register(scope => addAdminApi(scope.withTypeProvider<ZodTypeProvider>(), parts, door), {
    prefix: door.prefix,
  });
}

async function addAdminApi(api: AdminApp, parts: AdminApiParts, door: Door): Promise<void> {
  const resourceParts: ResourceParts = { ...parts, pagingKey: randomBytes(32) };
  api.setValidatorCompiler(validatorCompiler);
  api.setSerializerCompiler(serializerCompiler);
  acceptJsonOnly(api);
  api.setErrorHandler(answerError);
  const constraints = hostConstraint(new URL(parts.portalOrigin).hostname);
  api.addHook('onRoute', route => {
    route.constraints = constraints;
    describeAccess(route, door);
  });
  api.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'request-id': request.id,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    await admit(request, door);
  });

  await door.prepare?.(api);
  for (const version of door.versions) {
    await api.register(
      async scope => {
        for (const addResource of resources) {
          addResource(scope.withTypeProvider<ZodTypeProvider>(), resourceParts);
        }
      },
      { prefix: `/${version}` },
    );
  }
  // A route of its own rather than a not-found handler, which another part's wildcard for the host would come before.
  api.all('/*', { config: { access: 'anybody' }, schema: { hide: true } }, async () => {
    throw new AdminError('Request_ResourceNotFound', 'The admin API has no such address.');
  });
}

/** Adds the OpenAPI document of every route that is added after it. */
async function describe(api: AdminApp): Promise<void> {
  await api.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Postern admin API',
        description:
          'Manages a Postern service. Paths and property names are those of Microsoft Graph for application proxy. ' +
          'Everything below /api/v1.0 is also found below /api/beta.',
        version: '1.0',
      },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'Access token with the scope api.' },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: document => withoutUnused(jsonSchemaTransformObject(document) as OpenApiDocument),
  });
  api.get(
    '/openapi.json',
    { config: { access: 'anybody' }, schema: { hide: true, response: { 200: z.unknown() } } },
    async () => api.swagger(),
  );
}

/** Gives a route its row of the access table, in force and in its description. */
function describeAccess(route: RouteOptions, door: Door): void {
  const path = door.versions.reduce(
    (url, version) => url.replace(`${door.prefix}/${version}`, ''),
    route.url,
  );
  // HEAD routes come by themselves with GET.
  const method = route.method === 'HEAD' ? 'GET' : String(route.method);
  const access = route.config?.access ?? accessTable[`${method} ${path}`];
  if (access === undefined) {
    throw new TypeError(`${method} ${path} has no row in the access table of the admin API`);
  }
  route.config = { ...route.config, access };
  if (access === 'anybody') {
    return;
  }
  route.schema = {
    ...route.schema,
    hide: route.url.startsWith(`${prefix}/beta/`),
    security: [{ bearer: [] }],
    description: [route.schema?.description, neededRole(access)].filter(Boolean).join(' '),
    response: { ...(route.schema?.response as object), '4xx': adminError, '5xx': adminError },
  };
}

type OpenApiDocument = Extract<ReturnType<typeof jsonSchemaTransformObject>, { openapi?: unknown }>;

/** Takes out the schemas that nothing refers to: each is made once for requests and once for answers. */
function withoutUnused(document: OpenApiDocument): OpenApiDocument {
  const schemas = document.components?.schemas ?? {};
  const everything = JSON.stringify(document);
  const used = Object.entries(schemas).filter(([name]) =>
    everything.includes(`"#/components/schemas/${name}"`),
  );
  if (used.length === Object.keys(schemas).length) {
    return document;
  }
  return withoutUnused({
    ...document,
    components: { ...document.components, schemas: Object.fromEntries(used) },
  } as OpenApiDocument);
}

function neededRole(access: Access): string {
  return access === 'signed-in' ? 'Everybody who is signed in.' : `Needs ${access}.`;
}

async function admit(request: FastifyRequest, door: Door): Promise<void> {
  const { access } = request.routeOptions.config;
  // Without one no route matched, and the answer will be 404 whoever asks.
  if (access === undefined || access === 'anybody') {
    return;
  }
  rememberCaller(request, await door.authorize(request, access));
}

/** Anything but JSON is 415: a form on another page could send `text/plain` and say what it likes in it. */
function acceptJsonOnly(api: AdminApp): void {
  api.removeAllContentTypeParsers();
  api.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit: maxBodyBytes },
    api.getDefaultJsonParser('error', 'error'),
  );
}

/** Roles of a person; null where they do not exist or are disabled. */
export async function rolesOfActiveUser(
  { directory }: Pick<AdminApiParts, 'directory'>,
  userId: string,
): Promise<readonly string[] | null> {
  const user = await findUser(directory.db, userId);
  return user?.accountEnabled === 1 ? rolesOf(directory.db, userId) : null;
}
