/**
 * `npm test`: everything that must hold. Each check and each test counts as one; the last line is `N passed, N failed`.
 *
 * Fuzzers take what the rest leaves of the processors, from the beginning to the end, and Debian is laid down for the
 * machines of the tests meanwhile. Everything else comes in the order in which it is cheapest to learn that it fails.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { makeDebianRoot } from '../tests/testbed/systemd-machine.ts';
import { findFuzzers, runFuzzers } from './fuzz.ts';
import { installSystemPackages } from './system-packages.ts';
import { findTestFiles, noTests, printTotals, runTestFiles } from './test-files.ts';

const root = path.resolve(import.meta.dirname, '..');
const bin = path.join(root, 'node_modules', '.bin');
const FUZZ_SECONDS = 60;
const WIDTH = 2;
/** Tests of the whole wait for programs, networks and clocks half of the time. */
const WIDTH_OF_WHOLE = 3;

/** What takes longest, the longest first; the rest follows by name. */
const longestBesideTheCode = [
  'packages/cli/src/cli.test.ts',
  'packages/connector/src/identity/kill-points.test.ts',
  'packages/server/src/operate/operate.test.ts',
  'packages/connector/src/run.test.ts',
  'examples/quick-start/quick-start.test.ts',
  'scripts/build.test.ts',
  'packages/protocol/src/yamux/interop.test.ts',
];
const longestOfTheWhole = [
  'tests/lab/lab.test.ts',
  'tests/system/systemd.test.ts',
  'tests/system/admin-center.test.ts',
  'tests/system/application-pages.test.ts',
  'tests/system/admin-applications.test.ts',
  'tests/system/doctor.test.ts',
  'tests/system/ca-rotation.test.ts',
  'tests/system/expired-tunnel.test.ts',
  'tests/system/streaming-memory.test.ts',
  'tests/system/limits.test.ts',
];

const checks = { passed: 0, failed: 0 };

/** Format, lint, types and unused code: one command each, silent unless it fails. */
const commands: readonly (readonly [title: string, program: string, ...parameters: string[]])[] = [
  ['format and lint', 'biome', 'check', '--error-on-warnings', '.'],
  ['types', 'tsc', '-p', 'tsconfig.json'],
  ['types of the Admin center', 'tsc', '-p', 'packages/portal/tsconfig.json'],
  ['unused code', 'knip'],
];

async function main(): Promise<void> {
  process.chdir(root);
  // They need nothing but what npm has installed, and run while Debian's packages are.
  const checked = commands.map(([title, program, ...parameters]) => check(title, program, parameters));
  prepare();
  // What is wrong with it, the tests that need it say.
  const debian = makeDebianRoot().catch(() => {});
  const fuzzers = runFuzzers(
    await findFuzzers(),
    { seconds: FUZZ_SECONDS, isInBackground: true },
    WIDTH,
    result => count(result.passed, `${FUZZ_SECONDS} s of ${result.file}`, result.output),
  );
  await Promise.all(checked);

  const totals = noTests();
  print('\nTests beside the code');
  await runTestFiles(
    root,
    findTestFiles(root, ['{packages,scripts,examples,bench}/**/*.test.ts'], longestBesideTheCode),
    { concurrency: WIDTH, coverage: true },
    totals,
  );
  await debian;
  print('\nTests of the whole');
  // Taking the types out of the same files takes a program most of its start, and hundreds are started. Not where coverage
  // is measured, which would be less exact.
  process.env['NODE_COMPILE_CACHE'] ??= path.join(root, 'node_modules/.cache/compiled-for-tests');
  await runTestFiles(
    root,
    findTestFiles(root, ['tests/**/*.test.ts'], longestOfTheWhole),
    { concurrency: WIDTH_OF_WHOLE, coverage: false },
    totals,
  );
  await fuzzers;
  printTotals(totals);

  const failed = checks.failed + totals.fail + totals.cancelled;
  print(`\n${checks.passed + totals.pass} passed, ${failed} failed`);
  process.exitCode = failed === 0 && totals.skipped === 0 ? 0 : 1;
}

function prepare(): void {
  try {
    installSystemPackages();
  } catch (error) {
    print(error instanceof Error ? error.message : String(error));
    print('\n0 passed, 1 failed');
    process.exit(1);
  }
}

async function check(title: string, program: string, parameters: readonly string[]): Promise<void> {
  const child = spawn(path.join(bin, program), parameters, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const { promise, resolve } = Promise.withResolvers<boolean>();
  child.once('error', error => {
    output += error.message;
    resolve(false);
  });
  child.once('close', code => resolve(code === 0));
  const isPassed = await promise;
  count(isPassed, title, isPassed ? '' : output.trim());
}

function count(passed: boolean, title: string, detail: string): void {
  checks[passed ? 'passed' : 'failed'] += 1;
  const shown = passed ? detail.replace(/\n/g, ', ') : `\n${detail.replace(/^/gm, '    ')}`;
  print(`${passed ? '✔' : '✖'} ${title}${shown === '' ? '' : `  ${shown}`}`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
