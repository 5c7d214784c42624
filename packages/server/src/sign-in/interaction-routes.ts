import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import { errors } from 'oidc-provider';
import { pageHeaders } from '../pages/page-headers.ts';
import * as events from '../telemetry/events.ts';
import { clientAddress } from './client-address.ts';
import { cliClientId, nativeClientId } from './clients.ts';
import { checkCredentials, refusal } from './credentials.ts';
import { hasFlowCookie } from './flow-cookies.ts';
import { formField, isFromOwnPage, sendHtml } from './form-post.ts';
import { issuerOf, portalUrlOf } from './provider.ts';
import { backToApplications, renderExpired } from './provider-pages.ts';
import type { SignIn } from './sign-in.ts';
import { SignInError } from './sign-in-error.ts';
import { renderSignIn, type SignInPage } from './sign-in-page.ts';

type InteractionRequest = FastifyRequest<{ Params: { uid: string } }>;
type Interaction = Awaited<ReturnType<SignIn['provider']['interactionDetails']>>;

/**
 * The sign-in page. It belongs to one authorization request, begun in this very browser: the provider's cookie and ours
 * must both name it, so that nobody can be signed in to somebody else's account by a form or link from elsewhere.
 */
export function registerInteraction(
  scope: FastifyInstance,
  signIn: SignIn,
  options: RouteShorthandOptions,
): void {
  scope.get('/interaction/:uid', options, async (request: InteractionRequest, reply) => {
    const interaction = await findInteraction(signIn, request, reply);
    if (interaction === null) return sendExpired(signIn, reply);
    // All clients are our own: nobody has to consent to what is not given to others.
    if (interaction.prompt.name === 'consent') return finish(signIn, request, reply, { consent: {} });
    return sendSignIn(signIn, reply, interaction, { name: loginHint(interaction), error: null });
  });

  scope.post('/interaction/:uid', options, async (request: InteractionRequest, reply) => {
    const interaction = await findInteraction(signIn, request, reply);
    if (interaction === null || interaction.prompt.name !== 'login') return sendExpired(signIn, reply);
    if (!isFromOwnPage(request, issuerOf(signIn.config))) return sendExpired(signIn, reply);
    const name = formField(request, 'username');
    const address = clientAddress(request.headers['x-forwarded-for']);
    try {
      const account = await checkCredentials(signIn.credentials, {
        name,
        password: formField(request, 'password'),
        address,
        requestId: request.id,
      });
      if (account === null)
        return sendSignIn(signIn, reply, interaction, { name, error: refusal, status: 400 });
      const { host } = await destinationOf(signIn, interaction);
      const requestId = request.id;
      events.userSignedIn(signIn.log, { userId: account.id, host, clientAddress: address, requestId });
      return await finish(signIn, request, reply, { login: { accountId: account.id, amr: ['pwd'] } });
    } catch (error) {
      if (!(error instanceof SignInError)) throw error;
      reply.header('retry-after', '5');
      const busy = 'Many people are signing in at the moment. Wait a few seconds, then try again.';
      return sendSignIn(signIn, reply, interaction, { name, error: busy, status: 503 });
    }
  });
}

/** Gives the authorization request of a page, or null where it is over or was not begun in this browser. */
async function findInteraction(
  { provider }: SignIn,
  request: InteractionRequest,
  reply: FastifyReply,
): Promise<Interaction | null> {
  const { uid } = request.params;
  if (!hasFlowCookie(request.headers.cookie, uid)) return null;
  try {
    const interaction = await provider.interactionDetails(request.raw, reply.raw);
    return interaction.uid === uid ? interaction : null;
  } catch (error) {
    if (error instanceof errors.SessionNotFound) return null;
    throw error;
  }
}

async function finish(
  { provider }: SignIn,
  request: InteractionRequest,
  reply: FastifyReply,
  result: Parameters<SignIn['provider']['interactionResult']>[2],
): Promise<FastifyReply> {
  const returnTo = await provider.interactionResult(request.raw, reply.raw, result);
  return reply.header('cache-control', 'no-store').redirect(returnTo, 303);
}

async function sendSignIn(
  signIn: SignIn,
  reply: FastifyReply,
  interaction: Interaction,
  page: { readonly name: string; readonly error: string | null; readonly status?: number },
): Promise<FastifyReply> {
  const { name, error, status } = page;
  const body = renderSignIn({
    action: `/interaction/${interaction.uid}`,
    destination: await destinationOf(signIn, interaction),
    name,
    error,
  });
  return sendHtml(reply, body, {
    status,
    headers: pageHeaders(backToApplications),
  });
}

function sendExpired({ config }: SignIn, reply: FastifyReply): FastifyReply {
  return sendHtml(reply, renderExpired(portalUrlOf(config)), { status: 400, headers: pageHeaders() });
}

async function destinationOf(
  { clients }: SignIn,
  { params }: Interaction,
): Promise<SignInPage['destination']> {
  const clientId = String(params['client_id']);
  if (clientId === cliClientId) return { name: 'the Postern command line', host: null };
  if (clientId === nativeClientId) return { name: 'a program on your machine', host: null };
  const relyingParty = await clients.findById(clientId);
  return relyingParty ?? { name: 'an application', host: null };
}

function loginHint({ params }: Interaction): string {
  const hint = params['login_hint'];
  return typeof hint === 'string' ? hint.slice(0, 256) : '';
}
