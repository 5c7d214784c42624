import { parseArgs, stripVTControlCharacters } from 'node:util';
import type { LogName } from '../events/log-file.ts';
import { followLog, type LogLine, readLog } from '../events/read-log.ts';
import { type ConnectorCommand, dataDirOf, dataOption, exitCodes, UsageError } from './command.ts';

/** Lines shown where nobody says since when. */
const defaultLines = 50;

export const eventsCommand: ConnectorCommand = {
  name: 'events',
  summary: 'show the logs of the connector',
  options: `\
  --log admin|session      what happened to the connector, or its requests (default: admin)
  --since <time>           from then on: 2026-01-31T12:00Z, or how long ago: 30m, 24h, 7d
                           (default: the last ${defaultLines} lines)
  --follow                 go on as lines are written
  --json                   one JSON document a line, as they stand in the file`,
  run: args => showEvents(args, text => void process.stdout.write(text), Date.now()),
};

/**
 * Shows a log.
 *
 * @param now Milliseconds since the epoch.
 * @param signal Ends `--follow`; without it, the end of the process does.
 */
export async function showEvents(
  args: readonly string[],
  print: (text: string) => void,
  now: number,
  signal: AbortSignal = new AbortController().signal,
): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...dataOption,
      log: { type: 'string', default: 'admin' },
      since: { type: 'string' },
      follow: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const name = readLogName(values.log);
  const since = values.since === undefined ? null : readSince(values.since, now);
  const dataDir = dataDirOf(values.data);
  const show = (line: LogLine) => print(values.json ? `${JSON.stringify(line)}\n` : `${formatLine(line)}\n`);

  const window = new Window(since);
  if (!values.follow) {
    for await (const line of readLog(dataDir, name)) window.add(line);
    for (const line of window.lines) show(line);
    return exitCodes.done;
  }
  let hasCaughtUp = false;
  const catchUp = () => {
    if (hasCaughtUp) return;
    hasCaughtUp = true;
    for (const line of window.lines) show(line);
  };
  for await (const line of followLog(dataDir, name, signal, catchUp)) {
    if (hasCaughtUp) show(line);
    else window.add(line);
  }
  return exitCodes.done;
}

/** The lines since a time, or the last ones. */
class Window {
  readonly lines: LogLine[] = [];
  readonly #since: number | null;

  constructor(since: number | null) {
    this.#since = since;
  }

  add(line: LogLine): void {
    if (this.#since !== null && Date.parse(line.time) < this.#since) return;
    this.lines.push(line);
    if (this.#since === null && this.lines.length > defaultLines) this.lines.shift();
  }
}

function readLogName(text: string): LogName {
  if (text === 'admin' || text === 'session') return text;
  throw new UsageError('--log is admin or session.');
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @returns milliseconds since the epoch. */
function readSince(text: string, now: number): number {
  const ago = /^(\d{1,6})([smhd])$/.exec(text);
  if (ago) return now - Number(ago[1]) * unitMs[ago[2]!]!;
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw new UsageError('--since is a time such as 2026-01-31T12:00Z, or 30m, 24h or 7d.');
  return time;
}

function formatLine(line: LogLine): string {
  return printable('event' in line ? formatEvent(line) : formatRequest(line));
}

function formatEvent({ time, level, id, event, message, leftOut }: LogLine): string {
  const more = leftOut === undefined ? '' : ` (${String(leftOut)} more of these were left out before)`;
  return `${time}  ${String(level).padEnd(5)}  ${String(id).padStart(4)} ${String(event)}  ${String(message)}${more}`;
}

function formatRequest(line: LogLine): string {
  const { time, applicationId, requestId, backend, outcome } = line;
  const numbers = `${String(line['bytesToBackend'])} bytes sent, ${String(line['bytesFromBackend'])} received, ${String(line['durationMs'])} ms`;
  return `${time}  ${String(outcome)}  ${String(backend)}  ${numbers}  application ${String(applicationId)}  request ${String(requestId)}`;
}

// What a backend or the network wrote into a message must not move the terminal's cursor.
function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/\p{Cc}/gu, ' ');
}
