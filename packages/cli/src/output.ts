import { styleText } from 'node:util';
import { findCliError } from './cli-error.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  /** May be cut with an ellipsis where the table would be wider than {@link maxWidth}. */
  readonly flexible?: boolean;
}

/** Widest line of a table, in columns. */
const maxWidth = 100;

/** Where a command's words go: one result on standard output, everything else on standard error. */
export class Output {
  readonly #stdout: NodeJS.WriteStream;
  readonly #stderr: NodeJS.WriteStream;
  readonly json: boolean;
  readonly #verbose: boolean;

  constructor(
    streams: { stdout: NodeJS.WriteStream; stderr: NodeJS.WriteStream },
    options: { json: boolean; verbose: boolean },
  ) {
    this.#stdout = streams.stdout;
    this.#stderr = streams.stderr;
    this.json = options.json;
    this.#verbose = options.verbose;
  }

  /** The command's result: the document with `--json`, the text otherwise. */
  result(document: unknown, text: string): void {
    this.#stdout.write(this.json ? `${JSON.stringify(document, null, 2)}\n` : `${text}\n`);
  }

  table<Row>(document: unknown, rows: readonly Row[], columns: readonly Column<Row>[], empty: string): void {
    this.result(document, rows.length === 0 ? empty : formatTable(rows, columns));
  }

  /** A step that was done; silent with `--json`. */
  progress(text: string): void {
    if (!this.json) {
      this.#stderr.write(`${printable(text)}\n`);
    }
  }

  /** Something a person has to read or do before the command can go on; said with `--json` too. */
  notice(text: string): void {
    this.#stderr.write(`${text}\n`);
  }

  failure(error: unknown): void {
    const known = findCliError(error);
    const message = known?.message ?? (error instanceof Error ? error.message : String(error));
    if (this.json) {
      this.#stdout.write(
        `${JSON.stringify({ error: { code: known?.code ?? 'failed', message, remedy: known?.remedy ?? null } }, null, 2)}\n`,
      );
    } else {
      this.#stderr.write(`${this.#paint('red', 'postern:')} ${printable(message)}\n`);
      if (known?.remedy !== undefined) {
        this.#stderr.write(`  ${printable(known.remedy)}\n`);
      }
    }
    if (this.#verbose) {
      this.#stderr.write(`${describeChain(error)}\n`);
    }
  }

  #paint(style: 'red', text: string): string {
    // styleText looks at NO_COLOR, FORCE_COLOR and whether the stream is a terminal.
    return styleText(style, text, { stream: this.#stderr });
  }
}

/** Aligned columns, two spaces apart, at most {@link maxWidth} wide. */
export function formatTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = [
    columns.map(column => column.title),
    ...rows.map(row => columns.map(column => printable(column.value(row)))),
  ];
  const widths = fitWidths(
    columns.map((_, index) => Math.max(...cells.map(line => widthOf(line[index])))),
    columns,
  );
  return cells
    .map(line =>
      line
        .map((cell, index) => fill(cut(cell, widths[index]), widths[index]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `name   value` lines; a null or empty value reads as a dash. */
export function formatProperties(properties: readonly (readonly [string, string | null])[]): string {
  const width = Math.max(...properties.map(([name]) => name.length));
  return properties.map(([name, value]) => `${name.padEnd(width)}  ${printable(value || '–')}`).join('\n');
}

/** Names come from other people: what would move the cursor or colour the terminal becomes a question mark. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
}

function fitWidths<Row>(widths: number[], columns: readonly Column<Row>[]): number[] {
  const fitted = [...widths];
  const total = () => fitted.reduce((sum, width) => sum + width, 0) + 2 * (fitted.length - 1);
  while (total() > maxWidth) {
    const candidates = fitted.map((width, index) => (columns[index].flexible ? width : 0));
    const widest = candidates.indexOf(Math.max(...candidates));
    if (candidates[widest] <= 8) {
      break;
    }
    fitted[widest] -= 1;
  }
  return fitted;
}

function fill(text: string, width: number): string {
  return text + ' '.repeat(width - widthOf(text));
}

function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let left = width - 1;
  for (const letter of lettersOf(text)) {
    left -= columnsOf(letter);
    if (left < 0) break;
    kept += letter;
  }
  return `${kept}…`;
}

/** Columns of a terminal that a text takes. */
function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  return lettersOf(text).reduce((sum, letter) => sum + columnsOf(letter), 0);
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** What a reader takes for one letter, with its accents. */
function lettersOf(text: string): string[] {
  return [...graphemes.segment(text)].map(({ segment }) => segment);
}

/** Letters of East Asia and pictures, which are two columns wide (UAX #11). */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u;

function columnsOf(letter: string): number {
  return wide.test(letter) ? 2 : 1;
}

function describeChain(error: unknown): string {
  const lines: string[] = [];
  for (let current = error; current instanceof Error && lines.length < 10; current = current.cause) {
    lines.push(current.stack ?? current.message);
  }
  return lines.join('\ncaused by: ');
}
