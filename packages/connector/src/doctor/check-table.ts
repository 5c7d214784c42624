import { type CheckGroup, checkGroups } from '@postern/protocol/doctor';
import { checksByGroup } from './doctor.ts';

const begin = (group: CheckGroup) =>
  `<!-- Checks of ${group}: made from packages/connector/src/doctor/${group}.ts -->`;
const end = (group: CheckGroup) => `<!-- End of the checks of ${group} -->`;

/** The checks of a group as a table for docs/troubleshooting.md, in the order in which they are gone through. */
function checkTable(group: CheckGroup): string {
  const rows = checksByGroup[group].map(
    ({ id, title, otherwise, needs = [] }) =>
      `| \`${id}\` | ${cell(title)} | ${cell(otherwise)} | ${needs.map(need => `\`${need}\``).join(', ')} |`,
  );
  return [
    '| check | what holds when it passes | otherwise | needs |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

/**
 * A document with its tables of checks brought up to date.
 *
 * @throws RangeError where it has no place for one of them.
 */
export function withCheckTables(document: string): string {
  let result = document;
  for (const group of checkGroups) {
    const from = result.indexOf(begin(group));
    const to = result.indexOf(end(group));
    if (from < 0 || to < from) throw new RangeError(`the document lacks ${begin(group)} or ${end(group)}`);
    result = `${result.slice(0, from)}${begin(group)}\n\n${checkTable(group)}\n\n${result.slice(to)}`;
  }
  return result;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
