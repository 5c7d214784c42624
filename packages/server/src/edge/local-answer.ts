import { STATUS_CODES } from 'node:http';
import type { PreflightAnswer } from '@postern/protocol/admin/preflight';
import { fieldIds } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import { failurePageContentSecurityPolicy, renderFailurePage } from '../pages/failure-page.ts';
import type { CorsGrant } from '../routes/cors.ts';
import type { Route } from '../routes/route-table.ts';
import { acceptsHtml, hostNameOf, resourceMetadataPath } from './admit.ts';
import type { ClientProblem } from './client-credentials.ts';
import { type EdgeError, type FailureCode, failures } from './failure.ts';

/** An answer that the edge gives itself. */
export interface LocalAnswer {
  readonly status: number;
  /** Lower-case names; Content-Length and connection fields are the sender's business. */
  readonly fields: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Buffer;
}

export interface FailureContext {
  /** Null where the request's head could not be read. */
  readonly head: MessageHead | null;
  readonly route: Route | null;
  readonly requestId: string;
  readonly time: Date;
  /** What Retry-After says; 5 with any 503 where absent. */
  readonly retryAfterSeconds?: number;
}

/** What the service has decided did not fail on the way, so its page draws no way. */
const decisions: ReadonlySet<FailureCode> = new Set([
  'not_allowed',
  'address_not_allowed',
  'application_disabled',
  'not_found',
  'too_many_requests',
  'too_many_failures',
  'too_many_open',
  'application_busy',
  'service_busy',
  'maintenance',
]);

/** A failure as people or programs read it: a page where the client takes HTML, else JSON. */
export function failureAnswer(error: EdgeError, context: FailureContext): LocalAnswer {
  const failure = { ...failures[error.code], ...wordsOf(error.code, context.route) };
  const { head } = context;
  const retryAfter = context.retryAfterSeconds ?? (failure.status === 503 ? 5 : 0);
  const isPage = head !== null && acceptsHtml(head);
  const applicationName = context.route?.application.displayName;
  const body = isPage
    ? renderFailurePage({
        title: nameApplication(failure.title, applicationName),
        hop: decisions.has(error.code) ? null : failure.hop,
        sentence: failure.sentence,
        advice: failure.advice,
        requestId: context.requestId,
        time: context.time,
        applicationName,
        host: hostNameOf(head) ?? undefined,
      })
    : JSON.stringify({
        error: {
          code: error.code,
          message: `${failure.sentence} ${failure.advice}`,
          hop: failure.hop,
          requestId: context.requestId,
        },
      });
  return {
    status: failure.status,
    fields: {
      ...(isPage
        ? {
            'content-type': 'text/html; charset=utf-8',
            'content-security-policy': failurePageContentSecurityPolicy,
          }
        : { 'content-type': 'application/json' }),
      ...(retryAfter > 0 ? { 'retry-after': String(retryAfter) } : {}),
      ...commonFields(context.requestId),
    },
    body: Buffer.from(body),
  };
}

/** What the administrator has to say, in place of our own sentence. */
function wordsOf(code: FailureCode, route: Route | null): { readonly sentence?: string } {
  const message = code === 'maintenance' ? (route?.maintenance?.message ?? '') : '';
  return message === '' ? {} : { sentence: message };
}

/** “Wiki does not answer right now” says more than “The application does not answer right now”. */
function nameApplication(title: string, name: string | undefined): string {
  return name === undefined ? title : title.replace(/^The application(?=[ ’])/, () => name);
}

/**
 * What a script or a program gets that nobody is signed in for: 401 with where to sign in and what else would be taken,
 * never a redirect that it could not follow (a CORS preflight, which has no cookies, is such a request too).
 *
 * @param problem What was wrong with what was presented; null where nothing was.
 */
export function challengeAnswer(
  head: MessageHead,
  route: Route,
  requestId: string,
  problem: ClientProblem | null,
): LocalAnswer {
  const signIn = `${route.ownOrigin}/.postern/sign-in`;
  const renew = `${route.ownOrigin}/.postern/renew`;
  return {
    status: 401,
    fields: {
      'content-type': 'application/json',
      'www-authenticate': challengesOf(head, route, { signIn, renew }, problem),
      ...commonFields(requestId),
    },
    body: Buffer.from(
      JSON.stringify({
        error: {
          code: problem ?? 'sign_in_required',
          message: problem === null ? nobodySignedIn : problemTexts[problem],
          signIn,
          renew,
          requestId,
        },
      }),
    ),
  };
}

const nobodySignedIn = 'Nobody is signed in. Open signIn in a browser window, then send the request again.';
const problemTexts: Readonly<Record<ClientProblem, string>> = {
  invalid_token: 'The access token is not valid here, or not any more. Get a new one for this application.',
  invalid_credentials: 'The client id or its secret is wrong here, or has expired.',
};

