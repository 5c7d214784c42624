import { hash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { CustomFetch } from 'openid-client';
import { originOf } from '../config/names.ts';
import { DirectoryError } from '../directory/directory-error.ts';
import { rolesOf } from '../directory/roles.ts';
import { createSession, endSession, timeSession } from '../directory/sessions.ts';
import { registerAssets } from '../pages/assets.ts';
import { hostOf } from '../pages/host-constraint.ts';
import { renderNotFound } from '../pages/not-found-page.ts';
import { pageHeaders } from '../pages/page-headers.ts';
import { clientAddress } from '../sign-in/client-address.ts';
import { callbackPath, type RelyingParty } from '../sign-in/clients.ts';
import { acceptForms, isFromOwnPage, sendHtml } from '../sign-in/form-post.ts';
import { myAppsAssets } from '../sign-in/my-apps-page.ts';
import { issuerOf } from '../sign-in/provider.ts';
import type { SignIn } from '../sign-in/sign-in.ts';
import { type EdgeSessionRow, findEdgeSession } from '../store/edge-sessions.ts';
import * as events from '../telemetry/events.ts';
import { joinAssets, joinHeaders, renderJoin } from './join-page.ts';
import { renderAccountDisabled, renderSignInFailed, renderSignOut } from './preauth-pages.ts';
import { Authorization, randomNonce, randomVerifier, type SignedIn } from './relying-party.ts';
import { type RenewalOutcome, renderRenewal, renewalAssets, renewalHeaders } from './renewal-page.ts';
import { renewalScript } from './renewal-script.ts';
import { formatCookie, formatCookieRemoval, readCookies } from './request-cookies.ts';
import { safeReturnPath } from './return-path.ts';
import { renderTimings, renderTimingsNeedSession, renderTimingsRefused } from './timing-page.ts';
import { attemptOf, beginTransaction, findTransaction, forgetTransaction } from './transactions.ts';

export interface PreauthParts {
  readonly signIn: SignIn;
  /** Reaches the provider at `login.<domain>`: {@link controlFetch}. */
  readonly fetch: CustomFetch;
}

/** The cookie of a session at one host. */
export const sessionCookieName = '__Host-postern';
export const signInPath = '/.postern/sign-in';
export const signOutPath = '/.postern/sign-out';
/** Renews a session from within a page of the application. */
const renewPath = '/.postern/renew';
/** Where an administrator turns timings on for this browser. */
const timingPath = '/.postern/timing';
/** So long timings stay on. */
const timingMs = 3_600_000;
/** Says whose service answers at a host, for those who look where its name leads. */
const servicePath = '/.postern/service';

/**
 * Adds the reserved prefix `/.postern/`, on the host of every application and of the portal: the edge as relying party.
 * The relay says which host was asked for; whether the person may use the application is the relay's question, on every
 * request, and not asked here.
 */
export async function registerPreauth(app: FastifyInstance, { signIn, fetch }: PreauthParts): Promise<void> {
  const preauth = new Preauth(signIn, new Authorization({ issuer: issuerOf(signIn.config), fetch }));
  await app.register(async scope => {
    await acceptForms(scope);
    registerAssets(scope, [...myAppsAssets, ...joinAssets, ...renewalAssets]);
    scope.get(signInPath, (request, reply) => preauth.begin(request, reply));
    scope.get(callbackPath, (request, reply) => preauth.receive(request, reply));
    scope.get(signOutPath, (request, reply) => preauth.askSignOut(request, reply));
    scope.post(signOutPath, (request, reply) => preauth.signOut(request, reply));
    scope.get(renewPath, (request, reply) => preauth.renew(request, reply));
    scope.get(`${renewPath}.js`, (_request, reply) =>
      reply
        .headers({
          'content-type': 'text/javascript; charset=utf-8',
          'cache-control': 'public, max-age=3600',
          'x-content-type-options': 'nosniff',
        })
        .send(renewalScript),
    );
    scope.get(timingPath, (request, reply) => preauth.time(request, reply));
    scope.get(servicePath, (_request, reply) =>
      reply.header('cache-control', 'no-store').send({ service: 'postern', domain: signIn.config.domain }),
    );
    scope.all('/.postern/*', (_request, reply) => sendNotFound(reply));
  });
}

class Preauth {
  readonly #signIn: SignIn;
  readonly #authorization: Authorization;

  constructor(signIn: SignIn, authorization: Authorization) {
    this.#signIn = signIn;
    this.#authorization = authorization;
  }

  async begin(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const host = hostOf(request.headers.host);
    const asked = typeof request.query === 'object' ? Reflect.get(request.query ?? {}, 'return') : undefined;
    const returnPath = safeReturnPath(asked, this.#originOf(host));
    return await this.#start(request, reply, { host, returnPath, attempt: 0 });
  }

  /** Begins to renew a session: in a hidden frame without the person, with `?popup` in a small window. */
  async renew(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const host = hostOf(request.headers.host);
    const isInWindow = request.raw.url?.endsWith('?popup') === true;
    const renews = isInWindow ? 'in-window' : 'in-frame';
    return await this.#start(request, reply, { host, returnPath: '/', attempt: 0, renews });
  }

  /** Turns timings on and off for the session of an administrator, and says which it is. */
  async time(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { directory, db, now } = this.#signIn;
    const host = hostOf(request.headers.host);
    const session = await this.#sessionOf(request, host);
    const send = (page: string, status = 200) => sendHtml(reply, page, { status, headers: pageHeaders() });
    if (session === null || session.expiresAt <= now())
      return send(renderTimingsNeedSession(signInPath), 401);
    if ((await rolesOf(db, session.userId)).length === 0) return send(renderTimingsRefused(), 403);
    const search = request.raw.url?.match(/\?(on|off)$/)?.[1];
    let until = session.timingUntil !== null && session.timingUntil > now() ? session.timingUntil : null;
    if (search !== undefined) {
      until = search === 'on' ? Math.min(now() + timingMs, session.expiresAt) : null;
      await timeSession(directory, session.id, until);
      const { userId, id: sessionId } = session;
      events.timingsTurned(this.#signIn.log, { userId, sessionId, host, until, requestId: request.id });
    }
    return send(renderTimings(host, until === null ? null : new Date(until)));
  }

  async receive(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const host = hostOf(request.headers.host);
    const search = request.raw.url?.match(/\?.*$/)?.[0] ?? '';
    const [state = '', ...others] = new URLSearchParams(search).getAll('state');
    if (others.length > 0) return this.#failed(request, reply, 'state_repeated', '/');
    const found = findTransaction(
      this.#signIn.transactionSealer,
      { state, host, now: this.#signIn.now() },
      request.headers.cookie,
    );
    reply.header('set-cookie', forgetTransaction(state));
    if (found === null || !found.isValid) {
      const isInFrame =
        found?.transaction.renews === 'in-frame' || request.headers['sec-fetch-dest'] === 'iframe';
      if (isInFrame) return sendRenewal(reply, 'transaction_lost');
      return await this.#startAgain(request, reply, state, found?.transaction.returnPath ?? '/');
    }
    const { transaction } = found;
    const party = await this.#signIn.clients.findById(transaction.clientId);
    if (party === undefined) return sendNotFound(reply);
    let signedIn: SignedIn;
    try {
      const secret = this.#signIn.clients.secretOf(party.clientId);
      signedIn = await this.#authorization.receive(party, secret, transaction, search);
    } catch (error) {
      request.log.info({ err: error }, 'an answer of the provider was refused');
      if (transaction.renews !== undefined) return sendRenewal(reply, codeOf(error));
      return this.#failed(request, reply, codeOf(error), transaction.returnPath);
    }
    const { returnPath } = transaction;
    const renews = transaction.renews !== undefined;
    return await this.#enter(request, reply, { party, signedIn, returnPath, renews });
  }

  askSignOut(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const issuer = issuerOf(this.#signIn.config);
    return sendHtml(reply, renderSignOut(signOutPath), { headers: pageHeaders({ formAction: [issuer] }) });
  }

  async signOut(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const host = hostOf(request.headers.host);
    if (!isFromOwnPage(request, this.#originOf(host))) return this.askSignOut(request, reply);
    const session = await this.#sessionOf(request, host);
    if (session?.loginSessionUid != null) await this.#signIn.endLoginSession(session.loginSessionUid);
    else if (session !== null) await this.#end(request, session, 'signed_out');
    // The provider is asked, and asks back where somebody is signed in there all the same: without a session here, or by a
    // later login than the one that this session came from.
    return reply
      .headers({ 'cache-control': 'no-store', 'set-cookie': formatCookieRemoval(sessionCookieName) })
      .redirect(`${issuerOf(this.#signIn.config)}/session/end`, 303);
  }

  async #start(
    request: FastifyRequest,
    reply: FastifyReply,
    {
      host,
      returnPath,
      attempt,
      renews,
    }: { host: string; returnPath: string; attempt: number; renews?: 'in-frame' | 'in-window' },
  ): Promise<FastifyReply> {
    const { clients, now, transactionSealer } = this.#signIn;
    const party = await clients.findByHost(host, returnPath);
    if (party === undefined) return sendNotFound(reply);
    const { transaction, setCookie } = beginTransaction(
      transactionSealer,
      {
        nonce: randomNonce(),
        verifier: randomVerifier(),
        returnPath,
        host,
        clientId: party.clientId,
        createdAt: now(),
        attempt,
        ...(renews !== undefined && { renews }),
      },
      request.headers.cookie,
    );
    const url = await this.#authorization.requestUrl(party, clients.secretOf(party.clientId), transaction);
    for (const cookie of setCookie) reply.header('set-cookie', cookie);
    return reply.header('cache-control', 'no-store').redirect(url.href, 303);
  }

  /** An answer to nothing that this browser remembers: begin anew, but only once, or blocked cookies make a circle. */
  async #startAgain(
    request: FastifyRequest,
    reply: FastifyReply,
    state: string,
    returnPath: string,
  ): Promise<FastifyReply> {
    const attempt = attemptOf(state) + 1;
    if (attempt > 1) return this.#failed(request, reply, 'transaction_lost', returnPath);
    return await this.#start(request, reply, { host: hostOf(request.headers.host), returnPath, attempt });
  }

  async #enter(
    request: FastifyRequest,
    reply: FastifyReply,
    {
      party,
      signedIn,
      returnPath,
      renews,
    }: { party: RelyingParty; signedIn: SignedIn; returnPath: string; renews: boolean },
  ): Promise<FastifyReply> {
    const { directory, config, log } = this.#signIn;
    const { userId } = signedIn;
    const { host, keepsSession, otherOrigins } = party;
    const requestId = request.id;
    const previous = await this.#sessionOf(request, host);
    // The page that asks shows what another person may see.
    if (renews && previous !== null && previous.userId !== userId)
      return sendRenewal(reply, 'account_changed');
    let value: string;
    try {
      const session = await createSession(directory, {
        host,
        ...signedIn,
        lifetimeMs: config.sessions.edgeLifetimeMs,
      });
      value = session.value;
      events.sessionStarted(log, { sessionId: session.record.id, userId, host, requestId });
    } catch (error) {
      if (!(error instanceof DirectoryError)) throw error;
      if (error.code === 'precondition_failed') {
        // The person signed out, or chose another password, while this answer was on its way.
        if (renews) return sendRenewal(reply, 'login_required');
        return this.#failed(request, reply, 'login_ended', returnPath);
      }
      if (error.code !== 'forbidden') throw error;
      const address = clientAddress(request.headers['x-forwarded-for']);
      events.signInFailed(log, { reason: 'account_disabled', userId, clientAddress: address, requestId });
      if (renews) return sendRenewal(reply, 'account_disabled');
      return sendHtml(reply, renderAccountDisabled(), { status: 403, headers: pageHeaders() });
    }
    // What a page has under way with the session before it goes on: that one ends by itself.
    if (previous !== null && !renews) await this.#end(request, previous, 'replaced');
    // SameSite=Lax: the session goes with links from elsewhere and with everything between applications of one site, but
    // not into frames and fetches of foreign sites, where it would serve their forgeries.
    const maxAgeSeconds = keepsSession ? Math.floor(config.sessions.edgeLifetimeMs / 1_000) : undefined;
    reply.headers({
      'cache-control': 'no-store',
      'set-cookie': formatCookie(sessionCookieName, value, maxAgeSeconds),
    });
    if (renews) return sendRenewal(reply, 'renewed');
    const next = `${this.#originOf(host)}${returnPath}`;
    if (otherOrigins.length === 0) return reply.redirect(next, 303);
    const headers = joinHeaders(otherOrigins, issuerOf(config), next);
    return sendHtml(reply, renderJoin(otherOrigins, next), { headers });
  }

  async #end(request: FastifyRequest, { id, userId }: EdgeSessionRow, reason: string): Promise<void> {
    await endSession(this.#signIn.directory, id);
    events.sessionEnded(this.#signIn.log, { reason, sessionId: id, userId, requestId: request.id });
  }

  #failed(request: FastifyRequest, reply: FastifyReply, code: string, returnPath: string): FastifyReply {
    events.signInFailed(this.#signIn.log, {
      reason: code,
      clientAddress: clientAddress(request.headers['x-forwarded-for']),
      requestId: request.id,
    });
    const again = `${signInPath}?return=${encodeURIComponent(returnPath)}`;
    return sendHtml(reply, renderSignInFailed(again, code), { status: 400, headers: pageHeaders() });
  }

  async #sessionOf(request: FastifyRequest, host: string): Promise<EdgeSessionRow | null> {
    const value = readCookies(request.headers.cookie).get(sessionCookieName);
    if (value === undefined) return null;
    return await findEdgeSession(this.#signIn.db, hash('sha256', value, 'base64url'), host);
  }

  #originOf(host: string): string {
    return originOf(this.#signIn.config, host);
  }
}

function sendRenewal(reply: FastifyReply, outcome: RenewalOutcome): FastifyReply {
  return sendHtml(reply, renderRenewal(outcome), { headers: renewalHeaders() });
}

function sendNotFound(reply: FastifyReply): FastifyReply {
  return sendHtml(reply, renderNotFound(), { status: 404, headers: pageHeaders() });
}

/** A code for the page and the log: OAuth's where the provider refused, else openid-client's. */
function codeOf(error: unknown): string {
  for (const property of ['error', 'code']) {
    const value: unknown = error instanceof Error ? Reflect.get(error, property) : undefined;
    if (typeof value === 'string' && /^\w{1,64}$/.test(value)) return value;
  }
  return 'sign_in_failed';
}
