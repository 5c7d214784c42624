import { globSync } from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';

/** Sums over one or more runs of the test runner. */
export interface TestTotals {
  tests: number;
  suites: number;
  pass: number;
  fail: number;
  cancelled: number;
  skipped: number;
  todo: number;
  durationMs: number;
  readonly slowest: { readonly name: string; readonly file: string; readonly durationMs: number }[];
}

/** Totals of nothing yet. */
export function noTests(): TestTotals {
  return {
    tests: 0,
    suites: 0,
    pass: 0,
    fail: 0,
    cancelled: 0,
    skipped: 0,
    todo: 0,
    durationMs: 0,
    slowest: [],
  };
}

/**
 * The files of some patterns, as paths from `root`: first those that take longest, so that none of them is left over when
 * everything else has ended.
 *
 * @param longest Their paths, the longest first.
 * @throws Error naming one of them that is not there any more.
 */
export function findTestFiles(
  root: string,
  patterns: readonly string[],
  longest: readonly string[],
): string[] {
  const found = new Set(
    globSync(patterns, { cwd: root, exclude: name => path.basename(name) === 'node_modules' }).sort(),
  );
  const gone = longest.find(file => !found.has(file));
  if (gone !== undefined) throw new Error(`${gone} is said to take long, and is no test`);
  return [...new Set([...longest, ...found])];
}

/**
 * Runs test files in processes of their own and in this order, prints a line for each file and every failure whole, and adds
 * to `totals`.
 *
 * @param root Folder that the paths start from.
 */
export async function runTestFiles(
  root: string,
  files: readonly string[],
  options: { readonly concurrency: number; readonly coverage: boolean },
  totals: TestTotals,
): Promise<void> {
  const outputs = new Map<string, string>();
  const failures: string[] = [];
  const stream = run({
    cwd: root,
    files: files.map(file => path.join(root, file)),
    concurrency: options.concurrency,
    timeout: 20 * 60_000,
    coverage: options.coverage,
    coverageExcludeGlobs: [
      '**/*.test.ts',
      '**/*.fuzz.ts',
      'tests/**',
      'scripts/**',
      'bench/**',
      'node_modules/**',
    ],
  });
  for await (const event of stream) {
    switch (event.type) {
      case 'test:pass':
        if (event.data.details.type !== 'suite') noteSlow(totals, event.data);
        break;
      case 'test:fail':
        if (event.data.details.type !== 'suite') noteSlow(totals, event.data);
        if (!isEchoOfChild(event.data.details.error))
          failures.push(describeFailure(event.data, root, outputs));
        break;
      case 'test:stdout':
      case 'test:stderr':
        outputs.set(
          event.data.file ?? '',
          `${outputs.get(event.data.file ?? '') ?? ''}${event.data.message}`.slice(-20_000),
        );
        break;
      case 'test:summary':
        if (event.data.file === undefined) addTotals(totals, event.data.counts, event.data.duration_ms);
        else printFile(relative(event.data.file, root), event.data, outputs.get(event.data.file) ?? '');
        break;
      case 'test:coverage':
        printCoverage(event.data.summary, root);
        break;
    }
  }
  for (const failure of failures) print(failure);
}

/** The closing lines of Node's test runner, for all runs together, with the slowest tests above them. */
export function printTotals(totals: TestTotals): void {
  print('\nSlowest tests');
  for (const { name, file, durationMs } of totals.slowest) {
    print(`  ${(durationMs / 1000).toFixed(1).padStart(6)} s  ${name} (${file})`);
  }
  print('');
  for (const key of ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo'] as const)
    print(`ℹ ${key} ${totals[key]}`);
  print(`ℹ duration_ms ${Math.round(totals.durationMs)}`);
}

interface Ended {
  readonly name: string;
  readonly file?: string;
  readonly details: { readonly duration_ms: number };
}

function noteSlow(totals: TestTotals, ended: Ended): void {
  const file = relative(ended.file ?? '', process.cwd());
  totals.slowest.push({ name: ended.name, file, durationMs: ended.details.duration_ms });
  totals.slowest.sort((left, right) => right.durationMs - left.durationMs).splice(10);
}

// A suite fails when a test inside it fails; that test has been told of already.
function isEchoOfChild(error: Error & { readonly failureType?: unknown }): boolean {
  return error.failureType === 'subtestsFailed';
}

interface Failed {
  readonly name: string;
  readonly file?: string;
  readonly line?: number;
  readonly details: { readonly error: Error };
}

function describeFailure(failed: Failed, root: string, outputs: ReadonlyMap<string, string>): string {
  const error = failed.details.error.cause ?? failed.details.error;
  const file = failed.file ?? '';
  // A file that ends before its tests do leaves no error object, only what it wrote.
  const text = error instanceof Error ? inspect(error, { depth: 4 }) : `${error}\n${outputs.get(file) ?? ''}`;
  return `\n✖ ${failed.name}\n  ${relative(file, root)}:${failed.line ?? 1}\n${text.trimEnd().replace(/^/gm, '    ')}`;
}

interface Counts {
  readonly tests: number;
  readonly suites: number;
  readonly passed: number;
  readonly failed?: number;
  readonly cancelled: number;
  readonly skipped: number;
  readonly todo: number;
}

function addTotals(totals: TestTotals, counts: Counts, durationMs: number): void {
  totals.tests += counts.tests;
  totals.suites += counts.suites;
  totals.pass += counts.passed;
  totals.fail +=
    counts.failed ?? counts.tests - counts.passed - counts.cancelled - counts.skipped - counts.todo;
  totals.cancelled += counts.cancelled;
  totals.skipped += counts.skipped;
  totals.todo += counts.todo;
  totals.durationMs += durationMs;
}

function printFile(
  file: string,
  summary: { readonly success: boolean; readonly counts: Counts; readonly duration_ms: number },
  output: string,
): void {
  const seconds = (summary.duration_ms / 1000).toFixed(1);
  print(`${summary.success ? '✔' : '✖'} ${file}  ${summary.counts.tests} tests, ${seconds} s`);
  if (!summary.success && output !== '') print(output.trimEnd().replace(/^/gm, '    | '));
}

interface CoverageSummary {
  readonly files: readonly {
    readonly path: string;
    readonly totalLineCount: number;
    readonly coveredLineCount: number;
  }[];
  readonly totals: { readonly coveredLinePercent: number; readonly coveredBranchPercent: number };
}

function printCoverage(summary: CoverageSummary, root: string): void {
  const folders = new Map<string, { covered: number; total: number }>();
  for (const file of summary.files) {
    const folder = relative(file.path, root).split('/').slice(0, 4).slice(0, -1).join('/');
    const sum = folders.get(folder) ?? { covered: 0, total: 0 };
    folders.set(folder, {
      covered: sum.covered + file.coveredLineCount,
      total: sum.total + file.totalLineCount,
    });
  }
  print('\nLines covered by the tests beside the code');
  for (const [folder, { covered, total }] of [...folders].sort()) {
    print(`  ${((100 * covered) / Math.max(total, 1)).toFixed(1).padStart(5)} %  ${folder}`);
  }
  const { coveredLinePercent, coveredBranchPercent } = summary.totals;
  print(
    `  ${coveredLinePercent.toFixed(1).padStart(5)} %  all (branches: ${coveredBranchPercent.toFixed(1)} %)`,
  );
}

function relative(file: string, root: string): string {
  return file.startsWith(`${root}/`) ? file.slice(root.length + 1) : file;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
