import { createHash, type KeyObject, randomUUID, X509Certificate } from 'node:crypto';
import {
  type RegistrationRequest,
  type RegistrationResult,
  registrationRequest,
} from '@postern/protocol/registration';
import { sha256Of } from '@postern/protocol/x509/certificate';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { enrolmentTokenStatus } from '../directory/enrolment-tokens.ts';
import {
  findDefaultConnectorGroupId,
  findRecentRegistration,
  findUnrevokedConnector,
  type RegistrationOutcome,
  recordRegistration,
} from '../store/connector-registrations.ts';
import { type EnrolmentTokenRow, findEnrolmentToken } from '../store/enrolment-tokens.ts';
import type { ConnectorCertificateTable, ConnectorTable } from '../store/schema.ts';
import { type Applicant, type ApplicantParts, authenticateApplicant, enrolmentRefusal } from './applicant.ts';
import { type Authorities, issuersOf } from './authorities.ts';
import { type IssuedCertificate, issueTrustCertificate } from './issue.ts';
import { checkPreviousKey } from './previous-key.ts';
import { checkProof } from './proof.ts';
import { badRequest, maxBodyBytes, RegistrationRefusal, toRefusal } from './refusal.ts';

export interface RegistrationParts extends ApplicantParts {
  readonly authorities: Authorities;
  /** The service's domain and the port people and connectors reach it at. */
  readonly domain: string;
  readonly publicPort: number;
  /** Tells the relays of a connector; resolves when they know it, so that its first tunnel is not refused. */
  readonly publishConnector: (connectorId: string) => Promise<unknown> | void;
  /** One event of a business log: who registered which connector, or why not. Never a token. */
  readonly record: (event: RegistrationEvent) => void;
}

export type RegistrationEvent =
  | {
      readonly kind: 'connector_registered';
      readonly connectorId: string;
      readonly machineName: string;
      readonly thumbprint: string;
      /** True: the connector was known, and keeps its id and group. */
      readonly isReregistration: boolean;
      /** The administrator, or who made the enrolment token. */
      readonly userId: string;
      readonly enrolmentTokenId: string | undefined;
      readonly requestId: string | undefined;
    }
  | {
      readonly kind: 'connector_registration_refused';
      readonly code: string;
      readonly userId: string | undefined;
      readonly enrolmentTokenId: string | undefined;
      readonly requestId: string | undefined;
      readonly cause?: unknown;
    };

/**
 * Adds `POST /register` for the host `connect.<domain>` (see `@postern/protocol/registration`). The administrator or the
 * enrolment token is looked at before the body is read.
 */
