import { parseArgs } from 'node:util';
import { type Figure, formatTable } from './report.ts';

export interface RunOptions {
  /** Every figure is the median of so many rounds; in each, ours and the baselines take turns. */
  readonly rounds: number;
  /** How long a load takes. */
  readonly seconds: number;
  /** Says how far it is. */
  readonly say: (text: string) => void;
}

export type Measurement = (options: RunOptions) => Promise<Figure[]>;

/** What the command line asks for: `--rounds` (default 5), `--seconds` (default 4). */
export function readOptions(): RunOptions {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '4' } },
  });
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  if (!(Number.isInteger(rounds) && rounds > 0 && Number.isInteger(seconds) && seconds > 0)) {
    throw new RangeError('--rounds and --seconds are whole numbers above 0');
  }
  return { rounds, seconds, say: text => void process.stderr.write(`${text}\n`) };
}

/** Runs one measurement by itself. */
export async function measureAndPrint(measurement: Measurement): Promise<void> {
  const figures = await measurement(readOptions());
  process.stdout.write(`${formatTable(figures)}\n`);
}
