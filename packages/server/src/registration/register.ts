import { createHash, type KeyObject, randomUUID } from 'node:crypto';
import {
  type RegistrationFailureCategory,
  type RegistrationRequest,
  type RegistrationResult,
  registrationRequest,
} from '@postern/protocol/registration';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { findDefaultConnectorGroupId, recordRegistration } from '../store/connector-registrations.ts';
import type { ConnectorCertificateTable, ConnectorTable, Database } from '../store/schema.ts';
import type { Authorities } from './authorities.ts';
import { mayRegister } from './authority.ts';
import { type IssuedCertificate, issueTrustCertificate } from './issue.ts';
import { checkProof, ProofError } from './proof.ts';

export interface RegistrationParts {
  readonly db: Kysely<Database>;
  readonly authorities: Authorities;
  /** The service's domain and the port people and connectors reach it at. */
  readonly domain: string;
  readonly publicPort: number;
  /** Who an access token belongs to; null for one that is missing in the books, expired or revoked. */
  readonly authenticate: (token: string) => Promise<{ userId: string; scopes: readonly string[] } | null>;
  readonly rolesOf: (userId: string) => Promise<readonly string[]>;
  /** Tells the relays of a connector; resolves when they know it, so that its first tunnel is not refused. */
  readonly publishConnector: (connectorId: string) => Promise<unknown> | void;
  /** One event of a business log: who registered which connector, or why not. Never a token. */
  readonly record: (event: RegistrationEvent) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export type RegistrationEvent =
  | {
      readonly kind: 'connector_registered';
      readonly connectorId: string;
      readonly machineName: string;
      readonly thumbprint: string;
      readonly userId: string;
      readonly requestId: string | undefined;
    }
  | {
      readonly kind: 'connector_registration_refused';
      readonly code: string;
      readonly userId: string | undefined;
      readonly requestId: string | undefined;
      readonly cause?: unknown;
    };

/** A request needs no more: a proof certificate and four short fields. */
const maxBodyBytes = 32_768;

/**
 * Adds `POST /register` for the host `connect.<domain>` (see `@postern/protocol/registration`). The administrator is
 * authenticated and authorised before the body is read.
 */
export function registerRegistration(app: FastifyInstance, parts: RegistrationParts): void {
  const host = new RegExp(`^connect\\.${parts.domain.replaceAll('.', '\\.')}(:\\d+)?$`, 'i');
  const administrators = new WeakMap<FastifyRequest, string>();
  app.register(async scope => {
    scope.setErrorHandler((error, request, reply) => refuse(error, request, reply));
    scope.post('/register', {
      bodyLimit: maxBodyBytes,
      constraints: { host },
      onRequest: async request => {
        administrators.set(request, await authorize(parts, request));
      },
      handler: async (request, reply) => {
        const result = await register(parts, parse(request.body), administrators.get(request)!, request);
        // The answer holds no secret, but an intermediary has no business keeping it.
        return reply.header('cache-control', 'no-store').code(201).send(result);
      },
    });
  });

  function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const refusal = toRefusal(error);
    parts.record({
      kind: 'connector_registration_refused',
      code: refusal.code,
      userId: administrators.get(request),
      requestId: requestIdOf(request),
      ...(refusal.code === 'unavailable' && { cause: error }),
    });
    if (refusal.status === 401) reply.header('www-authenticate', 'Bearer');
    const { code, message, category, remedy } = refusal;
    return reply
      .header('cache-control', 'no-store')
      .code(refusal.status)
      .send({ error: { code, message, category, remedy } });
  }
}

class RegistrationRefusal extends Error {
  readonly code: string;
  readonly status: number;
  readonly category: RegistrationFailureCategory;
  readonly remedy: string;

  constructor(
    code: string,
    fields: { status: number; category: RegistrationFailureCategory; message: string; remedy: string },
    options?: ErrorOptions,
  ) {
    super(fields.message, options);
    this.code = code;
    this.status = fields.status;
    this.category = fields.category;
    this.remedy = fields.remedy;
  }
}

async function authorize(parts: RegistrationParts, request: FastifyRequest): Promise<string> {
  const token = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(request.headers.authorization ?? '')?.[1];
  const identity = token === undefined ? null : await parts.authenticate(token);
  if (identity === null) {
    throw new RegistrationRefusal('not_authenticated', {
      status: 401,
      category: 'admin_authentication',
      message:
        token === undefined
          ? 'The request carried no access token of an administrator.'
          : 'The access token was not accepted: it has expired, was revoked, or was issued by another service.',
      remedy: 'Sign in again with "postern login" and repeat the registration.',
    });
  }
  const roles = await parts.rolesOf(identity.userId);
  const decision = mayRegister({ ...identity, roles });
  if (decision.allowed) return identity.userId;
  if (decision.reason === 'missing_scope') {
    throw new RegistrationRefusal('not_authorized', {
      status: 403,
      category: 'admin_authentication',
      message: 'The sign-in was made for another purpose: its token may not register connectors.',
      remedy: 'Sign in with "postern login", which asks for the right to use the admin API, and repeat.',
    });
  }
  throw new RegistrationRefusal('not_authorized', {
    status: 403,
    category: 'admin_authentication',
    message:
      'You are signed in, but this account is neither Application Administrator nor Global Administrator, and only ' +
      'these roles may register connectors.',
    remedy:
      'Let a Global Administrator give your account the role Application Administrator, or sign in with an account that ' +
      'has it ("postern logout", then "postern login").',
  });
}

