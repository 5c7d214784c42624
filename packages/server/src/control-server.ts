import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify';
import { DirectoryError } from './directory/directory-error.ts';
import { renderNotFound } from './pages/not-found-page.ts';
import { pageHeaders } from './pages/page-headers.ts';
import { sendHtml } from './sign-in/form-post.ts';
import { StoreError } from './store/store-error.ts';
import type { Logger } from './telemetry/logger.ts';

/** Name under which the relay asks for health and metrics. No certificate and no route of the public side has it. */
export const internalHost = 'control.internal';

export interface ControlServerParts {
  readonly log: Logger;
  /** Rejects where the store cannot be read. */
  readonly checkHealth: () => Promise<void>;
  readonly renderMetrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Longer than the relay keeps a connection unused, so that this end never closes one that it is about to use. */
const keepAliveTimeoutMs = 30_000;
/** As much as the edge lets through (`limits.maxHeadBytes`) and the fields that it adds. */
const maxHeaderBytes = 72 * 1024;
const maxBodyBytes = 1024 * 1024;

/**
 * The HTTP server behind `control.sock`, with what all hosts share: request ids in every log line, errors that tell a
 * client nothing of our inside, and health and metrics for the relay. What the client's address, scheme and host are
 * comes from the relay, which alone can reach the socket.
 */
export function createControlServer({
  log,
  checkHealth,
  renderMetrics,
}: ControlServerParts): FastifyInstance {
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    trustProxy: true,
    requestIdHeader: 'x-request-id',
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    keepAliveTimeout: keepAliveTimeoutMs,
    bodyLimit: maxBodyBytes,
    forceCloseConnections: 'idle',
    http: { maxHeaderSize: maxHeaderBytes },
    routerOptions: { maxParamLength: 500 },
  });
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply));
  app.setNotFoundHandler((request, reply) =>
    request.headers.accept?.includes('text/html')
      ? sendHtml(reply, renderNotFound(), { status: 404, headers: pageHeaders() })
      : sendError(request, reply, 404, 'not_found', 'There is nothing at this address.'),
  );
  registerInternalRoutes(app, checkHealth, renderMetrics);
  return app;
}

function registerInternalRoutes(
  app: FastifyInstance,
  checkHealth: ControlServerParts['checkHealth'],
  renderMetrics: ControlServerParts['renderMetrics'],
): void {
  const constraints = { host: internalHost };
  app.get('/health', { constraints }, async (request, reply) => {
    try {
      await checkHealth();
      return { status: 'ok' };
    } catch (error) {
      request.log.error({ err: error }, 'the store cannot be read');
      return reply.code(503).send({ status: 'failed', reason: 'store' });
    }
  });
  app.get('/metrics', { constraints }, async (_request, reply) => {
    const { contentType, text } = await renderMetrics();
    return reply.type(contentType).send(text);
  });
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (isStorageFull(error)) {
    request.log.error({ err: error }, 'there is no space left');
    return sendError(
      request,
      reply,
      507,
      'storage_full',
      'The service has no space left; nothing was changed.',
    );
  }
  const status = clientErrorStatus(error);
  if (status !== null) {
    return sendError(request, reply, status, 'bad_request', 'The request cannot be understood.');
  }
  request.log.error({ err: error }, 'a request failed');
  return sendError(request, reply, 500, 'internal', 'Something went wrong in the service.');
}

/** Whether an error says that the disk is full, whichever part met it. */
export function isStorageFull(error: unknown): boolean {
  return (error instanceof DirectoryError || error instanceof StoreError) && error.code === 'storage_full';
}

/** What fastify itself refuses, such as a body that is no JSON. */
function clientErrorStatus(error: unknown): number | null {
  if (!(error instanceof Error) || !('statusCode' in error)) return null;
  const { statusCode } = error;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? statusCode : null;
}

function sendError(
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  code: string,
  message: string,
): FastifyReply {
  return reply
    .code(status)
    .header('cache-control', 'no-store')
    .send({ error: { code, message, requestId: request.id } });
}
