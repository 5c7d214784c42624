import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { isLoopbackName } from '@postern/outbound/lookup-name';
import { OutboundError, type OutboundProxy } from '@postern/outbound/outbound';
import { failed, notRun, type Outcome, passed, warning } from '@postern/protocol/doctor/check';
import { curl, shell } from './by-hand.ts';
import type { Check } from './check.ts';
import { type DoctorContext, originOf, type ServiceNames } from './context.ts';
import { abandon, type HttpAnswer, ProbeError } from './probe.ts';

/** Tunnel attempts are given up after 3 s; a name that takes longer than this leaves little of it. */
const slowNameMs = 1_000;
const namesLimitMs = 5_000;
const plainPort = 80;

/** The way from this machine to the service. What answers there is the business of the group after it. */
export const connectivityChecks: readonly Check[] = [
  {
    id: 'connectivity.service',
    title: 'The service is known by name',
    otherwise: 'Nothing can be looked at; the doctor has to be told which service it is about.',
    run: ({ service, settingsProblem, settingsRemedy }) => {
      if (service !== null) {
        return passed({ tried: 'the name of the service', seen: `${service.domain}, port ${service.port}` });
      }
      const tried = 'the name of the service';
      if (settingsProblem !== '') {
        return failed({ tried, seen: settingsProblem }, settingsProblem, settingsRemedy);
      }
      return failed(
        { tried, seen: 'not registered, and none was named' },
        'This connector is not registered, and no service was named.',
        'Name the service, as in `postern connector doctor --service access.example.com`, or the folder of a registered connector with --data.',
      );
    },
  },
  {
    id: 'connectivity.proxy-settings',
    title: 'The settings of the outbound proxy can be used',
    otherwise: 'The connector does not start, because it must not go another way than it is told.',
    needs: ['connectivity.service'],
    run: ({ outbound, outboundProblem, service }) => {
      const tried = 'outboundProxy in Config/connector.json, then HTTPS_PROXY and NO_PROXY';
      if (outboundProblem !== '') {
        return failed(
          { tried, seen: outboundProblem },
          outboundProblem,
          'Correct the setting, or take it away to connect directly.',
        );
      }
      const proxy = outbound.proxyFor(service!.connect, service!.port);
      return passed({
        tried,
        seen: proxy === null ? 'no proxy: directly' : `${describeProxy(proxy)}, from ${proxy.source}`,
      });
    },
  },
  {
    id: 'connectivity.names',
    title: 'Every required name resolves',
    otherwise: 'The name servers of this machine do not know the service, or do not answer.',
    needs: ['connectivity.proxy-settings'],
    run: (context, signal) => resolveNames(context, signal),
  },
  {
    id: 'connectivity.proxy-connect',
    title: 'The outbound proxy connects to the service',
    otherwise: 'The proxy wants authentication, refuses CONNECT or refuses the port.',
    needs: ['connectivity.names'],
    run: (context, signal) => connectThroughProxy(context, signal),
  },
  {
    id: 'connectivity.tcp-443',
    title: 'The public port of every required name takes connections',
    otherwise:
      'Registration and tunnels are impossible: a firewall drops or rejects them, or nobody listens.',
    needs: ['connectivity.names'],
    run: (context, signal) => connectToPublicPort(context, signal),
  },
  {
    id: 'connectivity.tcp-80',
    title: 'Port 80 of the service takes connections',
    otherwise:
      'A warning: the revocation list cannot be fetched and the plain half of the port check page does not open. Registration and tunnels need port 443 only.',
    needs: ['connectivity.names'],
    run: (context, signal) => connectToPlainPort(context, signal),
  },
  {
    id: 'connectivity.proxy-or-direct',
    title: 'The way that is set is the way that works',
    otherwise: 'The service can be reached directly and not through the proxy, or the other way round.',
    needs: ['connectivity.names'],
    run: (context, signal) => compareWays(context, signal),
  },
  {
    id: 'connectivity.registration',
    title: 'The registration endpoint answers',
    otherwise: 'Something else than the service answers at connect.<domain>.',
    needs: ['connectivity.tcp-443'],
    run: (context, signal) => askRegistration(context, signal),
  },
  {
    id: 'connectivity.discovery',
    title: "The sign-in's discovery document is there",
    otherwise: 'Something else than the service answers at login.<domain>; nobody can sign in.',
    needs: ['connectivity.tcp-443'],
    run: (context, signal) => readDiscovery(context, signal),
  },
  {
    id: 'connectivity.sign-in-page',
    title: 'The sign-in page opens',
    otherwise: 'Registering with a browser on this machine is impossible; other modes may work.',
    needs: ['connectivity.discovery'],
    limitMs: 8_000,
    run: (context, signal) => openSignInPage(context, signal),
  },
  {
    id: 'connectivity.sign-in-asset',
    title: 'A file of the sign-in page loads',
    otherwise: 'A filter lets pages pass and drops what they are made of.',
    needs: ['connectivity.sign-in-page'],
    run: (context, signal) => loadAsset(context, signal),
  },
];

