import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DirectoryError } from '../directory/directory-error.ts';
import { failurePageHeaders, renderFailurePage } from '../pages/failure-page.ts';
import { StoreError } from '../store/store-error.ts';

/** Makes a scope one of pages: it reads small forms and no other bodies, and says in a page what went wrong. */
export async function acceptForms(scope: FastifyInstance): Promise<void> {
  scope.removeAllContentTypeParsers();
  await scope.register(formbody, { bodyLimit: 16_384 });
  scope.setErrorHandler((error, request, reply) => {
    const status = statusOf(error);
    if (status >= 500) request.log.error({ err: error }, 'a page failed');
    return reply.code(status).headers(failurePageHeaders).send(renderFailure(status, request));
  });
}

function statusOf(error: unknown): number {
  if (isStorageFull(error)) return 507;
  const status: unknown = error instanceof Error ? Reflect.get(error, 'statusCode') : undefined;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500;
}

function isStorageFull(error: unknown): boolean {
  return (error instanceof StoreError || error instanceof DirectoryError) && error.code === 'storage_full';
}

function renderFailure(status: number, request: FastifyRequest): string {
  const { title, sentence, advice } = failureWords(status);
  return renderFailurePage({
    title,
    sentence,
    advice,
    hop: status < 500 ? 'client' : 'edge',
    requestId: request.id,
    time: new Date(),
  });
}

function failureWords(status: number): { title: string; sentence: string; advice: string } {
  if (status < 500) {
    return {
      title: 'This request cannot be answered',
      sentence: 'Your browser sent something that this page does not understand.',
      advice: 'Go back, reload the page, and try again.',
    };
  }
  if (status === 507) {
    return {
      title: 'Nobody can sign in right now',
      sentence: 'The service has no space left to store that you signed in.',
      advice: 'Tell your administrator that the disk of the service is full.',
    };
  }
  return {
    title: 'Something went wrong in the service',
    sentence: 'What you asked for could not be done.',
    advice:
      'Try again in a minute. If it stays like this, give your administrator the request id and the time below.',
  };
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
