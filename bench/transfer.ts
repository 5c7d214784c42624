import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { CertificateFiles } from './certificates.ts';
import type { Workplace } from './programs.ts';
import { type Figure, figure, type Target } from './report.ts';

export interface BulkBackendOptions {
  /** What it is started through. */
  readonly through?: readonly string[];
  /** Address that it listens on. Default 127.0.0.1. */
  readonly host?: string;
  /** With this it speaks TLS. */
  readonly certificate?: CertificateFiles;
}

/** Starts the backend of the bulk measurements. @returns Its port. */
export async function startBulkBackend(
  workplace: Workplace,
  { through = [], host = '127.0.0.1', certificate }: BulkBackendOptions = {},
): Promise<number> {
  const program = workplace.start([
    ...through,
    ...[process.execPath, path.join(import.meta.dirname, 'backend.ts'), '--host', host],
    ...(certificate ? ['--cert', certificate.certFile, '--key', certificate.keyFile] : []),
  ]);
  await program.untilOutput('port ');
  return Number(/port (\d+)/.exec(program.output)![1]);
}

/** Where a transfer goes to: a host on some address, over TLS. */
export interface TransferTarget {
  readonly name: string;
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly cookie?: string;
  /** Default HTTP/1.1. */
  readonly version?: '1.1' | '2';
}

export type Direction = 'down' | 'up';

export interface TransferOptions {
  /** Breaks it off; the promise is then rejected. */
  readonly signal?: AbortSignal;
}

/**
 * Transfers `bytes` with curl; up they come from a sparse file.
 *
 * @returns Megabytes a second, from the end of the handshake to the last byte.
 */
export async function transfer(
  workplace: Workplace,
  target: TransferTarget,
  direction: Direction,
  bytes: number,
  options: TransferOptions = {},
): Promise<number> {
  const origin = `https://${target.host}:${target.port}`;
  if (direction === 'down') {
    return curl(workplace, target, [`${origin}/bytes/${bytes}`], '%{size_download}', bytes, options);
  }
  const file = path.join(workplace.folder, `zeros-${bytes}`);
  writeFileSync(file, '');
  truncateSync(file, bytes);
  return curl(workplace, target, ['-T', file, `${origin}/upload`], '%{size_upload}', bytes, options);
}

async function curl(
  workplace: Workplace,
  { name, host, port, address, cookie, version = '1.1' }: TransferTarget,
  parameters: readonly string[],
  size: string,
  bytes: number,
  { signal }: TransferOptions,
): Promise<number> {
  const command = [
    // The certificates of baselines are nobody's; that ours is checked is for the tests to show.
    ...['curl', '--silent', '--show-error', '--insecure', `--http${version}`, '--fail', '--max-time', '600'],
    ...['--resolve', `${host}:${port}:${address}`],
    ...(cookie === undefined ? [] : ['--cookie', cookie]),
    ...['--output', '/dev/null', '--write-out', `${size} %{time_pretransfer} %{time_total}`],
    ...parameters,
  ];
  const output = await workplace.run(command, { timeoutMs: 610_000, signal });
  const [done, from, to] = output.trim().split(' ').map(Number) as [number, number, number];
  if (done !== bytes) throw new Error(`${name}: ${done} of ${bytes} bytes`);
  return done / 1e6 / (to - from);
}

export interface TransferComparison {
  readonly name: string;
  readonly bytes: number;
  /** Default both. */
  readonly directions?: readonly Direction[];
  readonly ours: TransferTarget;
  readonly baseline: TransferTarget;
  readonly target: Target;
  readonly rounds: number;
  readonly say: (text: string) => void;
}

/** Transfers ours and the baseline's in turn, after one of each that does not count. */
export async function compareTransfers(
  workplace: Workplace,
  comparison: TransferComparison,
): Promise<Figure[]> {
  const { name, bytes, directions = ['down', 'up'], ours, baseline, target, rounds, say } = comparison;
  const figures: Figure[] = [];
  for (const direction of directions) {
    const runs = new Map<TransferTarget, number[]>([
      [baseline, []],
      [ours, []],
    ]);
    for (let round = 0; round <= rounds; round += 1) {
      for (const [from, rates] of runs) {
        const rate = await transfer(workplace, from, direction, bytes);
        say(
          `${name}, ${direction}, ${from.name}: ${rate.toFixed(0)} MB/s${round === 0 ? ' (not counted)' : ''}`,
        );
        if (round > 0) rates.push(rate);
      }
    }
    figures.push(
      figure({
        name: `${name} ${direction === 'down' ? 'download' : 'upload'}`,
        unit: 'MB/s',
        runs: runs.get(ours)!,
        baseline: { name: baseline.name, runs: runs.get(baseline)! },
        target,
      }),
    );
  }
  return figures;
}