/** The names that an administrator's machine and the connector have to reach. */
export function requiredNames({ connect, login, portal }: ServiceNames): readonly string[] {
  return [connect, login, portal];
}

function describeProxy({ host, port, user }: OutboundProxy): string {
  return `${user === null ? '' : `${user}@`}${host}:${port}`;
}

async function resolveNames({ service, outbound }: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const proxy = outbound.proxyFor(service!.connect, service!.port);
  // A proxy resolves the service's names itself; this machine has to know the proxy's.
  const names = proxy === null ? requiredNames(service!) : [proxy.host];
  const observed = await lookUpAll(names, signal);
  const seen = observed.map(one => `${one.name} → ${one.addresses.join(', ') || one.problem}`).join('; ');
  const tried = `${names.join(', ')} at the name servers of this machine${proxy === null ? '' : '; the proxy resolves the names of the service'}`;
  const observation = { tried, seen, command: shell(['getent', 'ahosts', names[0]!]) };
  const unknown = observed.filter(one => one.problem !== '');
  if (unknown.length > 0) {
    const list = unknown.map(one => one.name).join(', ');
    const isSilent = unknown.every(one => one.problem !== 'ENOTFOUND');
    return failed(
      observation,
      isSilent
        ? `The name servers of this machine did not answer for ${list}.`
        : `The name servers of this machine do not know ${list}.`,
      isSilent
        ? 'Check the name servers in /etc/resolv.conf and that this machine may send DNS to them (UDP and TCP port 53).'
        : proxy === null
          ? `Check the spelling of the domain. Is it right, let the name servers resolve *.${service!.domain}; where only a proxy may resolve such names, set outboundProxy or HTTPS_PROXY.`
          : `Check the proxy's name in ${proxy.source}.`,
    );
  }
  const slowest = Math.max(...observed.map(one => one.ms));
  if (slowest > slowNameMs) {
    return warning(
      observation,
      `Names take ${(slowest / 1000).toFixed(1)} s; attempts to open a tunnel are given up after 3 s.`,
      'Mostly the first name server in /etc/resolv.conf does not answer: take it away, or repair it.',
    );
  }
  return passed(observation);
}

interface Lookup {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Code of the failure; empty where there are addresses. */
  readonly problem: string;
  readonly ms: number;
}

async function lookUpAll(names: readonly string[], signal: AbortSignal): Promise<Lookup[]> {
  const timeout = AbortSignal.any([AbortSignal.timeout(namesLimitMs), signal]);
  const results: Lookup[] = [];
  // One after the other: the system's lookups block the few threads that files are read with, too.
  for (const name of names) results.push(await lookUp(name, timeout));
  return results;
}

