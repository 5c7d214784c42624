/** One line of the table. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Median of all runs. */
  readonly ours: number;
  readonly runs: readonly number[];
  /** What it is compared with, measured in the same run. */
  readonly baseline?: { readonly name: string; readonly value: number; readonly runs: readonly number[] };
  /** Ours over the baseline. */
  readonly ratio?: number;
  /** What is to be reached: by the ratio if there is a baseline, else by our own figure. */
  readonly target?: Target;
  readonly isMet?: boolean;
  /** What the figure cannot say. */
  readonly note?: string;
}

export interface Target {
  readonly comparison: '≤' | '≥';
  readonly value: number;
}

export interface FigureInput {
  readonly name: string;
  readonly unit: string;
  readonly runs: readonly number[];
  readonly baseline?: { readonly name: string; readonly runs: readonly number[] };
  readonly target?: Target;
  readonly note?: string;
}

/** A figure from the runs: their medians, and whether the target is met. */
export function figure(input: FigureInput): Figure {
  const ours = median(input.runs);
  const baseline =
    input.baseline === undefined ? undefined : { ...input.baseline, value: median(input.baseline.runs) };
  const ratio = baseline === undefined ? undefined : ours / baseline.value;
  const isMet = input.target === undefined ? undefined : meets(ratio ?? ours, input.target);
  return { ...input, ours, baseline, ratio, isMet };
}

/** The table as text. */
export function formatTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, unit, ours, baseline, ratio, target, isMet, note }) => [
    name,
    `${format(ours)} ${unit}`,
    baseline === undefined ? '' : `${format(baseline.value)} ${unit} (${baseline.name})`,
    ratio === undefined ? '' : `${ratio.toFixed(2)} ×`,
    target === undefined
      ? ''
      : `${target.comparison} ${target.value}${ratio === undefined ? ` ${unit}` : ' ×'}`,
    isMet === undefined ? '' : isMet ? '✔' : '✘',
    note ?? '',
  ]);
  const all = [['figure', 'Postern', 'beside', 'ratio', 'target', '', ''], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map(row => row[column]!.length)));
  return all
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Half of the values lie below it. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that `share` (0 … 1) of the values lie below, between two values where it falls there. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('a quantile of nothing');
  const sorted = values.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)]!;
  const above = sorted[Math.ceil(place)]!;
  return below + (above - below) * (place - Math.floor(place));
}

function meets(value: number, { comparison, value: bound }: Target): boolean {
  return comparison === '≤' ? value <= bound : value >= bound;
}

function format(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
