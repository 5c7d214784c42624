/** How much processor time does a small request cost? `node bench/small-requests.ts [--rounds 5] [--seconds 4]` */
import { makeCertificate } from './certificates.ts';
import { measureAndPrint, type RunOptions } from './command-line.ts';
import { browserFields, type LoadResult, loadHttp1, loadHttp2, type Subject } from './load.ts';
import { startReverseProxy, startSmallBackend } from './nginx.ts';
import { startPostern } from './postern.ts';
import { Workplace } from './programs.ts';
import { type Figure, figure, type Target } from './report.ts';
import { startReverseForwarding } from './ssh.ts';

const warmUpSeconds = 10;

interface Case {
  readonly subject: Subject;
  readonly protocol: 'http1' | 'http2';
  readonly connections: number;
  readonly results: LoadResult[];
}

export async function measureSmallRequests({ rounds, seconds, say }: RunOptions): Promise<Figure[]> {
  await using workplace = new Workplace();
  const backend = await startSmallBackend(workplace);
  const { cookie, subjects } = await startSubjects(workplace, backend.port);
  const cases: Case[] = [];
  const add = (name: keyof typeof subjects, protocol: Case['protocol'], connections: number) => {
    const added: Case = { subject: subjects[name], protocol, connections, results: [] };
    cases.push(added);
    return added;
  };
  const of = (connections: number) => ({
    nginx: add('nginx', 'http1', connections),
    preauth: add('preauth', 'http1', connections),
    ssh: add('ssh', 'http1', connections),
    passthrough: add('passthrough', 'http1', connections),
  });
  const [few, many] = [of(32), of(256)];
  const http2 = { nginx: add('nginx', 'http2', 32), preauth: add('preauth', 'http2', 32) };

  const fields = browserFields(cookie);
  const load = ({ protocol, subject, connections }: Case, duration: number) => {
    const options = { connections, seconds: duration, fields, path: '/small' };
    return (protocol === 'http1' ? loadHttp1 : loadHttp2)(workplace, subject, options);
  };
  // The first seconds belong to the connections that are kept, and in our processes to V8, which goes on compiling for
  // some ten thousand requests (178 µs a request fell to 105 within 80,000); a service runs for weeks.
  for (const warm of cases) await load(warm, warm.subject.name.startsWith('nginx') ? 2 : warmUpSeconds);
  for (let round = 1; round <= rounds; round += 1) {
    for (const next of cases) {
      const result = await load(next, seconds);
      next.results.push(result);
      const { subject, protocol, connections } = next;
      const { requestsPerSecond, cpuMicrosecondsPerRequest, latencyMs } = result;
      say(
        `round ${round}, ${subject.name}, ${protocol}, ${connections} connections: ${requestsPerSecond.toFixed(0)}/s, ` +
          `${cpuMicrosecondsPerRequest.toFixed(1)} µs, ${latencyMs.toFixed(2)} ms`,
      );
    }
  }
  const compare = (ours: Case, baseline: Case, target?: Target) => compareCpu(ours, baseline, target);
  return [
    compare(few.preauth, few.nginx, { comparison: '≤', value: 2.2 }),
    compare(many.preauth, many.nginx, { comparison: '≤', value: 1.8 }),
    compare(few.preauth, few.ssh, { comparison: '≤', value: 0.8 }),
    compare(many.preauth, many.ssh, { comparison: '≤', value: 0.8 }),
    compare(few.passthrough, few.nginx),
    compare(many.passthrough, many.nginx),
    compare(http2.preauth, http2.nginx, { comparison: '≤', value: 5 }),
    ...[few, many].flatMap(set => [compareRate(set.preauth, set.nginx), compareRate(set.preauth, set.ssh)]),
    compareRate(http2.preauth, http2.nginx),
  ];
}

async function startSubjects(workplace: Workplace, backendPort: number) {
  const host = 'site.bed.localhost';
  const certificate = await makeCertificate(workplace, host);
  const nginx = await startReverseProxy(workplace, { backend: backendPort, certificate });
  const forwarding = await startReverseForwarding(workplace, backendPort);
  const beforeSsh = await startReverseProxy(workplace, { backend: forwarding.port, certificate });
  const postern = await startPostern(workplace, { backendUrl: `http://127.0.0.1:${backendPort}/` });
  const { port, pids } = postern;
  const subject = (name: string, part: Omit<Subject, 'name'>): Subject => ({ name, ...part });
  return {
    cookie: postern.cookie,
    subjects: {
      nginx: subject('nginx', { host, port: nginx.port, pids: [nginx.pid] }),
      ssh: subject('nginx + ssh -R', {
        host,
        port: beforeSsh.port,
        pids: [beforeSsh.pid, ...forwarding.pids],
      }),
      preauth: subject('pre-authenticated', { host: postern.applicationHost, port, pids }),
      passthrough: subject('passthrough', { host: postern.passthroughHost, port, pids }),
    },
  };
}

function compareCpu(ours: Case, baseline: Case, target?: Target): Figure {
  const runsOf = ({ results }: Case) => results.map(result => result.cpuMicrosecondsPerRequest);
  return compareBy('CPU per small GET', 'µs', runsOf, ours, baseline, target);
}

function compareRate(ours: Case, baseline: Case): Figure {
  return compareBy(
    'small GETs',
    '/s',
    ({ results }) => results.map(r => r.requestsPerSecond),
    ours,
    baseline,
  );
}

function compareBy(
  what: string,
  unit: string,
  runsOf: (of: Case) => number[],
  ours: Case,
  baseline: Case,
  target?: Target,
): Figure {
  const protocol = ours.protocol === 'http1' ? 'HTTP/1.1' : 'HTTP/2, 8 streams each';
  return figure({
    name: `${what}, ${ours.subject.name}, ${ours.connections} connections, ${protocol}`,
    unit,
    runs: runsOf(ours),
    baseline: { name: baseline.subject.name, runs: runsOf(baseline) },
    target,
  });
}

if (import.meta.main) await measureAndPrint(measureSmallRequests);
