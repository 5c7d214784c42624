import type { FastifyInstance } from 'fastify';
import { controlHosts } from '../config/names.ts';
import { hostConstraint } from '../pages/host-constraint.ts';
import { acceptForms } from './form-post.ts';
import { registerInteraction } from './interaction-routes.ts';
import { registerPasswords } from './password-routes.ts';
import { issuerOf, portalUrlOf } from './provider.ts';
import type { SignIn } from './sign-in.ts';

const hour = 3_600_000;

/** Adds what `login.<domain>` answers: our own pages, and everything else by the OpenID Provider. */
export async function registerSignIn(app: FastifyInstance, signIn: SignIn): Promise<void> {
  const options = { constraints: hostConstraint(controlHosts(signIn.config).login) };

  await app.register(async scope => {
    await acceptForms(scope);
    scope.get('/', options, (_request, reply) => reply.redirect(portalUrlOf(signIn.config), 303));
    registerInteraction(scope, signIn, options);
    registerPasswords(scope, signIn, options);
  });

  await app.register(async scope => {
    // oidc-provider reads the bodies itself.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    const { host } = new URL(issuerOf(signIn.config));
    scope.all('/*', options, async (request, reply) => {
      reply.hijack();
      // The provider makes addresses from these: they are the configured ones, whatever was sent (threat D15).
      request.raw.headers.host = host;
      request.raw.headers['x-forwarded-proto'] = 'https';
      delete request.raw.headers['x-forwarded-host'];
      // The same document under its name in OAuth 2.0 (RFC 8414 §3), which programs that know no OpenID Connect ask for.
      if (request.raw.url === '/.well-known/oauth-authorization-server') {
        request.raw.url = '/.well-known/openid-configuration';
      }
      await signIn.provider.callback()(request.raw, reply.raw);
    });
  });

  keepHouse(app, signIn);
}

function keepHouse(app: FastifyInstance, signIn: SignIn): void {
  let running: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    running = Promise.all([signIn.rotateSigningKeys(), signIn.deleteExpired()]).catch(error =>
      signIn.reportServerError(error),
    );
  }, hour);
  timer.unref();
  // The store is closed after the server.
  app.addHook('onClose', async () => {
    clearInterval(timer);
    await running;
  });
}
