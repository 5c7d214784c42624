/** `npm run lab`: see `usage`. Several labs lie side by side, and the scenarios are dealt out: they wait most of the time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { installSystemPackages } from '../../scripts/system-packages.ts';
import { Lab } from './lab.ts';
import { type LabNetwork, openNetwork, through } from './network.ts';
import { runScenario, type ScenarioResult } from './scenario.ts';
import { scenarios } from './scenarios/all.ts';

const usage = `Usage: npm run lab -- [options]

Lays one fault after the other into a network of its own, and prints what the doctor said of each. Needs root.

  --only <text>  the scenarios with this text in their name; may be given more than once
  --labs <n>     so many labs side by side, 1 to 8 (default 2)
  --json         one document in place of a line for each
  --help         this text

Exit code 0: each scenario went as expected; 1: not; 2: wrong usage.
`;

const values = readArguments();
const { only } = values;
const labs = Number(values.labs);
const chosen = scenarios.filter(({ name }) => only.length === 0 || only.some(text => name.includes(text)));
if (values.help) {
  process.stdout.write(usage);
  process.exit();
}
if (!Number.isInteger(labs) || labs < 1 || labs > 8) refuse('--labs is a number from 1 to 8.');
if (chosen.length === 0) {
  refuse(
    `No scenario has that text in its name. There are:\n${scenarios.map(one => `  ${one.name}\n`).join('')}`,
  );
}

if (values.inside === undefined) await main();
else await runInside(JSON.parse(values.inside) as Part);

function readArguments() {
  try {
    return parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        json: { type: 'boolean', default: false },
        labs: { type: 'string', default: '2' },
        help: { type: 'boolean', default: false },
        inside: { type: 'string' },
      },
    }).values;
  } catch (error) {
    return refuse(`${(error as Error).message}\n\n${usage}`);
  }
}

function refuse(said: string): never {
  process.stderr.write(`${said.trimEnd()}\n`);
  process.exit(2);
}

/** Of several labs side by side, one. */
interface Part {
  readonly network: LabNetwork;
  readonly index: number;
}

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) {
    process.stderr.write('The lab makes network namespaces: run it as root.\n');
    process.exitCode = 1;
    return;
  }
  installSystemPackages();
  using undo = new DisposableStack();
  // Ctrl-C reaches all; those inside put things in order, and then this one.
  process.on('SIGINT', () => {});
  const parts = Array.from({ length: Math.min(labs, chosen.length) }, (_, index) => ({
    network: undo.use(openNetwork(index)),
    index,
  }));
  const ended = await Promise.all(parts.map(part => startInside(part)));
  const results = ended.flatMap(({ results }) => results).sort((one, other) => placeOf(one) - placeOf(other));
  const code = ended.every(one => one.code === 0) ? 0 : 1;
  const failed = results.filter(({ problem }) => problem !== '').length;
  if (values.json) process.stdout.write(`${JSON.stringify(results)}\n`);
  else process.stdout.write(`\n${results.length - failed} of ${chosen.length} scenarios as expected\n`);
  if (code !== 0 || failed > 0 || results.length !== chosen.length) process.exitCode = 1;
}

function placeOf({ name }: ScenarioResult): number {
  return scenarios.findIndex(one => one.name === name);
}

async function startInside(part: Part): Promise<{ code: number | null; results: ScenarioResult[] }> {
  const { network } = part;
  const inside = [...through(network, network.internet), process.execPath, import.meta.filename];
  const parameters = ['--inside', JSON.stringify(part), '--labs', String(labs)];
  const child = spawn(
    inside[0]!,
    [...inside.slice(1), ...parameters, ...only.flatMap(text => ['--only', text])],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  // It lays no further fault, and puts things in order.
  process.once('SIGTERM', () => child.kill('SIGINT'));
  const results: ScenarioResult[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', line => {
    if (line.startsWith('{')) results.push(JSON.parse(line) as ScenarioResult);
    else if (!values.json) process.stdout.write(`${line}\n`);
  });
  const [[code]] = await Promise.all([once(child, 'close'), once(lines, 'close')]);
  return { code, results };
}

async function runInside({ network, index }: Part): Promise<void> {
  await using lab = await Lab.open(network);
  let stopped = false;
  process.on('SIGINT', () => {
    stopped = true;
  });
  for (const scenario of chosen.filter((_, place) => place % labs === index)) {
    if (stopped) return;
    const result = await runScenario(lab, scenario);
    const mark = result.problem === '' ? '✔' : '✖';
    process.stdout.write(
      `${mark} ${result.name.padEnd(64)} ${result.expected.padEnd(36)} ${(result.doctorMs / 1000).toFixed(1)} s\n`,
    );
    // What a connector has logged may be a part of it: a line at the margin would be taken for a result.
    if (result.problem !== '') process.stdout.write(`    ${result.problem.replaceAll('\n', '\n    ')}\n`);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
}
