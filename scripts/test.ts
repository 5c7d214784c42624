/**
 * `npm test`: everything that must hold, in the order in which it is cheapest to learn that it does not. Each check and
 * each test counts as one; the last line is `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { findFuzzers, runFuzzers } from './fuzz.ts';
import { installSystemPackages } from './system-packages.ts';
import { noTests, printTotals, runTestFiles } from './test-files.ts';

const root = path.resolve(import.meta.dirname, '..');
const bin = path.join(root, 'node_modules', '.bin');
const FUZZ_SECONDS = 60;
const WIDTH = 2;

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
  prepare();
  for (const [title, program, ...parameters] of commands) check(title, program, parameters);

  print(`\nFuzzers, ${FUZZ_SECONDS} s each`);
  await runFuzzers(await findFuzzers(), { seconds: FUZZ_SECONDS }, WIDTH, result => {
    count(result.passed, result.file, result.output);
  });

  const totals = noTests();
  print('\nTests beside the code');
  await runTestFiles(
    root,
    ['{packages,scripts,examples,bench}/**/*.test.ts'],
    { concurrency: WIDTH, coverage: true },
    totals,
  );
  print('\nTests of the whole');
  await runTestFiles(root, ['tests/**/*.test.ts'], { concurrency: WIDTH, coverage: false }, totals);
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

function check(title: string, program: string, parameters: readonly string[]): void {
  const result = spawnSync(path.join(bin, program), parameters, { cwd: root, encoding: 'utf8' });
  const output = result.error ? result.error.message : `${result.stdout}${result.stderr}`.trim();
  count(result.status === 0, title, result.status === 0 ? '' : output);
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
