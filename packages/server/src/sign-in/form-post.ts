import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Reads small forms, and no other bodies, in this scope. */
export async function acceptForms(scope: FastifyInstance): Promise<void> {
  scope.removeAllContentTypeParsers();
  await scope.register(formbody, { bodyLimit: 16_384 });
}

/** A field of a form that was sent once, as text; anything else is as if it were empty. */
export function formField(request: FastifyRequest, name: string): string {
  const body = request.body;
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return '';
  const value: unknown = Reflect.get(body, name);
  return typeof value === 'string' ? value : '';
}

/**
 * Whether a form was sent from a page of this origin. Browsers say so with every POST; SameSite cookies do not help
 * against a sibling host, which is of the same site.
 *
 * @param origin `https://<host>`, with the port where it is not 443.
 */
export function isFromOwnPage(request: FastifyRequest, origin: string): boolean {
  const { origin: sentFrom, 'sec-fetch-site': site } = request.headers;
  if (site !== undefined && site !== 'same-origin') return false;
  return sentFrom === undefined ? site === 'same-origin' : sentFrom === origin;
}

/** Answers with a page of ours. */
export function sendHtml(
  reply: FastifyReply,
  page: string,
  { status = 200, headers }: { readonly status?: number; readonly headers: Record<string, string> },
): FastifyReply {
  return reply.code(status).headers(headers).send(page);
}