export function registerRegistration(app: FastifyInstance, parts: RegistrationParts): void {
  const host = new RegExp(`^connect\\.${parts.domain.replaceAll('.', '\\.')}(:\\d+)?$`, 'i');
  const applicants = new WeakMap<FastifyRequest, Applicant>();
  app.register(async scope => {
    scope.setErrorHandler((error, request, reply) => refuse(error, request, reply));
    scope.post('/register', {
      bodyLimit: maxBodyBytes,
      constraints: { host },
      onRequest: async request => {
        applicants.set(request, await authenticateApplicant(parts, request.headers.authorization));
      },
      handler: async (request, reply) => {
        const result = await register(parts, parse(request.body), applicants.get(request)!, request);
        // The answer holds no secret, but an intermediary has no business keeping it.
        return reply.header('cache-control', 'no-store').code(201).send(result);
      },
    });
  });

  function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const refusal = toRefusal(error);
    const applicant = applicants.get(request);
    parts.record({
      kind: 'connector_registration_refused',
      code: refusal.code,
      userId: applicant?.userId,
      enrolmentTokenId: applicant?.enrolmentToken?.id,
      requestId: requestIdOf(request),
      ...(refusal.code === 'unavailable' && { cause: error }),
    });
    if (refusal.status === 401) reply.header('www-authenticate', 'Bearer, Enrolment');
    const { code, message, category, remedy } = refusal;
    return reply
      .header('cache-control', 'no-store')
      .code(refusal.status)
      .send({ error: { code, message, category, remedy } });
  }
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
  applicant: Applicant,
  request: FastifyRequest,
): Promise<RegistrationResult> {
  const publicKey = checkProof(body.proofCertificate);
  const now = parts.now();
  const enrolmentTokenId = applicant.enrolmentToken?.id ?? null;
  const answered = await findAnswered(parts, publicKey, enrolmentTokenId);
  if (answered !== null) return answered;
  if (applicant.enrolmentToken !== null) requireUse(applicant.enrolmentToken, now);
  const known = await findKnown(parts, body);
  const groupId = await chooseGroup(parts, body, applicant, known);
  // Before the answer is made, which then holds this one, too.
  const keptAnchor = announcedAnchor(parts.authorities);
  const connector = connectorRow(body, { groupId, known, keptAnchor, now });
  const { id: connectorId, machineName } = connector;
  const issued = await issueTrustCertificate(parts.authorities.registration, {
    publicKey,
    connectorId,
    machineName,
    lifetimeMs: parts.authorities.trustCertificateMs,
    now,
  });
  const outcome = await recordRegistration(parts.db, {
    connector,
    isKnown: known !== null,
    certificate: certificateRow(issued, connectorId),
    keySha256: hashOf(publicKey),
    enrolmentTokenId,
    now,
  });
  if (outcome === 'proof_already_used') {
    const raced = await findAnswered(parts, publicKey, enrolmentTokenId);
    if (raced !== null) return raced;
  }
  if (outcome !== 'recorded') throw await refusalOf(outcome, groupId, parts, enrolmentTokenId);
  await parts.publishConnector(connectorId);
  parts.record({
    kind: 'connector_registered',
    connectorId,
    machineName,
    thumbprint: issued.thumbprint,
    isReregistration: known !== null,
    userId: applicant.userId,
    enrolmentTokenId: enrolmentTokenId ?? undefined,
    requestId: requestIdOf(request),
  });
  return answer(parts, connector, issued.pem);
}

function answer(
  parts: RegistrationParts,
  { id: connectorId, groupId: connectorGroupId }: ConnectorTable,
  certificate: string,
): RegistrationResult {
  return {
    connectorId,
    connectorGroupId,
    certificate,
    issuerCertificates: issuersOf(parts.authorities, certificate),
    tunnelAnchors: parts.authorities.rotating.service.all.map(one => one.certificate),
    tunnelHost: `connect.${parts.domain}`,
    tunnelPort: parts.publicPort,
  };
}

/** How long a request that has been answered gets the same answer again. */
const repeatMs = 10 * 60_000;

/**
 * What a request with the same key was answered a short while ago, by the same right. A connector that asks again has lost the answer
 * on its way; a second certificate, or a second use of an enrolment token, would be one too many.
 */
async function findAnswered(
  parts: RegistrationParts,
  publicKey: KeyObject,
  enrolmentTokenId: string | null,
): Promise<RegistrationResult | null> {
  const found = await findRecentRegistration(parts.db, {
    keySha256: hashOf(publicKey),
    enrolmentTokenId,
    since: parts.now() - repeatMs,
  });
  const certificate = found?.certificates.find(({ pem }) =>
    new X509Certificate(pem).publicKey.equals(publicKey),
  );
  if (!found || !certificate) return null;
  await parts.publishConnector(found.connector.id);
  return answer(parts, found.connector, certificate.pem);
}

function requireUse(token: EnrolmentTokenRow, now: number): void {
  const status = enrolmentTokenStatus(token, now);
  if (status !== 'usable') throw enrolmentRefusal(token, status);
}

/**
 * The connector that registers again, where the request proves that it is one. A revoked one stays revoked: whoever
 * holds its key becomes a new connector by the administrator's right, and by nothing else.
 */
async function findKnown(
  parts: RegistrationParts,
  { previous, proofCertificate }: RegistrationRequest,
): Promise<ConnectorTable | null> {
  if (previous === undefined) return null;
  const known = await findUnrevokedConnector(parts.db, previous.certificateSha256);
  if (known === null) return null;
  checkPreviousKey(known.certificate.pem, previous, proofCertificate);
  return known.connector;
}

