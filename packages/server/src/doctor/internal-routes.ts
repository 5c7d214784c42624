import type { DoctorReport } from '@postern/protocol/doctor';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { internalHost } from '../control-server.ts';
import { serverVersion } from '../version.ts';
import { doctorPath, type runningServiceShape } from './running-service.ts';

export interface DoctorRouteParts {
  /** Of the relay. */
  readonly processId: number;
  /** Those with a tunnel now. */
  readonly liveConnectors: () => Promise<z.infer<typeof runningServiceShape>['connectors']>;
  /** Null where no report is to be had. */
  readonly examineConnector: (connectorId: string) => Promise<DoctorReport | null>;
}

/** What `postern doctor` asks a service that runs. No route of the public side has the host. */
export function registerDoctorRoutes(app: FastifyInstance, parts: DoctorRouteParts): void {
  const constraints = { host: internalHost };
  app.get(doctorPath, { constraints }, async () => ({
    version: serverVersion,
    processId: parts.processId,
    connectors: await parts.liveConnectors(),
  }));
  app.post<{ Params: { id: string } }>(
    `${doctorPath}/connectors/:id`,
    { constraints },
    async (request, reply) => {
      const report = await parts.examineConnector(request.params.id);
      // As text: an answer of null would be an empty one.
      return reply.type('application/json').send(JSON.stringify(report));
    },
  );
}
