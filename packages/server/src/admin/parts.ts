import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DoctorReport } from '@postern/protocol/doctor';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { ChannelResult } from '../alerts/alert.ts';
import type { ConnectorJournal } from '../directory/connector-journal.ts';
import type { Directory } from '../directory/directory.ts';
import type { FirstContact } from '../registration/first-contact.ts';
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
  /** Whether a connector has a tunnel now. */
  readonly isConnectorLive: (connectorId: string) => boolean;
  /** Lets a connector look at itself; null where it has no tunnel or does not answer. */
  readonly examineConnector: (connectorId: string) => Promise<DoctorReport | null>;
  /** How a machine that registers finds and recognises the service: what enrolment tokens carry. */
  readonly firstContact: () => FirstContact;
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