async function lookUp(name: string, signal: AbortSignal): Promise<Lookup> {
  const startedAt = performance.now();
  const result = (addresses: readonly string[], problem: string): Lookup => ({
    name,
    addresses,
    problem,
    ms: performance.now() - startedAt,
  });
  if (isIP(name) !== 0) return result([name], '');
  if (isLoopbackName(name)) return result(['127.0.0.1'], '');
  if (signal.aborted) return result([], 'not asked any more');
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(Object.assign(new Error('no answer'), { code: 'no answer' }));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const addresses = await Promise.race([lookup(name, { all: true }), aborted.promise]);
    return result(
      addresses.map(one => one.address),
      '',
    );
  } catch (error) {
    return result([], (error as NodeJS.ErrnoException).code ?? String(error));
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function connectThroughProxy(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const { service, outbound, probes } = context;
  const { connect: host, port } = service!;
  const proxy = outbound.proxyFor(host, port);
  if (proxy === null) return notRun('No outbound proxy is set for the service.');
  const tried = `CONNECT ${host}:${port} at the proxy ${describeProxy(proxy)}`;
  const command = curl(context, `${originOf(host, port)}/`);
  try {
    abandon(await probes.connect({ host, port }, signal));
    return passed({ tried, seen: 'the proxy connected', command });
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    const seen = error.message;
    const refusesThePort =
      error.code === 'proxy_refused' && port !== 443 && (await allows(context, { host, port: 443 }, signal));
    return failed(
      { tried, seen, command },
      refusesThePort
        ? `The proxy lets CONNECT pass to port 443 and refuses port ${port}.`
        : causeAtProxy(error, describeProxy(proxy)),
      refusesThePort ? `Let the proxy allow CONNECT to ${host}:${port}.` : error.remedy,
    );
  }
}

function causeAtProxy(error: OutboundError, proxy: string): string {
  if (error.code === 'proxy_authentication') return error.message;
  if (error.status === null) return error.message;
  if (error.status >= 502 && error.status <= 504) {
    return `The proxy ${proxy} takes CONNECT and does not reach the service itself (${error.status}).`;
  }
  return `The proxy ${proxy} refuses CONNECT to this name (${error.status}).`;
}

/** Whether the proxy takes CONNECT to another port; that nobody listens there is no refusal. */
async function allows(
  { probes }: DoctorContext,
  endpoint: { host: string; port: number },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    abandon(await probes.connect(endpoint, signal));
    return true;
  } catch (error) {
    return (
      error instanceof OutboundError && error.status !== null && error.status >= 502 && error.status <= 504
    );
  }
}

async function connectToPublicPort(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const { service, probes } = context;
  const { port } = service!;
  const hosts = requiredNames(service!);
  const problems = await Promise.all(
    hosts.map(async host => {
      try {
        abandon(await probes.connect({ host, port }, signal));
        return null;
      } catch (error) {
        if (error instanceof OutboundError) return { host, error };
        throw error;
      }
    }),
  );
  const failures = problems.filter(one => one !== null);
  if (failures[0]?.host === hosts[0] && failures[0]?.error.proxy !== null) {
    return notRun('The outbound proxy does not connect; connectivity.proxy-connect says why.');
  }
  const tried = `TCP connections to port ${port} of ${hosts.join(', ')}`;
  const seen =
    failures.length === 0
      ? 'all were accepted'
      : [...new Set(failures.map(one => one.error.message))].join(' ');
  const observation = {
    tried,
    seen,
    command: curl(context, `${originOf(failures[0]?.host ?? hosts[0]!, port)}/`),
  };
  if (failures.length === 0) return passed(observation);
  const [first] = failures;
  return failed(
    observation,
    causeOfPort(first!.error, failures.map(one => one.host).join(', '), port),
    remedyOfPort(first!.error, context),
  );
}

function causeOfPort(error: OutboundError, hosts: string, port: number): string {
  if (error.code === 'timed_out' && error.proxy === null) {
    return `Connections to port ${port} of ${hosts} get no answer: a firewall drops them, or the machine is off.`;
  }
  if (error.code === 'unreachable' && codeOf(error.cause).includes('ECONNREFUSED')) {
    return `Connections to port ${port} of ${hosts} are refused: a firewall rejects them, or nobody listens there.`;
  }
  return error.message;
}

function remedyOfPort(error: OutboundError, { service }: DoctorContext): string {
  if (error.proxy !== null) return error.remedy;
  const names = requiredNames(service!).join(', ');
  return `Let the firewall pass outbound TCP port ${service!.port} from this machine to ${names} (or *.${service!.domain}), or set an outbound proxy with outboundProxy or HTTPS_PROXY. No inbound port is needed.`;
}

function codeOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(codeOf).join(' ');
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? '';
}

async function connectToPlainPort(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const { service, probes } = context;
  const { connect: host, port } = service!;
  if (port !== 443) {
    return notRun(`The service is at port ${port}, so that its plain port is not 80 and not known here.`);
  }
  const tried = `a TCP connection to ${host} port ${plainPort}`;
  const command = curl(context, `http://${host}/`);
  try {
    abandon(await probes.connect({ host, port: plainPort }, signal));
    return passed({ tried, seen: 'accepted', command });
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    return warning(
      { tried, seen: error.message, command },
      'Port 80 is blocked. What is lost: the revocation list cannot be fetched, and the plain half of the port check page does not open. Registration and tunnels need port 443 only and work without it.',
      `If that matters to you, let the firewall or proxy pass outbound TCP port 80 to ${host}.`,
    );
  }
}

