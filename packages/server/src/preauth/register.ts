import { hash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { CustomFetch } from 'openid-client';
import { originOf } from '../config/names.ts';
import { DirectoryError } from '../directory/directory-error.ts';
import { createSession, endSession } from '../directory/sessions.ts';
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
import { formatCookie, formatCookieRemoval, readCookies } from './request-cookies.ts';
import { safeReturnPath } from './return-path.ts';
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
    registerAssets(scope, [...myAppsAssets, ...joinAssets]);
    scope.get(signInPath, (request, reply) => preauth.begin(request, reply));
    scope.get(callbackPath, (request, reply) => preauth.receive(request, reply));
    scope.get(signOutPath, (request, reply) => preauth.askSignOut(request, reply));
    scope.post(signOutPath, (request, reply) => preauth.signOut(request, reply));
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
      return this.#failed(request, reply, codeOf(error), transaction.returnPath);
    }
    const { returnPath } = transaction;
    return await this.#enter(request, reply, { party, signedIn, returnPath });
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
    // Without a session here, the provider is asked, and asks back: somebody may still be signed in there.
    const path = session === null ? '/session/end' : '/session/end/success';
    return reply
      .headers({ 'cache-control': 'no-store', 'set-cookie': formatCookieRemoval(sessionCookieName) })
      .redirect(`${issuerOf(this.#signIn.config)}${path}`, 303);
  }

  async #start(
    request: FastifyRequest,
    reply: FastifyReply,
    { host, returnPath, attempt }: { host: string; returnPath: string; attempt: number },
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
    { party, signedIn, returnPath }: { party: RelyingParty; signedIn: SignedIn; returnPath: string },
  ): Promise<FastifyReply> {
    const { directory, config, log } = this.#signIn;
    const { userId } = signedIn;
    const { host, keepsSession, otherOrigins } = party;
    const requestId = request.id;
    const previous = await this.#sessionOf(request, host);
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
      if (!(error instanceof DirectoryError && error.code === 'forbidden')) throw error;
      const address = clientAddress(request.headers['x-forwarded-for']);
      events.signInFailed(log, { reason: 'account_disabled', userId, clientAddress: address, requestId });
      return sendHtml(reply, renderAccountDisabled(), { status: 403, headers: pageHeaders() });
    }
    if (previous !== null) await this.#end(request, previous, 'replaced');
    // SameSite=Lax: the session goes with links from elsewhere and with everything between applications of one site, but
    // not into frames and fetches of foreign sites, where it would serve their forgeries.
    const maxAgeSeconds = keepsSession ? Math.floor(config.sessions.edgeLifetimeMs / 1_000) : undefined;
    reply.headers({
      'cache-control': 'no-store',
      'set-cookie': formatCookie(sessionCookieName, value, maxAgeSeconds),
    });
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
