/**
 * `npm run bench`: every measurement, one after the other, each beside its baselines. Prints the table and writes
 * bench/results/latest.json. Takes about a quarter of an hour; `-- --rounds 1 --seconds 2` gives a first look.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import { installSystemPackages } from '../scripts/system-packages.ts';
import { measureBulk } from './bulk.ts';
import { type Measurement, readOptions } from './command-line.ts';
import { measureLongLink } from './long-link.ts';
import { measureMemory } from './memory.ts';
import { measurePublishedApplications } from './published-applications.ts';
import { measureReconnectStorm } from './reconnect-storm.ts';
import { measureRegistration } from './registration.ts';
import { type Figure, formatTable } from './report.ts';
import { measureSettings } from './settings.ts';
import { measureSmallRequests } from './small-requests.ts';
import { measureTranslation } from './translation.ts';
import { measureWebSocket } from './websocket.ts';

const measurements: Readonly<Record<string, Measurement>> = {
  'small requests': measureSmallRequests,
  settings: measureSettings,
  bulk: measureBulk,
  'long link': measureLongLink,
  translation: measureTranslation,
  WebSocket: measureWebSocket,
  memory: measureMemory,
  registration: measureRegistration,
  'published applications': measurePublishedApplications,
  'reconnect storm': measureReconnectStorm,
};

const options = readOptions();
installSystemPackages();
const figures: Figure[] = [];
const failures: string[] = [];
for (const [name, measure] of Object.entries(measurements)) {
  options.say(`— ${name}`);
  try {
    figures.push(...(await measure(options)));
  } catch (error) {
    // The others still say something.
    failures.push(name);
    options.say(`${name} failed: ${error instanceof Error ? error.stack : String(error)}`);
  }
}
process.stdout.write(`${formatTable(figures)}\n`);

const machine = {
  processor: cpus()[0]?.model,
  cores: cpus().length,
  memoryBytes: totalmem(),
  architecture: arch(),
  kernel: release(),
  node: process.version,
};
const folder = path.join(import.meta.dirname, 'results');
mkdirSync(folder, { recursive: true });
const { rounds, seconds } = options;
const result = { at: new Date().toISOString(), machine, rounds, seconds, failures, figures };
writeFileSync(path.join(folder, 'latest.json'), `${JSON.stringify(result, null, 2)}\n`);
if (failures.length > 0) {
  process.stderr.write(`Could not be measured: ${failures.join(', ')}.\n`);
  process.exitCode = 1;
}
