/**
 * `npm run lab`: lays one fault after the other into a network of its own, and prints what the doctor said of each.
 * Needs root. `-- --only <text>`, once or more, takes the scenarios with that text in their name; `-- --json` prints one
 * document.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { installSystemPackages } from '../../scripts/system-packages.ts';
import { Lab } from './lab.ts';
import { type LabNetwork, openNetwork, through } from './network.ts';
import { runScenario, type ScenarioResult } from './scenario.ts';
import { scenarios } from './scenarios/all.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    inside: { type: 'string' },
  },
});
const { only } = values;
const chosen = scenarios.filter(({ name }) => only.length === 0 || only.some(text => name.includes(text)));

if (values.inside === undefined) await main();
else await runInside(JSON.parse(values.inside) as LabNetwork);

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) {
    process.stderr.write('The lab makes network namespaces: run it as root.\n');
    process.exitCode = 1;
    return;
  }
  installSystemPackages();
  using network = openNetwork();
  const inside = [...through(network, network.internet), process.execPath, import.meta.filename];
  const parameters = ['--inside', JSON.stringify(network), ...only.flatMap(text => ['--only', text])];
  const child = spawn(inside[0]!, [...inside.slice(1), ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (!values.json) process.stdout.write(text.replace(/^\{.*\n/gm, ''));
  });
  // Ctrl-C reaches both; the one inside puts things in order, and then this one.
  process.on('SIGINT', () => {});
  const [code] = await once(child, 'close');
  const results = output
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as ScenarioResult);
  const failed = results.filter(({ problem }) => problem !== '').length;
  if (values.json) process.stdout.write(`${JSON.stringify(results)}\n`);
  else process.stdout.write(`\n${results.length - failed} of ${chosen.length} scenarios as expected\n`);
  if (code !== 0 || failed > 0 || results.length !== chosen.length) process.exitCode = 1;
}

async function runInside(network: LabNetwork): Promise<void> {
  await using lab = await Lab.open(network);
  let stopped = false;
  process.on('SIGINT', () => {
    stopped = true;
  });
  for (const scenario of chosen) {
    if (stopped) return;
    const result = await runScenario(lab, scenario);
    const mark = result.problem === '' ? '✔' : '✖';
    process.stdout.write(
      `${mark} ${result.name.padEnd(64)} ${result.expected.padEnd(36)} ${(result.doctorMs / 1000).toFixed(1)} s\n`,
    );
    if (result.problem !== '') process.stdout.write(`    ${result.problem}\n`);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
}