function parse(body: unknown): RegistrationRequest {
  const parsed = registrationRequest.safeParse(body);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map(issue => issue.path.join('.') || issue.message).join(', ');
  throw badRequest(`The request does not have the form that this service understands (${fields}).`);
}

async function register(
  parts: RegistrationParts,
  body: RegistrationRequest,
  userId: string,
  request: FastifyRequest,
): Promise<RegistrationResult> {
  const publicKey = checkProof(body.proofCertificate);
  const now = parts.now();
  const connectorId = randomUUID();
  const groupId = body.connectorGroupId ?? (await findDefaultConnectorGroupId(parts.db));
  const { machineName } = body;
  const issued = await issueTrustCertificate(parts.authorities.registration, {
    publicKey,
    connectorId,
    machineName,
    now,
  });
  const connector = {
    id: connectorId,
    machineName,
    groupId,
    externalIp: null,
    version: body.version,
    os: body.os,
    createdAt: now,
    lastSeenAt: null,
    revokedAt: null,
  } satisfies ConnectorTable;
  const certificate = certificateRow(issued, connectorId);
  const outcome = await recordRegistration(parts.db, {
    connector,
    certificate,
    keySha256: hashOf(publicKey),
  });
  if (outcome !== 'recorded') throw refusalOf(outcome, groupId);
  await parts.publishConnector(connectorId);
  parts.record({
    kind: 'connector_registered',
    connectorId,
    machineName,
    thumbprint: issued.thumbprint,
    userId,
    requestId: requestIdOf(request),
  });
  return {
    connectorId,
    connectorGroupId: groupId,
    certificate: issued.pem,
    issuerCertificates: [parts.authorities.registration.certificate],
    tunnelAnchors: [parts.authorities.service.certificate],
    tunnelHost: `connect.${parts.domain}`,
    tunnelPort: parts.publicPort,
  };
}

function certificateRow(issued: IssuedCertificate, connectorId: string): ConnectorCertificateTable {
  return { ...issued, connectorId, revokedAt: null };
}

function hashOf(publicKey: KeyObject): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('hex').toUpperCase();
}

function refusalOf(
  outcome: 'proof_already_used' | 'unknown_connector_group',
  groupId: string,
): RegistrationRefusal {
  if (outcome === 'unknown_connector_group') {
    return new RegistrationRefusal(outcome, {
      status: 400,
      category: 'trust_establishment',
      message: `There is no connector group ${groupId}.`,
      remedy:
        'Look the id up with "postern connector-group list", or leave it out to join the default group.',
    });
  }
  return new RegistrationRefusal(outcome, {
    status: 409,
    category: 'trust_establishment',
    message: 'This key has been registered already; a proof is good for one connector.',
    remedy: 'Repeat the registration: a new key is made each time.',
  });
}

function badRequest(message: string, options?: ErrorOptions): RegistrationRefusal {
  return new RegistrationRefusal(
    'bad_request',
    {
      status: 400,
      category: 'trust_establishment',
      message,
      remedy: 'Use a connector of the same release as the service, or a newer one.',
    },
    options,
  );
}

function toRefusal(error: unknown): RegistrationRefusal {
  if (error instanceof RegistrationRefusal) return error;
  if (error instanceof ProofError) {
    return new RegistrationRefusal(
      error.code,
      {
        status: 400,
        category: 'trust_establishment',
        message: `The connector's proof was refused: ${error.message}.`,
        remedy:
          error.code === 'weak_key'
            ? 'Let "postern connector register" make the key: RSA 3072, or P-384 with --key p384.'
            : 'Repeat the registration on the connector machine; the proof must not be changed on its way.',
      },
      { cause: error },
    );
  }
  const { statusCode = 500 } = error as Partial<FastifyError>;
  if (statusCode === 413) {
    return badRequest(`The request is larger than ${maxBodyBytes} bytes.`, { cause: error });
  }
  // What fastify refuses itself: a body that is no JSON, or of another type.
  if (statusCode >= 400 && statusCode < 500)
    return badRequest('The request is no JSON document.', { cause: error });
  return new RegistrationRefusal(
    'unavailable',
    {
      status: 503,
      category: 'trust_establishment',
      message: 'The service could not record the registration; nothing was issued.',
      remedy: "Look into the service's log for this request id, then repeat the registration.",
    },
    { cause: error },
  );
}

function requestIdOf(request: FastifyRequest): string | undefined {
  const value = request.headers['x-request-id'];
  return typeof value === 'string' ? value : undefined;
}