async function compareWays(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const { service, outbound, probes } = context;
  const { connect: host, port } = service!;
  const proxy = outbound.proxyFor(host, port);
  if (proxy === null) return notRun('No outbound proxy is set for the service; there is one way only.');
  const attempt = (direct: boolean) =>
    probes.connect({ host, port }, signal, direct).then(
      socket => {
        abandon(socket);
        return null;
      },
      (error: unknown) => {
        if (error instanceof OutboundError) return error;
        throw error;
      },
    );
  const [through, directly] = await Promise.all([attempt(false), attempt(true)]);
  const word = (error: OutboundError | null) => (error === null ? 'works' : `fails (${error.message})`);
  const observation = {
    tried: `${host}:${port} through the proxy ${describeProxy(proxy)} and directly`,
    seen: `through the proxy: ${word(through)}; directly: ${word(directly)}`,
    command: shell(['curl', '-v', '--noproxy', '*', `${originOf(host, port)}/`]),
  };
  if (through === null) return passed(observation);
  if (directly !== null) return notRun('Neither way works; connectivity.proxy-connect says why.');
  return failed(
    observation,
    `The proxy of ${proxy.source} does not connect to the service, and this machine reaches it directly.`,
    `Let the connector go directly: set "noProxy": "${service!.domain}" in Config/connector.json or NO_PROXY=${service!.domain} in its environment, or take the proxy away. Or correct the proxy.`,
  );
}

function askRegistration(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const { connect, port } = context.service!;
  return askPage(context, new URL('/register', originOf(connect, port)), signal, answer => {
    // Only a POST registers; to anything else the service says, in its own form, that there is nothing.
    if (errorCodeOf(answer.body) !== null)
      return { status: 'ok', seen: `the service answered (${answer.status})` };
    return { status: 'other' };
  });
}

function readDiscovery(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const { login, port } = context.service!;
  return askPage(
    context,
    new URL('/.well-known/openid-configuration', originOf(login, port)),
    signal,
    answer => {
      const issuer = answer.status === 200 ? issuerOf(answer.body) : null;
      if (issuer !== null && URL.parse(issuer)?.hostname === login)
        return { status: 'ok', seen: `issuer ${issuer}` };
      return { status: 'other' };
    },
  );
}

type Judgement = { readonly status: 'ok'; readonly seen: string } | { readonly status: 'other' };

/** Gets an address and judges the answer; whose certificate came with it is not looked at here. */
async function askPage(
  context: DoctorContext,
  url: URL,
  signal: AbortSignal,
  judge: (answer: HttpAnswer) => Judgement,
): Promise<Outcome> {
  const tried = `GET ${url.href}`;
  const command = curl(context, url.href);
  let answer: HttpAnswer;
  try {
    answer = await context.probes.get(url, { signal });
  } catch (error) {
    return explainNoAnswer(error, tried, command, url);
  }
  const judgement = judge(answer);
  if (judgement.status === 'ok') return passed({ tried, seen: judgement.seen, command });
  return failed({ tried, seen: describeAnswer(answer), command }, ...somebodyElse(answer, url));
}

function somebodyElse(answer: HttpAnswer, url: URL): [cause: string, remedy: string] {
  if (answer.status >= 502 && answer.status <= 504) {
    return [
      `The service answers with ${answer.status}: it is being restarted, or its control process is down.`,
      "Look into the service's log; on its machine, `postern config check` and the health page of the private listener help.",
    ];
  }
  return [
    `What answers at ${url.host} is not this service: a login page of the network, a block page of a filter, or another web server.`,
    `Open ${url.href} in a browser on this machine, and let whoever runs the page that it shows pass this name.`,
  ];
}

function explainNoAnswer(error: unknown, tried: string, command: string, url: URL): Outcome {
  if (!(error instanceof ProbeError)) throw error;
  const observation = { tried, seen: error.message, command };
  if (error.stage === 'handshake' && error.code !== 'timed_out') {
    // Whether this is the way or the trust is for trust.tls-1.2 and its neighbours to say.
    return notRun(
      `No TLS connection with ${url.host} (${error.message}); the checks of the group trust look into that.`,
    );
  }
  if (error.code === 'timed_out') {
    return failed(
      observation,
      `${url.host} takes connections and then says nothing: something on the way drops what follows, or the service hangs.`,
      `Let firewalls and filters pass TLS to ${url.hostname} untouched, and see whether the service runs. On links with small packets (VPN, PPPoE) look at path MTU discovery.`,
    );
  }
  return failed(
    observation,
    `The connection with ${url.host} broke before an answer: ${error.message}.`,
    `Let firewalls and filters pass TLS to ${url.hostname} untouched, and look into the service's log.`,
  );
}

