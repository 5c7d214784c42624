/**
 * How long until 1,000 tunnels are back after the service was killed and started again, and until its processor rests?
 * `node bench/reconnect-storm.ts`
 */
import path from 'node:path';
import { measureAndPrint, type RunOptions } from './command-line.ts';
import { cpuSeconds } from './measure.ts';
import { startPostern } from './postern.ts';
import { type Program, Workplace } from './programs.ts';
import { type Figure, figure } from './report.ts';

const processes = 4;
const connectorsEach = 125;
const tunnels = processes * connectorsEach * 2;
/** Share of one processor below which the service rests. */
const restingShare = 0.05;
const limitMs = 120_000;

interface Report {
  readonly live: number;
  readonly failures: Readonly<Record<string, number>>;
}

/** Each figure is of one run. */
export async function measureReconnectStorm({ say }: RunOptions): Promise<Figure[]> {
  await using workplace = new Workplace();
  const postern = await startPostern(workplace, {
    backendUrl: 'http://127.0.0.1:9/',
    config: { limits: { maxTunnelsPerConnector: tunnels + 64 } },
  });
  const { testbed } = postern;
  const program = path.join(import.meta.dirname, 'storm-connectors.ts');
  const parameters = ['--data', testbed.connectors[0]!.dataDir, '--count', String(connectorsEach)];
  const connectors = Array.from({ length: processes }, () =>
    workplace.start([process.execPath, program, ...parameters]),
  );
  await untilTrue(() => liveOf(connectors) === tunnels);
  const before = refusedOf(connectors);

  const killedAt = performance.now();
  await testbed.restartService();
  const readyAt = performance.now();
  await untilTrue(() => liveOf(connectors) === tunnels);
  const backAt = performance.now();
  await untilResting(testbed.service.pid!);
  const restingAt = performance.now();

  const refused = refusedOf(connectors) - before;
  const seconds = (from: number, to: number) => (to - from) / 1000;
  say(
    `${tunnels} tunnels back ${seconds(readyAt, backAt).toFixed(1)} s after the service was ready, ` +
      `${seconds(killedAt, backAt).toFixed(1)} s after it was killed; ${refused} handshakes refused; ` +
      `at rest ${seconds(backAt, restingAt).toFixed(1)} s later`,
  );
  return [
    figure({
      name: `${tunnels} tunnels back after the service was killed`,
      unit: 's',
      runs: [seconds(killedAt, backAt)],
      target: { comparison: '≤', value: 30 },
    }),
    figure({
      name: 'handshakes refused meanwhile',
      unit: 'handshakes',
      runs: [refused],
      target: { comparison: '≤', value: 0 },
    }),
    figure({
      name: 'until the processor of the service rests afterwards',
      unit: 's',
      runs: [seconds(backAt, restingAt)],
      target: { comparison: '≤', value: 60 },
    }),
  ];
}

function reportsOf(connectors: readonly Program[]): Report[] {
  return connectors.map(({ output }) => {
    const line = output.trimEnd().split('\n').at(-1) ?? '';
    return line === '' ? { live: 0, failures: {} } : (JSON.parse(line) as Report);
  });
}

function liveOf(connectors: readonly Program[]): number {
  return reportsOf(connectors).reduce((sum, report) => sum + report.live, 0);
}

/** What the service turned away; that nobody listens while it starts is no refusal. */
function refusedOf(connectors: readonly Program[]): number {
  const refusals = (report: Report) =>
    Object.entries(report.failures)
      .filter(([cause]) => cause.startsWith('refused'))
      .reduce((sum, [, count]) => sum + count, 0);
  return reportsOf(connectors).reduce((sum, report) => sum + refusals(report), 0);
}

async function untilTrue(isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs / 1000} s`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

async function untilResting(pid: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const from = cpuSeconds([pid]);
    await new Promise(resolve => setTimeout(resolve, 2_000));
    if ((cpuSeconds([pid]) - from) / 2 < restingShare) return;
    if (performance.now() > deadline) throw new Error(`the service did not rest within ${limitMs / 1000} s`);
  }
}

if (import.meta.main) await measureAndPrint(measureReconnectStorm);
