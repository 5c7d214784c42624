import { randomBytes, randomUUID } from 'node:crypto';
import type { PathFacts, PathTest } from '../feed/path-facts.ts';
import { hashCookie } from '../feed/relay-state.ts';
import { HeadReader, MessageHead } from '../http1/head.ts';
import type { Route } from '../routes/route-table.ts';
import { listResponseFields } from '../translation/response-head.ts';
import { ownCookiePrefix } from '../translation/session-cookie.ts';
import type { EdgeParts } from './edge-parts.ts';
import type { Exchange, ResponseSink } from './exchange.ts';
import { ExchangeTiming, hopTimes } from './exchange-timing.ts';
import type { EdgeError } from './failure.ts';
import {
  addressesOf,
  type ClientContext,
  handleRequest,
  openExchange,
  type RequestOutcome,
} from './request.ts';

/** Below how long the admin API waits for it, which answers within the 30 s of its own route. */
const limitMs = 22_000;
/** More of an answer tells nothing about the path. */
const maxBytes = 1024 * 1024;

/** Refusals after which it is still worth looking at what lies behind. */
const looksBehind: ReadonlySet<string> = new Set([
  'not_allowed',
  'maintenance',
  'application_disabled',
  'address_not_allowed',
]);

/**
 * Sends one GET to an application on the path that people's requests take, from admission on, with a session that lives
 * for this one request. Where the person is not let in, another is sent in nobody's name, so that an administrator sees
 * what lies behind without getting any of its content.
 *
 * @returns null where this relay does not know the application or publishes nothing at the host.
 */
export async function testPath(test: PathTest, parts: EdgeParts): Promise<PathFacts | null> {
  const { state } = parts.admit;
  const { applicationId, host, userId } = test;
  const route = parts.admit.routes().findHost(host)?.find(test.target.split('?', 1)[0]!);
  if (!state.applications.has(applicationId) || route?.application.id !== applicationId) return null;
  const sessionId = `test ${randomUUID()}`;
  const cookie = randomBytes(32).toString('base64url');
  const expiresAt = Date.now() + 2 * limitMs;
  state.putSession({ id: sessionId, idHash: hashCookie(cookie), host, userId, expiresAt });
  try {
    return await send(test, cookie, route, parts);
  } finally {
    state.apply({ set: 'sessions', remove: sessionId });
  }
}

async function send(test: PathTest, cookie: string, route: Route, parts: EdgeParts): Promise<PathFacts> {
  const context = contextOf(test, parts);
  const run = new TestRun(parts);
  const outcome = handleRequest(parse(test, cookie, parts), context, run, parts, run.timing);
  const known = outcome.kind === 'later' ? await outcome.outcome : outcome;
  if (known.kind === 'exchange') return run.follow(known.exchange, null);
  if (known.kind === 'later') throw new TypeError('a session is asked for once');
  const refusal = refusalOf(known);
  if (!looksBehind.has(refusal)) return run.refused(known.requestId, refusal, known.answer.status);
  const { requestId } = known;
  const head = parse(test, null, parts);
  const { client } = context;
  const request = { head, context, client, sink: run, parts, requestId, startedAt: parts.now() };
  // The client's own path: what is asked in nobody's name goes where a request that is let in would.
  const behind = openExchange(request, route, null, targetBehind(test, route), run.timing);
  if (behind.kind !== 'exchange') return run.refused(requestId, refusal, known.answer.status);
  return run.follow(behind.exchange, refusal);
}

function contextOf({ host, clientAddress }: PathTest, parts: EdgeParts): ClientContext {
  return {
    covers: name => name === host,
    certified: null,
    lastHost: null,
    lastCookie: null,
    lastPresented: null,
    address: clientAddress,
    client: parts.protection.clientAt(clientAddress),
    isBehindTrustedProxy: false,
    lastForwarded: null,
    pins: null,
    lastFields: null,
    lastTranslation: null,
  };
}

function parse({ host, target }: PathTest, cookie: string | null, parts: EdgeParts): MessageHead {
  const lines = [
    `GET ${target} HTTP/1.1`,
    `Host: ${host}${parts.portSuffix}`,
    'Accept: */*',
    'User-Agent: Postern-Test',
    ...(cookie === null ? [] : [`Cookie: ${ownCookiePrefix}=${cookie}`]),
  ];
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const head = new MessageHead();
  if (!new HeadReader().readRequest(bytes, 0, bytes.length, parts.limits.head, head)) {
    throw new TypeError('the head of a test is incomplete');
  }
  return head;
}