function describeAnswer({ status, headers, body }: HttpAnswer): string {
  const title = /<title[^>]*>([^<]{1,80})/i.exec(body)?.[1]?.trim();
  const server = typeof headers.server === 'string' ? `, server ${headers.server.slice(0, 60)}` : '';
  const location = headers.location === undefined ? '' : `, to ${headers.location.slice(0, 200)}`;
  return `HTTP status ${status}${location}${server}${title === undefined ? '' : `, a page titled "${title}"`}`;
}

/** Code of an error in the form of this service; null for anything else. */
function errorCodeOf(body: string): string | null {
  try {
    const { error } = JSON.parse(body) as { error?: { code?: unknown; message?: unknown } };
    return typeof error?.code === 'string' && typeof error.message === 'string' ? error.code : null;
  } catch {
    return null;
  }
}

function issuerOf(body: string): string | null {
  try {
    const { issuer } = JSON.parse(body) as { issuer?: unknown };
    return typeof issuer === 'string' ? issuer : null;
  } catch {
    return null;
  }
}

const maxRedirects = 8;

/** Goes the way of a browser that opens the portal and is sent to sign in. */
async function openSignInPage(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const { portal, login, port } = context.service!;
  const start = new URL('/', originOf(portal, port));
  const tried = `GET ${start.href}, and where it leads`;
  const command = curl(context, start.href, ['-L', '-c', '/dev/null']);
  const cookies = new Map<string, Map<string, string>>();
  let url = start;
  let answer: HttpAnswer | null = null;
  for (let step = 0; step < maxRedirects; step++) {
    try {
      answer = await context.probes.get(url, {
        signal,
        headers: { accept: 'text/html', cookie: cookieFor(cookies, url) },
      });
    } catch (error) {
      return explainNoAnswer(error, tried, command, url);
    }
    keepCookies(cookies, url, answer);
    const target =
      answer.status >= 300 && answer.status < 400 ? URL.parse(answer.headers.location ?? '', url.href) : null;
    if (target === null) break;
    // The page of a network that wants a sign-in of its own lies elsewhere.
    if (target.hostname !== portal && target.hostname !== login) break;
    url = target;
  }
  if (answer!.status === 200 && url.hostname === login && /<form/i.test(answer!.body)) {
    context.found.pageAsset = assetOf(answer!.body, url);
    return passed({
      tried,
      seen: `the sign-in page at ${url.hostname}; in a browser on this machine: ${start.href}`,
      command,
    });
  }
  return failed(
    { tried, seen: `${describeAnswer(answer!)} at ${url.href}`, command },
    ...somebodyElse(answer!, url),
  );
}

/** Address of a file that a page is made of. */
function assetOf(page: string, url: URL): string | null {
  const addresses = [
    ...page.matchAll(
      /<link[^>]+rel="stylesheet"[^>]*href="([^"]+)"|<link[^>]+href="([^"]+)"[^>]*rel="stylesheet"|<script[^>]+src="([^"]+)"/gi,
    ),
  ].map(match => URL.parse(match[1] ?? match[2] ?? match[3]!, url.href));
  return addresses.find(address => address?.hostname === url.hostname)?.href ?? null;
}

function cookieFor(cookies: ReadonlyMap<string, ReadonlyMap<string, string>>, { hostname }: URL): string {
  return [...(cookies.get(hostname) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
}

function keepCookies(
  cookies: Map<string, Map<string, string>>,
  { hostname }: URL,
  { headers }: HttpAnswer,
): void {
  const kept = cookies.get(hostname) ?? new Map<string, string>();
  for (const line of headers['set-cookie'] ?? []) {
    const [, name, value] = /^([^=;]+)=([^;]*)/.exec(line) ?? [];
    if (name !== undefined) kept.set(name, value!);
  }
  cookies.set(hostname, kept);
}

async function loadAsset(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const { pageAsset } = context.found;
  if (pageAsset === null) return notRun('The sign-in page refers to no file.');
  return askPage(context, new URL(pageAsset), signal, answer => {
    if (answer.status === 200 && answer.body !== '')
      return { status: 'ok', seen: `${answer.body.length} bytes` };
    return { status: 'other' };
  });
}
