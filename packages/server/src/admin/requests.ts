import { id, type Reference, referencedId } from '@postern/protocol/admin/collection';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AdminError } from './admin-error.ts';

/** Path parameters of one object. */
export const idParams = z.strictObject({ id });

/** The answer of a change that has nothing to say: 204. */
export const nothing = z.undefined().meta({ description: 'Done.' });

/**
 * The id that the body of a `…/$ref` request names.
 *
 * @throws AdminError `Request_BadRequest`
 */
export function requireReferencedId(body: Reference): string {
  const found = referencedId(body);
  if (found === null) {
    throw new AdminError(
      'Request_BadRequest',
      '@odata.id must be the address of an object, ending in its id.',
    );
  }
  return found;
}

/** The address of a list as it was asked for, without the query: continuations lead back to it. */
export function listUrl(request: Pick<FastifyRequest, 'url'>, portalOrigin: string): string {
  return `${portalOrigin}${request.url.split('?', 1)[0]}`;
}

/** Milliseconds since the epoch as the admin API writes times: ISO 8601, UTC. */
export function dateTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

export function dateTimeOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : dateTime(milliseconds);
}
