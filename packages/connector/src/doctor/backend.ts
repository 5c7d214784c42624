import type { Socket } from 'node:net';
import { outboundFrom } from '@postern/outbound/outbound';
import {
  failed,
  notRun,
  type Observation,
  type Outcome,
  passed,
  warning,
} from '@postern/protocol/doctor/check';
import type { BackendConfiguration } from '@postern/protocol/tunnel/messages';
import type { OpenFailure } from '@postern/protocol/tunnel/preamble';
import { isWildcardHost } from '@postern/protocol/tunnel/wildcard-host';
import { AllowList } from '../allow-list.ts';
import { DialError, dial } from '../backend.ts';
import { readBackends } from '../backends-file.ts';
import { shell } from './by-hand.ts';
import type { Check } from './check.ts';
import type { DoctorContext } from './context.ts';

const dialLimitMs = 2_500;
const answerLimitMs = 2_500;
/** For all of them together; what was not reached by then is named as such. */
const allLimitMs = 5_000;
const atOnce = 16;
const mostShown = 5;

/** How far a backend could be followed. */
type Step = 'allowed' | 'name' | 'connection' | 'tls' | 'answer' | 'done';

interface Visit {
  readonly backend: BackendConfiguration;
  /** The step that failed; `done` where none did. Null: there was no time left for it. */
  readonly failedAt: Step | null;
  /** What was seen: an error, or the status of the answer. */
  readonly seen: string;
  /** Of the answer; 0 without one. */
  readonly status: number;
}

const order: readonly Step[] = ['allowed', 'name', 'connection', 'tls', 'answer', 'done'];
const visits = new WeakMap<DoctorContext, Promise<readonly Visit[] | null>>();

/** What is published to this connector's group, by the configuration that was in force last. */
export const backendChecks: readonly Check[] = [
  backendCheck({
    id: 'backend.allowed',
    step: 'allowed',
    title: "The connector's own allow-list permits every backend",
    otherwise:
      'Requests for it fail with `not_allowed`; nobody but the administrator of this machine can change that.',
    what: 'the allow-list of this machine',
    remedy: 'Add it to "allow" in Config/connector.json if it is to be reached, or unpublish it.',
  }),
  backendCheck({
    id: 'backend.names',
    step: 'name',
    title: 'The name of every backend resolves',
    otherwise: "The private network's name servers do not know it, or this machine asks others.",
    what: 'names of backends',
    remedy:
      'Check the internal URL of the application, and that this machine asks the name servers of the private network.',
  }),
  backendCheck({
    id: 'backend.connections',
    step: 'connection',
    title: 'Every backend takes connections',
    otherwise: 'It is down, or a firewall in the private network stands between.',
    what: 'connections to backends',
    remedy: 'Start the web server, check the port in the internal URL, and let firewalls pass this machine.',
  }),
  backendCheck({
    id: 'backend.tls',
    step: 'tls',
    title: "Every https backend's certificate is accepted",
    otherwise: 'It is expired, of an unknown authority or for another name; requests fail with `tls_failed`.',
    what: 'TLS with backends',
    remedy:
      'Add the authority to those of this machine, correct the name in the internal URL, or let the application accept any certificate of its backend.',
  }),
  backendCheck({
    id: 'backend.answers',
    step: 'answer',
    title: 'Every backend answers HTTP',
    otherwise: 'Something else listens there, or the web server hangs or fails.',
    what: 'GET / at backends',
    remedy: "Look into the web server's log.",
  }),
  {
    id: 'backend.upgrade',
    title: 'Backends take a request to upgrade the connection (WebSocket)',
    otherwise:
      'A warning: WebSockets of the application fail. Not run where no backend upgrades at "/": which other addresses are for WebSockets, only the application knows.',
    needs: ['backend.answers'],
    limitMs: allLimitMs + dialLimitMs + answerLimitMs,
    run: (context, signal) => tryUpgrades(context, signal),
  },
];

interface BackendCheckOptions {
  readonly id: Check['id'];
  readonly step: Step;
  readonly title: string;
  readonly otherwise: string;
  readonly what: string;
  readonly remedy: string;
}

function backendCheck({ id, step, title, otherwise, what, remedy }: BackendCheckOptions): Check {
  return {
    id,
    title,
    otherwise,
    limitMs: allLimitMs + dialLimitMs + answerLimitMs,
    async run(context, signal) {
      const all = await visitsOf(context, signal);
      if (all === null)
        return notRun('No connector has run here, so that nothing is known to be published to its group.');
      return judge(all, step, what, remedy);
    },
  };
}

