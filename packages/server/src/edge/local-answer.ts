import { STATUS_CODES } from 'node:http';
import type { MessageHead } from '../http1/head.ts';
import { failurePageContentSecurityPolicy, renderFailurePage } from '../pages/failure-page.ts';
import type { Route } from '../routes/route-table.ts';
import { acceptsHtml, hostNameOf } from './admit.ts';
import { type EdgeError, type FailureCode, failures } from './failure.ts';

/** An answer that the edge gives itself. */
export interface LocalAnswer {
  readonly status: number;
  /** Lower-case names; Content-Length and connection fields are the sender's business. */
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface FailureContext {
  /** Null where the request's head could not be read. */
  readonly head: MessageHead | null;
  readonly route: Route | null;
  readonly requestId: string;
  readonly time: Date;
}

/** What the service has decided did not fail on the way, so its page draws no way. */
const decisions: ReadonlySet<FailureCode> = new Set(['not_allowed', 'application_disabled', 'not_found']);

/** A failure as people or programs read it: a page where the client takes HTML, else JSON. */
export function failureAnswer(error: EdgeError, context: FailureContext): LocalAnswer {
  const failure = failures[error.code];
  const { head } = context;
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
      ...(failure.status === 503 ? { 'retry-after': '5' } : {}),
      ...commonFields(context.requestId),
    },
    body: Buffer.from(body),
  };
}

/** “Wiki does not answer right now” says more than “The application does not answer right now”. */
function nameApplication(title: string, name: string | undefined): string {
  return name === undefined ? title : title.replace(/^The application(?=[ ’])/, () => name);
}

/**
 * What a script gets that nobody is signed in for: 401 with where to sign in, never a redirect that it could not follow
 * (a CORS preflight, which has no cookies, is such a request too).
 */
export function challengeAnswer(origin: string, requestId: string): LocalAnswer {
  const signIn = `${origin}/.postern/sign-in`;
  return {
    status: 401,
    fields: {
      'content-type': 'application/json',
      'www-authenticate': `Postern realm="${origin}", sign_in="${signIn}"`,
      ...commonFields(requestId),
    },
    body: Buffer.from(
      JSON.stringify({
        error: {
          code: 'sign_in_required',
          message: 'Nobody is signed in. Open signIn in a browser window, then send the request again.',
          signIn,
          requestId,
        },
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

/** The bytes of a local answer for HTTP/1.1. */
export function encodeLocalAnswer(answer: LocalAnswer, isHead: boolean, close: boolean): Buffer {
  let head = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}\r\n`;
  for (const [name, value] of Object.entries(answer.fields)) head += `${name}: ${value}\r\n`;
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
