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
/** The service rests when it takes this much of one processor more than it took for the same tunnels before, or less. */
const restingMargin = 0.01;
/** Long enough for every tunnel to be pinged several times. */
const idleMs = 12_000;
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
  await untilAllLive(connectors);
  const before = refusedOf(connectors);
  await untilResting(testbed.service.pid!, 0.1);
  const idleShare = await shareOf(testbed.service.pid!, idleMs);

  const killedAt = performance.now();
  await testbed.restartService();
  const readyAt = performance.now();
  await untilAllLive(connectors);
  const backAt = performance.now();
  await untilResting(testbed.service.pid!, idleShare + restingMargin);
  const restingAt = performance.now();

  const refused = refusedOf(connectors) - before;
  const seconds = (from: number, to: number) => (to - from) / 1000;
  say(
    `${tunnels} tunnels back ${seconds(readyAt, backAt).toFixed(1)} s after the service was ready, ` +
      `${seconds(killedAt, backAt).toFixed(1)} s after it was killed; ${refused} handshakes refused; ` +
      `at rest ${seconds(backAt, restingAt).toFixed(1)} s later, as before at ${(idleShare * 100).toFixed(1)} % of a processor`,
  );
  return [
    figure({
      name: `processor of the service for ${tunnels} idle tunnels`,
      unit: '% of one',
      runs: [idleShare * 100],
    }),
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

async function untilAllLive(connectors: readonly Program[]): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (liveOf(connectors) < tunnels) {
    if (performance.now() > deadline) {
      const found = JSON.stringify(reportsOf(connectors));
      throw new Error(`not all tunnels are up within ${limitMs / 1000} s: ${found}`);
    }
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

async function untilResting(pid: number, share: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while ((await shareOf(pid, 3_000)) > share) {
    if (performance.now() > deadline) throw new Error(`the service did not rest within ${limitMs / 1000} s`);
  }
}

/** The share of one processor that a process and its descendants take for so long. */
async function shareOf(pid: number, ms: number): Promise<number> {
  const from = cpuSeconds([pid]);
  const startedAt = performance.now();
  await new Promise(resolve => setTimeout(resolve, ms));
  return (cpuSeconds([pid]) - from) / ((performance.now() - startedAt) / 1000);
}

if (import.meta.main) await measureAndPrint(measureReconnectStorm);
