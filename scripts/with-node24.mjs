// Runs a TypeScript program of this repository with the Node that npm delivers, installing first what is missing.
// Plain JavaScript for Node 18 and later, because it is what `npm start` and `npm test` meet on a fresh clone.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const MINIMUM = [24, 15];
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const bin = path.join(root, 'node_modules', '.bin');

const [program, ...programArguments] = process.argv.slice(2);
if (!program) fail('Usage: node scripts/with-node24.mjs <program.ts> [arguments]');

if (!isInstalled()) install();
run(findNode());

// npm writes node_modules/.package-lock.json last. Where it is older than the lock file, which a fresh checkout or a
// branch switch does as well, the two are compared, so that nothing is installed again without need.
function isInstalled() {
  const wanted = path.join(root, 'package-lock.json');
  const installed = path.join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  if (statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return true;
  const present = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.entries(JSON.parse(readFileSync(wanted, 'utf8')).packages).every(
    ([place, entry]) =>
      !place.includes('node_modules/') ||
      (present[place] ? present[place].version === entry.version : entry.optional),
  );
}

function install() {
  process.stderr.write('Installing the packages of package-lock.json …\n');
  // npm run sets npm_execpath to the npm that is running now; there may be no other on PATH.
  const npmProgram = process.env.npm_execpath;
  const [command, before] = npmProgram?.endsWith('.js') ? [process.execPath, [npmProgram]] : ['npm', []];
  const flags = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const result = spawnSync(command, [...before, ...flags], {
    cwd: root,
    encoding: 'utf8',
    // Standard output stays free for the program's own, which may be one JSON line.
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_ENV: '' },
  });
  if (result.error) {
    fail(
      `npm cannot be started (${result.error.code}). Install Node with npm, version 20 or later, and run this again.`,
    );
  }
  if (result.status !== 0) fail(explainInstallFailure(`${result.stdout}\n${result.stderr}`));
}

function explainInstallFailure(output) {
  const tail = output.trim().split('\n').slice(-6).join('\n');
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ECONNRESET|network/.test(output)) {
    return `The npm registry cannot be reached, so the packages cannot be installed. Connect this machine to it, or name a mirror with \`npm config set registry URL\`, and run this again.\n${tail}`;
  }
  if (/EACCES|EROFS|EPERM/.test(output)) {
    return `This folder cannot be written to, so the packages cannot be installed. Clone into a folder of your own and run this again.\n${tail}`;
  }
  if (/ENOSPC/.test(output)) return `The disk is full: the packages need 500 MB.\n${tail}`;
  return `\`npm ci\` failed; its last words:\n${tail}`;
}

function findNode() {
  for (const candidate of [path.join(bin, 'node'), process.execPath]) {
    const version = versionOf(candidate);
    if (version && (version[0] > MINIMUM[0] || (version[0] === MINIMUM[0] && version[1] >= MINIMUM[1])))
      return candidate;
  }
  return fail(
    `Node ${MINIMUM.join('.')} or later is needed and npm delivers it for Linux on x64 and arm64 only; this is ${process.platform} on ${process.arch} with Node ${process.versions.node}. Install Node 24 (https://nodejs.org) and run this again.`,
  );
}

function versionOf(command) {
  if (command === process.execPath) return process.versions.node.split('.').map(Number);
  if (!existsSync(command)) return undefined;
  const result = spawnSync(command, ['--version'], { encoding: 'utf8' });
  if (result.status !== 0) return undefined;
  return result.stdout.trim().slice(1).split('.').map(Number);
}

function run(node) {
  const child = spawn(node, [path.resolve(root, program), ...programArguments], {
    stdio: 'inherit',
    env: {
      ...process.env,
      PATH: `${path.dirname(node)}${path.delimiter}${bin}${path.delimiter}${process.env.PATH ?? ''}`,
    },
  });
  // Signals are passed on, and this process stays until the child has ended: the prompt must not come back in the middle
  // of its last words.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // npm starts us through a shell, and signals that npm passes on end the shell alone. Then we are given to another parent.
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    child.kill('SIGTERM');
  }, 500);
  watch.unref();
  child.on('error', error => fail(`${node} cannot be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal ?? 'SIGTERM'] ?? 15));
  });
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