/** A field each: programs differ in how well they take several challenges of one field apart. */
function challengesOf(
  head: MessageHead,
  { clients, externalOrigin, externalPath, ownOrigin }: Route,
  { signIn, renew }: { readonly signIn: string; readonly renew: string },
  problem: ClientProblem | null,
): readonly string[] {
  const challenges: string[] = [];
  const realm = `realm="${externalOrigin}${externalPath}"`;
  if (clients?.isBasicAllowed && !isFromBrowser(head)) {
    challenges.push(`Basic ${realm}, charset="UTF-8"`);
  }
  if (clients?.isBearerAllowed) {
    const metadata = `${externalOrigin}${resourceMetadataPath}${externalPath === '/' ? '' : externalPath}`;
    // RFC 6750 §3.1: nothing of an error where nothing was presented.
    const error = problem === 'invalid_token' ? ', error="invalid_token"' : '';
    challenges.push(`Bearer ${realm}, resource_metadata="${metadata}"${error}`);
  }
  challenges.push(`Postern realm="${ownOrigin}", sign_in="${signIn}", renew="${renew}"`);
  return challenges;
}

/** Browsers would ask people for a name and a password, which people do not have. */
function isFromBrowser(head: MessageHead): boolean {
  if (head.find(fieldIds.secFetchMode) >= 0) return true;
  // All of them begin so; those that do not say Sec-Fetch-Mode are old.
  const agent = head.find(fieldIds.userAgent);
  return agent >= 0 && head.valueOf(agent).startsWith('Mozilla/');
}

/** What an application takes and which provider gives it (RFC 9728 §3.2), for whoever asks, scripts of any page too. */
export function resourceMetadataAnswer(
  { application, externalOrigin, externalPath }: Route,
  issuer: string,
  requestId: string,
): LocalAnswer {
  return {
    status: 200,
    fields: {
      ...commonFields(requestId),
      'content-type': 'application/json',
      'cache-control': 'max-age=300',
      'access-control-allow-origin': '*',
    },
    body: Buffer.from(
      JSON.stringify({
        resource: `${externalOrigin}${externalPath}`,
        resource_name: application.displayName,
        authorization_servers: [issuer],
        bearer_methods_supported: ['header'],
      }),
    ),
  };
}

/**
 * What a form gets that was sent after the session had ended. Its content cannot go along to the sign-in page, nor may it
 * go to anybody else than the application; 303 turns the POST into a GET (RFC 9110 §15.4.4).
 */
export function signInAnswer(signInTarget: string, requestId: string): LocalAnswer {
  return {
    status: 303,
    fields: { location: signInTarget, ...commonFields(requestId) },
    body: Buffer.alloc(0),
  };
}

/** What a browser gets that asks for another origin's page; in words where the rules do not allow what it asks for. */
export function preflightAnswer(answer: PreflightAnswer, requestId: string): LocalAnswer {
  if (answer.allowed) {
    return { status: 200, fields: { ...answer.fields, ...commonFields(requestId) }, body: Buffer.alloc(0) };
  }
  const message = `This cross-origin request is not allowed: ${answer.reason}.`;
  return {
    status: 403,
    fields: { 'content-type': 'application/json', vary: 'Origin', ...commonFields(requestId) },
    body: Buffer.from(JSON.stringify({ error: { code: 'cross_origin_not_allowed', message, requestId } })),
  };
}

/** The answer with what pages of other origins may do with it. */
export function withFields(answer: LocalAnswer, grant: CorsGrant | null): LocalAnswer {
  if (grant === null) return answer;
  const fields: Record<string, string | readonly string[]> = { ...answer.fields };
  for (let at = 0; at < grant.list.length; at += 2) fields[grant.list[at]!] = grant.list[at + 1]!;
  return { ...answer, fields };
}

/** Search engines find what is published as little as people without a link do; pages behind sign-in serve them nothing. */
export function robotsAnswer(requestId: string): LocalAnswer {
  return {
    status: 200,
    fields: {
      ...commonFields(requestId),
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'max-age=3600',
    },
    body: robotsTxt,
  };
}

const robotsTxt = Buffer.from('User-agent: *\nDisallow: /\n');

/** The bytes of a local answer for HTTP/1.1. */
export function encodeLocalAnswer(answer: LocalAnswer, isHead: boolean, close: boolean): Buffer {
  let head = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}\r\n`;
  for (const [name, value] of Object.entries(answer.fields)) {
    for (const one of typeof value === 'string' ? [value] : value) head += `${name}: ${one}\r\n`;
  }
  head += `content-length: ${answer.body.length}\r\n${close ? 'connection: close\r\n' : ''}\r\n`;
  const bytes = Buffer.from(head, 'latin1');
  return isHead ? bytes : Buffer.concat([bytes, answer.body]);
}

function commonFields(requestId: string): Record<string, string> {
  return {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'x-request-id': requestId,
  };
}