function judge(all: readonly Visit[], step: Step, what: string, remedy: string): Outcome {
  if (all.length === 0) return notRun('Nothing is published to the group of this connector.');
  const relevant = step === 'tls' ? all.filter(one => one.backend.tls) : all;
  if (relevant.length === 0) return notRun('No backend is published with https.');
  const reached = relevant.filter(
    one => one.failedAt !== null && order.indexOf(one.failedAt) >= order.indexOf(step),
  );
  const bad = reached.filter(one => one.failedAt === step);
  const unvisited = relevant.filter(one => one.failedAt === null).length;
  const rest = unvisited === 0 ? '' : `; ${unvisited} could not be tried in time`;
  const observation: Observation = {
    tried: `${what}: ${relevant.length}`,
    seen:
      bad.length > 0
        ? `${bad.length} of ${reached.length} fail: ${list(bad)}${rest}`
        : `${step === 'answer' ? list(reached) : `${reached.length} in order`}${rest}`,
    command: shell(['curl', '-v', '-o', '/dev/null', urlOf((bad[0] ?? relevant[0]!).backend)]),
  };
  if (bad.length > 0)
    return failed(
      observation,
      `${bad.length === 1 ? 'A backend fails' : `${bad.length} backends fail`}: ${list(bad)}.`,
      remedy,
    );
  if (reached.length === 0) return notRun(`No backend came as far as this${rest}.`);
  const failing = step === 'answer' ? reached.filter(one => one.status >= 500) : [];
  if (failing.length > 0)
    return warning(observation, `A backend answers with an error of its own: ${list(failing)}.`, remedy);
  return passed(observation);
}

function list(some: readonly Visit[]): string {
  const shown = some.slice(0, mostShown).map(one => `${urlOf(one.backend)} (${one.seen})`);
  return `${shown.join('; ')}${some.length > mostShown ? `; and ${some.length - mostShown} more` : ''}`;
}

function urlOf({ tls, host, port }: BackendConfiguration): string {
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host.replace(/^\[|\]$/g, '')}]` : host}:${port}/`;
}

function visitsOf(context: DoctorContext, signal: AbortSignal): Promise<readonly Visit[] | null> {
  let known = visits.get(context);
  if (known === undefined) {
    known = visitAll(context, signal);
    visits.set(context, known);
  }
  return known;
}

async function visitAll(context: DoctorContext, signal: AbortSignal): Promise<readonly Visit[] | null> {
  const backends = context.settings === null ? null : await readBackends(context.dataDir);
  if (backends === null) return null;
  // Which hosts a wildcard is used for, only those who use it know.
  const named = backends.filter(one => !isWildcardHost(one.host));
  const different = new Map(named.map(one => [`${urlOf(one)} ${one.validateCertificate} ${one.http2}`, one]));
  return visitEach([...different.values()], context, signal, { Connection: 'close' });
}

