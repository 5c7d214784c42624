import { failed, notRun, type Outcome, passed } from '@postern/protocol/doctor/check';
import { curl } from './by-hand.ts';
import type { Check } from './check.ts';
import { type DoctorContext, originOf } from './context.ts';
import { type HttpAnswer, ProbeError } from './probe.ts';

/** Roles that may register connectors. */
const registeringRoles = ['Application Administrator', 'Global Administrator'];

interface Account {
  readonly name: string;
  readonly roles: readonly string[];
}

type SignIn =
  | { readonly kind: 'account'; readonly account: Account }
  | { readonly kind: 'refused'; readonly cause: string; readonly remedy: string; readonly seen: string };

const signIns = new WeakMap<DoctorContext, Promise<SignIn>>();

/** Whether the administrator may register a connector. Nothing is registered here. */
export const administratorChecks: readonly Check[] = [
  {
    id: 'administrator.token',
    title: 'An administrator has signed in',
    otherwise: 'The name, the password or the token was not accepted; nothing can be registered.',
    needs: ['connectivity.discovery'],
    // A person takes a while in the browser.
    limitMs: 10 * 60_000,
    async run({ accessToken }) {
      if (accessToken === null)
        return notRun('Nobody asked for it: add --sign-in, or give a token with --token-file.');
      const tried = 'getting an access token';
      try {
        const token = await accessToken();
        return passed({ tried, seen: `a token of ${token.length} characters` });
      } catch (error) {
        const { message, remedy } = error as Error & { remedy?: string };
        return failed(
          { tried, seen: message },
          message,
          remedy ?? 'Sign in again with `postern login`, or make another token.',
        );
      }
    },
  },
  {
    id: 'administrator.account',
    title: 'The service knows the account, and lets it in',
    otherwise: 'The token has expired or is of another service, or the account is disabled.',
    needs: ['administrator.token', 'trust.public-chain'],
    run: async (context, signal) => {
      const observation = observe(context);
      const signIn = await signInOf(context, signal);
      if (signIn.kind === 'refused')
        return failed({ ...observation, seen: signIn.seen }, signIn.cause, signIn.remedy);
      return passed({ ...observation, seen: `signed in as ${signIn.account.name}` });
    },
  },
  {
    id: 'administrator.role',
    title: 'The account has a role that may register connectors',
    otherwise:
      'Registration is refused. The role that is held, the one that is needed and who gives it are named.',
    needs: ['administrator.account'],
    run: async (context, signal) => {
      const signIn = await signInOf(context, signal);
      if (signIn.kind === 'refused') return notRun(signIn.cause);
      return judgeRoles(signIn.account, observe(context));
    },
  },
];

function observe(context: DoctorContext): { tried: string; command: string } {
  const url = meUrl(context).href;
  return {
    tried: `GET ${url} with the administrator's token`,
    command: curl(context, url, ['-H', 'Authorization: Bearer …']),
  };
}

function judgeRoles({ name, roles }: Account, observation: { tried: string; command: string }): Outcome {
  const held = roles.length === 0 ? 'no role' : roles.join(', ');
  if (roles.some(role => registeringRoles.includes(role)))
    return passed({ ...observation, seen: `${name} has ${held}` });
  return failed(
    { ...observation, seen: `${name} has ${held}` },
    `${name} is signed in and has ${held}; only Application Administrator and Global Administrator may register connectors.`,
    `Let a Global Administrator give ${name} the role Application Administrator (Admin center → Users → ${name} → Directory role, or \`postern user role ${name} --add "Application Administrator"\`), register with an enrolment token that somebody else has made, or sign in with another account.`,
  );
}

function meUrl({ service }: DoctorContext): URL {
  return new URL('/api/v1.0/me', originOf(service!.portal, service!.port));
}

function signInOf(context: DoctorContext, signal: AbortSignal): Promise<SignIn> {
  let known = signIns.get(context);
  if (known === undefined) {
    known = askWhoAmI(context, signal);
    signIns.set(context, known);
  }
  return known;
}

async function askWhoAmI(context: DoctorContext, signal: AbortSignal): Promise<SignIn> {
  const token = await context.accessToken!();
  let answer: HttpAnswer;
  try {
    // The one request of the doctor that carries a secret: it goes to nobody whose certificate is not trusted.
    answer = await context.probes.get(meUrl(context), {
      signal,
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      authorities: context.authorities,
    });
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    return {
      kind: 'refused',
      seen: error.message,
      cause: `The service could not be asked: ${error.message}.`,
      remedy: 'Mend what the groups connectivity and trust say first.',
    };
  }
  const account = answer.status === 200 ? readAccount(answer.body) : null;
  if (account !== null) return { kind: 'account', account };
  return explainRefusal(answer);
}

function readAccount(body: string): Account | null {
  try {
    const { userPrincipalName, roles } = JSON.parse(body) as { userPrincipalName?: unknown; roles?: unknown };
    if (typeof userPrincipalName !== 'string' || !Array.isArray(roles)) return null;
    return { name: userPrincipalName, roles: roles.map(String) };
  } catch {
    return null;
  }
}

function explainRefusal(answer: HttpAnswer): SignIn {
  const seen = `HTTP status ${answer.status}`;
  if (answer.status === 401) {
    return {
      kind: 'refused',
      seen,
      cause: 'The service does not accept the token: it has expired, was revoked, or is of another service.',
      remedy: 'Sign in again with `postern login`, or make another token.',
    };
  }
  if (answer.status === 403) {
    return {
      kind: 'refused',
      seen,
      cause:
        'The token was made for another purpose than the admin API, so that account and roles cannot be read with it; or the account is disabled.',
      remedy:
        'Give the doctor a token of `postern login`; a token for registration alone shows nothing of its account.',
    };
  }
  return {
    kind: 'refused',
    seen,
    cause: `The admin API answered with status ${answer.status}.`,
    remedy: "Look into the service's log.",
  };
}
