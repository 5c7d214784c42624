import type { CheckResult, ReportOf, ResultOf } from '../doctor.ts';

const words: Readonly<Record<CheckResult['status'], string>> = {
  passed: 'passed ',
  warning: 'WARNING',
  failed: 'FAILED ',
  not_run: 'not run',
};

/** A check in one line, printed when it has ended. */
export function formatLine({ id, title, status, cause, durationMs }: ResultOf<string>): string {
  const time = `${durationMs} ms`.padStart(8);
  const why = status === 'not_run' ? ` – ${cause}` : '';
  return `${words[status]} ${time}  ${id.padEnd(29)} ${title}${why}\n`;
}

/** What was found, after the last check: whether a restart could help, what failed and why, and what to do. */
export function formatFindings({
  results,
  restart,
  exitCode,
  service,
  logFiles = [],
}: ReportOf<string>): string {
  const failures = results.filter(one => one.status === 'failed');
  const warnings = results.filter(one => one.status === 'warning');
  const counts = `${results.length} checks: ${count(results, 'passed')} passed, ${failures.length} failed, ${warnings.length} warnings, ${count(results, 'not_run')} not run`;
  const about = service === '' ? '' : ` of ${service}`;
  const group = failures[0]?.group;
  const verdict =
    group === undefined
      ? 'Nothing failed.'
      : `The first group in which something failed is "${group}" (exit code ${exitCode}): mend it first, since the groups after it need it.`;
  const isNamed = failures.length > 0 && restart !== null;
  return [
    '',
    `${counts}${about}.`,
    verdict,
    ...(isNamed ? [restart.reason] : []),
    ...[...failures, ...warnings].flatMap(formatDetails),
    ...(failures.length > 0 && logFiles.length > 0
      ? ['', 'What happened before is in these files:', ...logFiles.map(file => `  ${file}`)]
      : []),
    '',
  ].join('\n');
}

function formatDetails({
  id,
  status,
  title,
  tried,
  seen,
  cause,
  remedy,
  command,
}: ResultOf<string>): string[] {
  return [
    '',
    `${words[status].trim()} ${id}: ${title}`,
    `  tried    ${tried}`,
    `  seen     ${seen}`,
    `  cause    ${cause}`,
    `  do this  ${remedy}`,
    ...(command === '' ? [] : [`  by hand  ${command}`]),
  ];
}

function count(results: readonly ResultOf<string>[], status: CheckResult['status']): number {
  return results.filter(one => one.status === status).length;
}
