/**
 * Runs the fuzzers: `npm run fuzz` does the full count of each, `npm run fuzz -- --seconds 60 <files>` a part. Seconds are
 * of processor time.
 *
 * A fuzzer is a file `*.fuzz.ts` beside the code it attacks. It exports `run`, which throws on the first finding:
 * `run({ seconds, iterations, seed })` ends after so many seconds of processor time or iterations, whichever is given and comes first.
 */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { glob } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { processorSeconds } from '../tests/testbed/processor-time.ts';

/** What a fuzzer is told. */
export interface FuzzOptions {
  readonly seconds?: number;
  readonly iterations?: number;
  readonly seed: number;
}

/** How one fuzzer ended. */
export interface FuzzResult {
  readonly file: string;
  readonly passed: boolean;
  readonly output: string;
}

const root = path.resolve(import.meta.dirname, '..');
const FULL_COUNT = 10_000_000;

/** All fuzzers of the repository, as paths relative to its root. */
export async function findFuzzers(): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob('{packages,tests}/**/*.fuzz.ts', {
    cwd: root,
    exclude: name => name === 'node_modules',
  })) {
    files.push(file);
  }
  return files.sort();
}

/**
 * Runs fuzzers in processes of their own, at most `width` at a time.
 *
 * @param options.isInBackground They take what other work leaves of the processors.
 */
export async function runFuzzers(
  files: readonly string[],
  options: {
    readonly seconds?: number;
    readonly iterations?: number;
    readonly seed?: number;
    readonly isInBackground?: boolean;
  },
  width: number,
  ended: (result: FuzzResult) => void,
): Promise<void> {
  const { isInBackground = false, ...bounds } = options;
  const waiting = [...files];
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const seed = options.seed ?? randomInt(2 ** 31);
      ended(await runInProcess(file, { ...bounds, seed }, isInBackground));
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}

function runInProcess(file: string, options: FuzzOptions, isInBackground: boolean): Promise<FuzzResult> {
  const parameters = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const child = spawn(process.execPath, [import.meta.filename, '--here', ...parameters, file], { cwd: root });
  if (isInBackground && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  let output = `seed ${options.seed}\n`;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise(resolve => {
    child.on('close', code => resolve({ file, passed: code === 0, output: output.trim() }));
  });
}

async function runHere(file: string, options: FuzzOptions): Promise<void> {
  const fuzzer: { run(options: FuzzOptions): unknown } = await import(
    pathToFileURL(path.resolve(root, file)).href
  );
  const result = await fuzzer.run(options);
  const count =
    typeof result === 'object' && result !== null && 'iterations' in result
      ? `${result.iterations} inputs, `
      : '';
  process.stdout.write(`${count}${Math.round(processorSeconds())} s\n`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string' },
      iterations: { type: 'string' },
      seed: { type: 'string' },
      here: { type: 'boolean', default: false },
    },
  });
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
  const iterations =
    values.iterations === undefined ? (seconds ? undefined : FULL_COUNT) : Number(values.iterations);
  const seed = values.seed === undefined ? undefined : Number(values.seed);
  if (values.here) return runHere(positionals[0], { seconds, iterations, seed: seed ?? 1 });

  const files = positionals.length > 0 ? positionals : await findFuzzers();
  const bounds = {
    ...(seconds && { seconds }),
    ...(iterations && { iterations }),
    ...(seed !== undefined && { seed }),
  };
  await runFuzzers(files, bounds, 2, result => {
    if (!result.passed) process.exitCode = 1;
    process.stdout.write(
      `${result.passed ? '✔' : '✖'} ${result.file}: ${result.output.replace(/\n/g, result.passed ? ', ' : '\n  ')}\n`,
    );
  });
}

if (import.meta.main) await main();
