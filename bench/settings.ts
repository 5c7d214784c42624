/**
 * What do an application's settings cost? CPU per small request with custom headers, cookies, limits and the access log,
 * over the same without. `node bench/settings.ts [--rounds 5] [--seconds 4]`
 */
import { measureAndPrint, type RunOptions } from './command-line.ts';
import { browserFields, type LoadOptions, loadHttp1, loadHttp2, type Subject } from './load.ts';
import { startSmallBackend } from './nginx.ts';
import { startPostern } from './postern.ts';
import { Workplace } from './programs.ts';
import { type Figure, figure } from './report.ts';

const connections = 32;
const warmUpSeconds = 10;

interface Case {
  readonly subject: Subject;
  readonly options: Omit<LoadOptions, 'seconds'>;
  readonly load: typeof loadHttp1;
  readonly runs: number[];
}

export async function measureSettings({ rounds, seconds, say }: RunOptions): Promise<Figure[]> {
  await using plainPlace = new Workplace();
  await using dressedPlace = new Workplace();
  const backend = await startSmallBackend(plainPlace);
  const backendUrl = `http://127.0.0.1:${backend.port}/`;
  const plain = await startPostern(plainPlace, { backendUrl });
  const dressed = await startPostern(dressedPlace, {
    backendUrl,
    config: { log: { accessLog: true } },
    publishing: {
      isHttpOnlyCookieEnabled: true,
      customHeaders: {
        setRequestHeaders: [
          { name: 'Remote-User', value: '{user.userPrincipalName}' },
          { name: 'X-Groups', value: '{user.groups}' },
          { name: 'X-Trace', value: '{request.id}' },
        ],
        removeRequestHeaders: ['X-Debug'],
        setResponseHeaders: [
          { name: 'X-Served-By', value: 'postern' },
          { name: 'X-Request-Id', value: '{request.id}' },
        ],
        removeResponseHeaders: ['Server'],
      },
      securityHeaders: {
        noSniff: true,
        frameOptions: 'sameOrigin',
        strictTransportSecurityMaxAge: 31_536_000,
      },
      limits: { requestsPerMinutePerClient: 100_000_000, openRequestsPerClient: 10_000 },
    },
  });

  const cases = [loadHttp1, loadHttp2].map(load => ({
    protocol: load === loadHttp1 ? 'HTTP/1.1' : 'HTTP/2, 8 streams each',
    plain: caseOf('without', plain, '/small', load),
    dressed: caseOf('with', dressed, '/cookie/small', load),
  }));
  const workplaceOf = (one: Case) => (one.subject.name === 'with' ? dressedPlace : plainPlace);
  const run = (one: Case, duration: number) =>
    one.load(workplaceOf(one), one.subject, { ...one.options, seconds: duration });
  const all = cases.flatMap(pair => [pair.plain, pair.dressed]);
  for (const one of all) await run(one, warmUpSeconds);
  for (let round = 1; round <= rounds; round += 1) {
    for (const one of all) {
      const { cpuMicrosecondsPerRequest: cpu, requestsPerSecond } = await run(one, seconds);
      one.runs.push(cpu);
      say(
        `round ${round}, ${one.subject.name} settings: ${requestsPerSecond.toFixed(0)}/s, ${cpu.toFixed(1)} µs`,
      );
    }
  }
  return cases.map(({ protocol, plain: without, dressed: withAll }) =>
    figure({
      name: `CPU per small GET with headers, cookies, limits and access log, ${connections} connections, ${protocol}`,
      unit: 'µs',
      runs: withAll.runs,
      baseline: { name: 'the same without', runs: without.runs },
      target: { comparison: '≤', value: 1.15 },
    }),
  );
}

function caseOf(
  name: string,
  { applicationHost: host, port, pids, cookie }: Awaited<ReturnType<typeof startPostern>>,
  path: string,
  load: typeof loadHttp1,
): Case {
  const subject = { name, host, port, pids };
  return { subject, options: { connections, fields: browserFields(cookie), path }, load, runs: [] };
}

if (import.meta.main) await measureAndPrint(measureSettings);