/** The published path of a route is as many characters as it has in a test, whose path is written plainly. */
function targetBehind({ target }: PathTest, { externalPath, internalPath }: Route): string | null {
  if (externalPath === internalPath) return null;
  return internalPath + target.slice(externalPath.length);
}

function refusalOf({ answer }: Extract<RequestOutcome, { kind: 'answer' }>): string {
  if (answer.status === 200) return 'answered_by_service';
  const said = JSON.parse(answer.body.toString()) as { error?: { code?: string } };
  return said.error?.code ?? 'refused';
}

/** The client's side of a test: takes an answer's head down and drops its content. */
class TestRun implements ResponseSink {
  readonly timing = new ExchangeTiming(true);
  readonly isWritable = true;
  readonly #parts: EdgeParts;
  readonly #startedAt: number;
  readonly #ended = Promise.withResolvers<void>();
  #exchange: Exchange | null = null;
  #failure: PathFacts['failure'] = null;
  #status = 0;
  #fields: readonly string[] = [];
  #bytes = 0;

  constructor(parts: EdgeParts) {
    this.#parts = parts;
    this.#startedAt = parts.now();
  }

  async follow(exchange: Exchange, refusal: string | null): Promise<PathFacts> {
    this.#exchange = exchange;
    const timer = setTimeout(() => this.#end('no_answer_in_time'), limitMs);
    exchange.start();
    await this.#ended.promise;
    clearTimeout(timer);
    return this.#facts(exchange.requestId, refusal, exchange.startedAt);
  }

  refused(requestId: string, refusal: string, status: number): PathFacts {
    this.#status = status;
    return this.#facts(requestId, refusal, this.#startedAt);
  }

  onResponse(head: MessageHead): void {
    const exchange = this.#exchange!;
    this.#status = head.status;
    this.#fields = listResponseFields(head, {
      addresses: addressesOf(exchange.route),
      links: exchange.links,
      changesContent: exchange.changesContent,
      keepsOwnCookies: false,
      isPersonalPage: false,
      custom: exchange.route.responseHeaders,
      claims: exchange,
      addsHttpOnly: false,
      cors: null,
    });
  }

  onResponseBody(_bytes: Buffer, start: number, end: number): void {
    this.#bytes += end - start;
    if (this.#bytes >= maxBytes) this.#end(null);
  }

  onResponseEnd(): void {
    this.#ended.resolve();
  }

  onFailure({ code, hop, detail }: EdgeError): void {
    this.#failure = { code, hop, detail: detail.slice(0, 1_000) };
    this.#ended.resolve();
  }

  onAbort(error: EdgeError): void {
    this.onFailure(error);
  }

  onRevoked(): void {
    const detail = 'what it was let in by changed while it was under way';
    this.#failure = { code: 'not_allowed', hop: 'edge', detail };
    this.#ended.resolve();
  }

  onUpgraded(): void {
    this.#end(null);
  }

  onInformational(): void {}
  onRequestDrain(): void {}
  flush(): void {}

  #end(code: 'no_answer_in_time' | null): void {
    if (code !== null)
      this.#failure = { code, hop: this.#hop(), detail: `nothing came within ${limitMs / 1000} s` };
    // Not from within its own callback, where it goes on with what it was doing.
    setImmediate(() => this.#exchange?.abort());
    this.#ended.resolve();
  }

  #facts(requestId: string, refusal: string | null, startedAt: number): PathFacts {
    const now = this.#parts.now();
    const { timing } = this;
    return {
      requestId,
      refusal,
      failure: this.#failure,
      connectorId: timing.connectorId,
      ...(timing.backendOrigin !== null && { backendOrigin: timing.backendOrigin }),
      wasOpened: timing.opened !== null,
      address: timing.opened?.address?.slice(0, 300) ?? null,
      status: this.#status,
      location: this.#field('location'),
      contentType: this.#field('content-type'),
      bytes: this.#bytes,
      times: hopTimes(timing, startedAt),
      contentMs: timing.firstByteAt > 0 ? round(now - timing.firstByteAt) : null,
      totalMs: round(now - this.#startedAt),
    };
  }

  /** Where it stands, when nothing comes. */
  #hop(): string {
    if (this.timing.sentAt === 0) return 'tunnel';
    return this.timing.openedAt === 0 ? 'connector' : 'backend';
  }

  #field(name: string): string | null {
    for (let at = 0; at < this.#fields.length; at += 2) {
      if (this.#fields[at] === name) return this.#fields[at + 1]!.slice(0, 1_000);
    }
    return null;
  }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