async function chooseGroup(
  parts: RegistrationParts,
  body: RegistrationRequest,
  { enrolmentToken }: Applicant,
  known: ConnectorTable | null,
): Promise<string> {
  if (enrolmentToken === null) {
    return body.connectorGroupId ?? known?.groupId ?? (await findDefaultConnectorGroupId(parts.db));
  }
  const { connectorGroupId: bound } = enrolmentToken;
  // The token is good for one group, and no key makes it good for another.
  const wanted = body.connectorGroupId ?? known?.groupId ?? bound;
  if (wanted === bound) return bound;
  throw new RegistrationRefusal('enrolment_token_group', {
    status: 403,
    category: 'admin_authentication',
    message:
      known === null || body.connectorGroupId !== undefined
        ? `The enrolment token is for the connector group ${bound}, and the request names ${wanted}.`
        : `The enrolment token is for the connector group ${bound}, and this machine is the connector ${known.id} of the group ${wanted}.`,
    remedy:
      'Use an enrolment token made for that group, or let the machine become a new connector with "postern connector register --new".',
  });
}

function connectorRow(
  { machineName, version, os }: RegistrationRequest,
  {
    groupId,
    known,
    keptAnchor,
    now,
  }: Pick<ConnectorTable, 'groupId' | 'keptAnchor'> & {
    readonly known: ConnectorTable | null;
    readonly now: number;
  },
): ConnectorTable {
  // One that is known may go on with what it had, where the answer does not reach it.
  if (known !== null) return { ...known, machineName, version, os, groupId };
  return {
    id: randomUUID(),
    machineName,
    groupId,
    externalIp: null,
    version,
    os,
    createdAt: now,
    lastSeenAt: null,
    revokedAt: null,
    keptAnchor,
  };
}

/** The service's next authority, which the answer of a registration holds: SHA-256 of the DER; null if there is none. */
function announcedAnchor({ rotating }: Authorities): string | null {
  const { next } = rotating.service;
  return next === null ? null : sha256Of(new X509Certificate(next.signer.certificate));
}

function certificateRow(issued: IssuedCertificate, connectorId: string): ConnectorCertificateTable {
  return { ...issued, connectorId, revokedAt: null };
}

function hashOf(publicKey: KeyObject): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('hex').toUpperCase();
}

async function refusalOf(
  outcome: Exclude<RegistrationOutcome, 'recorded'>,
  groupId: string,
  parts: RegistrationParts,
  enrolmentTokenId: string | null,
): Promise<RegistrationRefusal> {
  switch (outcome) {
    case 'unknown_connector_group':
      return new RegistrationRefusal(outcome, {
        status: 400,
        category: 'trust_establishment',
        message: `There is no connector group ${groupId}.`,
        remedy:
          'Look the id up with "postern connector-group list", or leave it out to join the default group.',
      });
    case 'proof_already_used':
      return new RegistrationRefusal(outcome, {
        status: 409,
        category: 'trust_establishment',
        message: 'This key has been registered already; a proof is good for one connector.',
        remedy: 'Repeat the registration: a new key is made each time.',
      });
    case 'connector_changed':
      return new RegistrationRefusal(outcome, {
        status: 409,
        category: 'trust_establishment',
        message: 'The connector was revoked while it registered again.',
        remedy: 'Repeat the registration: this machine then becomes a new connector.',
      });
    case 'enrolment_token_unusable':
      return describeUnusable(parts, enrolmentTokenId);
  }
}

/** It was usable when the request came; another request was faster. */
async function describeUnusable(
  { db, now }: RegistrationParts,
  enrolmentTokenId: string | null,
): Promise<RegistrationRefusal> {
  const token = enrolmentTokenId === null ? null : await findEnrolmentToken(db, enrolmentTokenId);
  if (token === null) throw new TypeError('a registration without enrolment token cannot fail by one');
  const status = enrolmentTokenStatus(token, now());
  return enrolmentRefusal(token, status === 'usable' ? 'usedUp' : status);
}

function requestIdOf(request: FastifyRequest): string | undefined {
  const value = request.headers['x-request-id'];
  return typeof value === 'string' ? value : undefined;
}
