import type { Check } from './check.ts';

/** A table of checks in a document. */
export interface CheckTable {
  readonly group: string;
  /** File that the checks are described in. */
  readonly source: string;
  readonly checks: readonly Pick<Check<never>, 'id' | 'title' | 'otherwise' | 'needs'>[];
}

/**
 * A document with its tables of checks brought up to date, each between two comments that name group and source.
 *
 * @throws RangeError where it has no place for one of them.
 */
export function withCheckTables(document: string, tables: readonly CheckTable[]): string {
  let result = document;
  for (const table of tables) {
    const begin = `<!-- Checks of ${table.group}: made from ${table.source} -->`;
    const end = `<!-- End of the checks of ${table.group} -->`;
    const from = result.indexOf(begin);
    const to = result.indexOf(end, from);
    if (from < 0 || to < 0) throw new RangeError(`the document lacks ${begin} or ${end}`);
    result = `${result.slice(0, from)}${begin}\n\n${formatTable(table)}\n\n${result.slice(to)}`;
  }
  return result;
}

function formatTable({ checks }: CheckTable): string {
  const rows = checks.map(
    ({ id, title, otherwise, needs = [] }) =>
      `| \`${id}\` | ${cell(title)} | ${cell(otherwise)} | ${needs.map(need => `\`${need}\``).join(', ')} |`,
  );
  return [
    '| check | what holds when it passes | otherwise | needs |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
