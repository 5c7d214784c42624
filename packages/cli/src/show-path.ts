import { styleText } from 'node:util';
import type { ApplicationTest } from '@postern/protocol/admin/application-test';
import { type TestHopName, testHopTitles } from '@postern/protocol/admin/test-hops';
import type { OutsideHop } from './path-outside.ts';

/** What a test of a whole path found. */
export interface PathTestResult {
  readonly application: string;
  readonly url: string;
  readonly outcome: 'passed' | 'failed';
  /** From this machine to the service. */
  readonly outside: readonly OutsideHop[];
  /** Through the service to the application. */
  readonly inside: ApplicationTest;
}

interface Line {
  readonly hop: OutsideHop['hop'] | TestHopName;
  readonly state: OutsideHop['state'];
  readonly startMs: number | null;
  readonly durationMs: number | null;
  readonly detail: string;
  readonly remedy: string | null;
}

const titles: Readonly<Record<Line['hop'], string>> = {
  dns: 'DNS',
  connect: 'TCP connect',
  tls: 'TLS',
  service: 'Service',
  ...testHopTitles,
};

const marks = {
  passed: ['✔', 'green'],
  warning: ['⚠', 'yellow'],
  failed: ['✖', 'red'],
  notRun: ['–', 'dim'],
} as const;

const titleWidth = 11;
const timeWidth = 9;
const gap = 2;
/** Lines wider than this are hard to follow, whatever the terminal has. */
const maxWidth = 100;
const minWidth = 60;

/**
 * The waterfall of a test: a line for each station with its mark, what was seen, how long it took, and when, as a bar.
 *
 * @param columns Of the terminal; as wide as a page where there is none.
 * @param isColoured Marks and bars get colour.
 */
export function formatPath(result: PathTestResult, columns: number | undefined, isColoured: boolean): string {
  const width = Math.min(maxWidth, Math.max(minWidth, columns ?? maxWidth));
  const paint = isColoured ? styleText : (_style: unknown, text: string) => text;
  const sections = [
    ['From this machine to the service', result.outside],
    [`Through the service, as request ${result.inside.requestId}`, result.inside.hops],
  ] as const;
  const lines = [`${printable(result.application)}  ${printable(result.url)}`];
  for (const [title, hops] of sections) {
    lines.push('', printable(title), ...formatHops(hops, width, paint));
  }
  lines.push('', ...wrap(summary(result), width));
  if (result.outcome === 'failed') return lines.join('\n');
  const timings = new URL('/.postern/timing?on', result.url).href;
  lines.push(...wrap(`In a browser: ${timings} shows these times in its network tab.`, width));
  return lines.join('\n');
}

type Paint = (style: 'green' | 'yellow' | 'red' | 'dim' | 'cyan', text: string) => string;

function formatHops(hops: readonly Line[], width: number, paint: Paint): string[] {
  const totalMs = Math.max(0, ...hops.map(({ startMs, durationMs }) => (startMs ?? 0) + (durationMs ?? 0)));
  const room = width - (2 + titleWidth + gap + gap + timeWidth + gap);
  const barWidth = Math.floor(room * 0.38);
  const detailWidth = room - barWidth;
  return hops.flatMap(hop => {
    const [mark, colour] = marks[hop.state];
    const [first = '', ...more] = wrap(printable(hop.detail), detailWidth);
    const time = hop.durationMs === null ? '' : `${hop.durationMs.toFixed(1)} ms`;
    const bar = paint(hop.state === 'failed' ? 'red' : 'cyan', drawBar(hop, totalMs, barWidth));
    const line = `${paint(colour, mark)} ${titles[hop.hop].padEnd(titleWidth)}${' '.repeat(gap)}${first.padEnd(detailWidth)}${' '.repeat(gap)}${time.padStart(timeWidth)}${' '.repeat(gap)}${bar}`;
    const indent = ' '.repeat(2 + titleWidth + gap);
    return [
      line.trimEnd(),
      ...more.map(text => `${indent}${text}`),
      ...(hop.remedy === null ? [] : remedyLines(hop.remedy, indent, width)),
    ];
  });
}

function remedyLines(remedy: string, indent: string, width: number): string[] {
  const label = 'Do this: ';
  return wrap(`${label}${printable(remedy)}`, width - indent.length).map(text => `${indent}${text}`);
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** When a station was come to and how long it took, on a scale of the whole. */
function drawBar({ startMs, durationMs }: Line, totalMs: number, width: number): string {
  if (startMs === null || durationMs === null || totalMs === 0) return '';
  const from = Math.min(width - 1, Math.floor((startMs / totalMs) * width));
  const length = Math.max(1, Math.round((durationMs / totalMs) * width * 8));
  const most = (width - from) * 8;
  const drawn = Math.min(length, most);
  return `${' '.repeat(from)}${'█'.repeat(Math.floor(drawn / 8))}${eighths[drawn % 8]}`;
}

function summary({ outside, inside, outcome }: PathTestResult): string {
  const failed = [...outside, ...inside.hops].filter(({ state }) => state === 'failed');
  if (outcome === 'failed') {
    const names = failed.map(({ hop }) => titles[hop]).join(', ');
    return `It does not work: ${names}.`;
  }
  const longest = inside.hops.reduce((a, b) => ((b.durationMs ?? 0) > (a.durationMs ?? 0) ? b : a));
  const status = inside.status === null ? '' : `answers ${inside.status} `;
  const where =
    inside.redirectsTo === null ? '' : ' The redirect was not followed; test where it leads with --path.';
  return `It works: ${status}in ${inside.totalMs.toFixed(1)} ms, most of it in “${titles[longest.hop]}”, which took ${(longest.durationMs ?? 0).toFixed(1)} ms.${where}`;
}

/** Cuts a text into lines at its spaces, and a word that is too long where it must. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const joined = line === '' ? word : `${line} ${word}`;
    if (joined.length <= width) {
      line = joined;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    while (line.length > width) {
      lines.push(line.slice(0, width));
      line = line.slice(width);
    }
  }
  return [...lines, line];
}

/** Backends choose some of these texts: what would move the cursor or colour the terminal becomes a question mark. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
}
