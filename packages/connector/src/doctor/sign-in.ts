import { setTimeout as wait } from 'node:timers/promises';
import { type DoctorContext, originOf } from './context.ts';

/** The command line's client at the service's OpenID Provider. */
const clientId = 'postern-cli';
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
const limitMs = 9 * 60_000;

/** Why nobody is signed in; message and remedy are for the person at the keyboard. */
class SignInError extends Error {
  readonly code = 'sign_in';
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.remedy = remedy;
  }
}

/**
 * Signs an administrator in with a code and a browser on any machine (RFC 8628), for looking at the account alone.
 *
 * @param notice Shows a text to the person.
 * @returns an access token of the admin API.
 */
export async function signInWithCode(
  context: DoctorContext,
  notice: (text: string) => void,
): Promise<string> {
  const signal = AbortSignal.timeout(limitMs);
  const discovered = await post(context, '/.well-known/openid-configuration', null, signal);
  const devicePath = pathOf(discovered['device_authorization_endpoint']);
  const tokenPath = pathOf(discovered['token_endpoint']);
  const started = await post(context, devicePath, { client_id: clientId, scope: 'openid api' }, signal);
  const { device_code: deviceCode, user_code: userCode, verification_uri: address, interval } = started;
  if (typeof deviceCode !== 'string' || typeof userCode !== 'string') throw refused(started);
  notice(`To sign in, open ${String(address)} in a browser on any machine and enter the code ${userCode}\n`);
  let pauseMs = (typeof interval === 'number' ? interval : 5) * 1_000;
  for (;;) {
    await wait(pauseMs, undefined, { signal });
    const form = { client_id: clientId, grant_type: deviceGrant, device_code: deviceCode };
    const answer = await post(context, tokenPath, form, signal);
    if (typeof answer['access_token'] === 'string') return answer['access_token'];
    if (answer['error'] === 'slow_down') pauseMs += 5_000;
    else if (answer['error'] !== 'authorization_pending') throw refused(answer);
  }
}

async function post(
  { service, probes, authorities }: DoctorContext,
  path: string,
  form: Record<string, string> | null,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  // The addresses in the discovery document are taken as paths: the code must not go to another host.
  const url = new URL(path, originOf(service!.login, service!.port));
  const body = form === null ? undefined : new URLSearchParams(form).toString();
  const answer = await probes.get(url, { signal, authorities, ...(body !== undefined && { form: body }) });
  try {
    return JSON.parse(answer.body) as Record<string, unknown>;
  } catch {
    throw new SignInError(
      `${url.host} answered with status ${answer.status}, and not as the sign-in of a service.`,
      'Mend what the groups connectivity and trust say first.',
    );
  }
}

function pathOf(address: unknown): string {
  const url = URL.parse(String(address));
  if (url === null) throw refused({ error: 'no device sign-in' });
  return url.pathname;
}

function refused({ error, error_description: description }: Record<string, unknown>): SignInError {
  const why = error === 'expired_token' ? 'the code was not used in time' : String(description ?? error);
  return new SignInError(
    `Nobody is signed in: ${why}.`,
    'Run the doctor again and enter the code within its time.',
  );
}
