import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DoctorReport } from '@postern/protocol/doctor';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { AutomaticCertificates } from '../acme/automatic-certificates.ts';
import type { ChannelResult } from '../alerts/alert.ts';
import type { ConnectorJournal } from '../directory/connector-journal.ts';
import type { Directory } from '../directory/directory.ts';
import type { DomainParts } from '../domains/check-domain.ts';
import type { BackendReport } from '../feed/backend-reports.ts';
import type { PathFacts, PathTest } from '../feed/path-facts.ts';
import type { PathOutcome } from '../feed/path-outcomes.ts';
import type { FirstContact } from '../registration/first-contact.ts';
import type { Rotation } from '../registration/rotation.ts';
import type { SealedSecrets } from '../store/sealed-secrets.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { AuthorizeParts } from './authorize.ts';

/** What the admin API is made from. */
export interface AdminApiParts {
  readonly directory: Directory;
  /** Gets an event for every change. */
  readonly log: Logger;
  readonly authenticateBearer: AuthorizeParts['authenticateBearer'];
  /** Makes a single-use link with which a person sets a password; `expiresAt` in milliseconds since the epoch. */
  readonly createInvitation: (userId: string) => Promise<{ url: string; expiresAt: number }>;
  /** Writes down what administrators do to connectors. */
  readonly journal: Pick<ConnectorJournal, 'record'>;
  /** Sends a test alert by every channel. */
  readonly testAlerts: () => Promise<readonly ChannelResult[]>;
  /** Whether a probe went through a tunnel of the connector and back within the last 10 s. */
  readonly isConnectorActive: (connectorId: string) => boolean;
  /** After how many days without a sign of life lists leave a connector out; 0 never. */
  readonly inactiveAfterDays: number;
  /** Exchanges certificate authorities. */
  readonly rotation: Pick<Rotation, 'list' | 'rotate' | 'uses'>;
  /** Lets a connector look at itself; null where it has no tunnel or does not answer. */
  readonly examineConnector: (connectorId: string) => Promise<DoctorReport | null>;
  /** What relays know of the health of an application's backends. */
  readonly reportBackends: (applicationId: string) => Promise<readonly BackendReport[]>;
  /** What relays saw last of the way to applications, by application. */
  readonly reportOutcomes: (applicationIds: readonly string[]) => Promise<ReadonlyMap<string, PathOutcome>>;
  /** Sends a request to an application on the path of people's requests; null where no relay publishes it. */
  readonly testPath: (test: PathTest) => Promise<PathFacts | null>;
  /** What is known about custom domains. */
  readonly domains: DomainParts;
  /** Takes the keys of certificates. */
  readonly secrets: SealedSecrets;
  readonly automaticCertificates: Pick<AutomaticCertificates, 'list' | 'renewNow' | 'soon'>;
  /** How a machine that registers finds and recognises the service: what enrolment tokens carry. */
  readonly firstContact: () => FirstContact | Promise<FirstContact>;
  /** `https://portal.<domain>`, with the public port where it is not 443. */
  readonly portalOrigin: string;
}

/** The same as its routes get it. */
export interface ResourceParts extends AdminApiParts {
  /** Signs continuations of lists. */
  readonly pagingKey: Buffer;
}

/** Fastify with the types of the zod schemas. */
export type AdminApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;
