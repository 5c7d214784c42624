import {
  applicationSegment,
  applicationSegmentCreate,
  applicationSegmentUpdate,
} from '@postern/protocol/admin/application-segments';
import { collection, id } from '@postern/protocol/admin/collection';
import { z } from 'zod';
import { requireApplication } from '../directory/applications.ts';
import {
  createSegment,
  deleteSegment,
  requireSegment,
  segmentsOf,
  updateSegment,
} from '../directory/segments.ts';
import * as events from '../telemetry/events.ts';
import { actorOf } from './authorize.ts';
import { entityTag, expectedVersion } from './entity-tag.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { idParams, nothing } from './requests.ts';

const tags = ['applications'];
/** As in Microsoft Graph, whose segments of this kind are the only ones there are here. */
const path =
  '/applications/:id/onPremisesPublishing/segmentsConfiguration/microsoft.graph.webSegmentConfiguration/applicationSegments';
const segmentParams = z.strictObject({ id, segmentId: id });

export function addApplicationSegments(app: AdminApp, { directory, log }: ResourceParts): void {
  const { address } = directory;

  app.get(
    path,
    {
      schema: {
        summary: 'List the segments of a complex application',
        tags,
        params: idParams,
        response: { 200: collection(applicationSegment) },
      },
    },
    async (request, reply) => {
      const row = await requireApplication(directory.db, request.params.id);
      reply.header('etag', entityTag(row.version));
      return { value: [...segmentsOf(row, address)] };
    },
  );

  app.post(
    path,
    {
      schema: {
        summary: 'Add a segment to an application with a wildcard',
        description: 'From the first segment on nothing but segments is published under the wildcard.',
        tags,
        params: idParams,
        body: applicationSegmentCreate,
        response: { 201: applicationSegment },
      },
    },
    async (request, reply) => {
      const { id: applicationId } = request.params;
      const version = expectedVersion(request.headers['if-match']);
      const { segment, row } = await createSegment(directory, applicationId, request.body, version);
      events.applicationChanged(log, { applicationId, what: 'segment_added', actor: actorOf(request) });
      return reply.code(201).header('etag', entityTag(row.version)).send(segment);
    },
  );

  app.get(
    `${path}/:segmentId`,
    {
      schema: {
        summary: 'Show a segment',
        tags,
        params: segmentParams,
        response: { 200: applicationSegment },
      },
    },
    async (request, reply) => {
      const row = await requireApplication(directory.db, request.params.id);
      reply.header('etag', entityTag(row.version));
      return requireSegment(row, request.params.segmentId, address);
    },
  );

  app.patch(
    `${path}/:segmentId`,
    {
      schema: {
        summary: 'Change a segment',
        description: 'What is left out stays; a list of CORS rules replaces the one before.',
        tags,
        params: segmentParams,
        body: applicationSegmentUpdate,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: applicationId, segmentId } = request.params;
      const version = expectedVersion(request.headers['if-match']);
      await updateSegment(directory, applicationId, segmentId, request.body, version);
      events.applicationChanged(log, { applicationId, what: 'segment_changed', actor: actorOf(request) });
      return reply.code(204).send();
    },
  );

  app.delete(
    `${path}/:segmentId`,
    {
      schema: {
        summary: 'Remove a segment',
        description: 'Without segments every host under the wildcard is published again.',
        tags,
        params: segmentParams,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: applicationId, segmentId } = request.params;
      await deleteSegment(directory, applicationId, segmentId, expectedVersion(request.headers['if-match']));
      events.applicationChanged(log, { applicationId, what: 'segment_removed', actor: actorOf(request) });
      return reply.code(204).send();
    },
  );
}
