import { events } from './catalogue.ts';

const begin = '<!-- Events: made from packages/connector/src/events/catalogue.ts -->';
const end = '<!-- End of the events -->';

/** The table of all events for docs/troubleshooting.md, in the order of their numbers. */
function eventTable(): string {
  const rows = Object.entries(events)
    .toSorted(([, one], [, other]) => one.id - other.id)
    .map(
      ([name, { id, level, meaning, remedy }]) =>
        `| ${id} | \`${name}\` | ${level} | ${cell(meaning)} | ${cell(remedy)} |`,
    );
  return ['| id | event | level | meaning | remedy |', '| --- | --- | --- | --- | --- |', ...rows].join('\n');
}

/**
 * A document with its table of events brought up to date.
 *
 * @throws RangeError where it has no place for the table.
 */
export function withEventTable(document: string): string {
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new RangeError(`the document lacks ${begin} or ${end}`);
  return `${document.slice(0, from + begin.length)}\n\n${eventTable()}\n\n${document.slice(to)}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