async function visitEach(
  backends: readonly BackendConfiguration[],
  { local, localProblem }: DoctorContext,
  signal: AbortSignal,
  fields: Parts['fields'],
): Promise<readonly Visit[]> {
  if (local === null) throw new Error(`The settings of this machine cannot be used: ${localProblem}`);
  const parts = { allow: new AllowList(local.allow), outbound: outboundFrom(local.backends, {}), fields };
  const waiting = [...backends];
  const results: Visit[] = [];
  const deadline = performance.now() + allLimitMs;
  const worker = async () => {
    for (let backend = waiting.shift(); backend !== undefined; backend = waiting.shift()) {
      const isLate = signal.aborted || performance.now() > deadline;
      results.push(
        isLate
          ? { backend, failedAt: null, seen: 'not tried in time', status: 0 }
          : await visit(backend, parts),
      );
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}

const websocketFields = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'cG9zdGVybi1kb2N0b3ItMQ==',
};

/** Asks every backend that answers plain requests for a WebSocket at "/". */
async function tryUpgrades(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const answering = ((await visitsOf(context, signal)) ?? []).filter(
    // Over HTTP/2 nothing is upgraded.
    one => one.failedAt === 'done' && !one.backend.http2,
  );
  const asked = await visitEach(
    answering.map(one => one.backend),
    context,
    signal,
    websocketFields,
  );
  const silent = asked.filter(one => one.failedAt !== null && one.failedAt !== 'done');
  const upgraded = asked.filter(one => one.status === 101);
  const shown = silent[0] ?? upgraded[0];
  if (shown === undefined) {
    return notRun(
      `No backend upgrades at "/" (${list(asked)}). That says nothing of the addresses that the applications use for WebSockets.`,
    );
  }
  const fields = Object.entries(websocketFields).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const observation: Observation = {
    tried: `GET / with "Upgrade: websocket" at backends: ${asked.length}`,
    seen: list([...silent, ...upgraded]),
    command: shell(['curl', '-v', '--http1.1', '-m', '5', ...fields, urlOf(shown.backend)]),
  };
  if (silent.length === 0) return passed(observation);
  return warning(
    observation,
    `${silent.length === 1 ? 'A backend answers' : `${silent.length} backends answer`} plain requests, and not the same with "Upgrade: websocket": ${list(silent)}. WebSockets there fail.`,
    'If the application uses WebSockets: let the web server, and what stands before it, take requests with "Connection: Upgrade".',
  );
}

type Parts = Pick<Parameters<typeof dial>[1], 'allow' | 'outbound'> & {
  /** What the request says beside its host. */
  readonly fields: Readonly<Record<string, string>>;
};

async function visit(backend: BackendConfiguration, { fields, ...parts }: Parts): Promise<Visit> {
  const answer = Promise.withResolvers<string>();
  answer.promise.catch(() => {});
  const leastBytes = backend.http2 ? http2FrameHeadBytes : 12;
  let received = '';
  const dialling = dial(backend, {
    ...parts,
    timeoutMs: dialLimitMs,
    now: () => performance.now(),
    onBytes(bytes) {
      received += bytes.toString('latin1', 0, Math.min(bytes.length, 200));
      if (received.length >= leastBytes || received.includes('\n')) answer.resolve(received);
      return received.length < 1_000;
    },
  });
  let socket: Socket;
  try {
    ({ socket } = await dialling.opened);
  } catch (error) {
    if (!(error instanceof DialError)) throw error;
    return { backend, failedAt: stepOf(error.code), seen: error.message, status: 0 };
  }
  socket.once('end', () => answer.reject(new Error('it ended the connection without an answer')));
  socket.once('close', () => answer.reject(new Error('it closed the connection without an answer')));
  const timer = setTimeout(
    () => answer.reject(new Error(`no answer within ${answerLimitMs / 1000} s`)),
    answerLimitMs,
  );
  try {
    if (backend.http2) {
      socket.write(http2Opening);
      return judgeHttp2(backend, await answer.promise);
    }
    const all = { Host: new URL(urlOf(backend)).host, 'User-Agent': 'postern-connector-doctor', ...fields };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET / HTTP/1.1\r\n${lines.join('')}\r\n`);
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(await answer.promise)?.[1] ?? 0);
    if (status === 0) return { backend, failedAt: 'answer', seen: 'what it answers is not HTTP', status };
    return { backend, failedAt: 'done', seen: `status ${status}`, status };
  } catch (error) {
    return {
      backend,
      failedAt: 'answer',
      seen: error instanceof Error ? error.message : String(error),
      status: 0,
    };
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

const http2FrameHeadBytes = 9;
const http2SettingsType = 4;
/** The preface and empty SETTINGS (RFC 9113 §3.4). */
const http2Opening = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
  Buffer.from([0, 0, 0, http2SettingsType, 0, 0, 0, 0, 0]),
]);

/** The first frame of whoever speaks HTTP/2 is SETTINGS. */
function judgeHttp2(backend: BackendConfiguration, received: string): Visit {
  const isSettings = received.charCodeAt(3) === http2SettingsType && !received.startsWith('HTTP/');
  if (isSettings) return { backend, failedAt: 'done', seen: 'HTTP/2', status: 0 };
  return { backend, failedAt: 'answer', seen: 'what it answers is not HTTP/2', status: 0 };
}

function stepOf(code: OpenFailure): Step {
  switch (code) {
    case 'not_allowed':
      return 'allowed';
    case 'name_not_resolved':
      return 'name';
    case 'tls_failed':
      return 'tls';
    case 'no_http2':
      return 'answer';
    default:
      return 'connection';
  }
}
