/** “Try it” of the README, as somebody who has just cloned the repository meets it: npm start, a browser, Ctrl-C. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Ready } from '../../examples/quick-start/quick-start.ts';
import { Chromium, seriousViolations } from '../testbed/chromium.ts';
import { freePorts } from '../testbed/testbed.ts';

const root = path.resolve(import.meta.dirname, '../..');
const readme = readFileSync(path.join(root, 'README.md'), 'utf8');

describe('npm start', { timeout: 600_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-npm-start-'));
  const dataDir = path.join(folder, 'data');
  let started: Started;

  before(async () => {
    const ports = (await freePorts(3)).join(',');
    started = await start(['--json', '--data', dataDir, '--ports', ports], /^\{.*\}$/m);
  });
  after(async () => {
    if (started) await pressControlC(started.child);
    rmSync(folder, { recursive: true, force: true });
  });

  test('says in one line of JSON where everything is', () => {
    const ready = readyOf(started);

    assert.deepEqual(Object.keys(ready), [
      ...['portal', 'login', 'application', 'passthroughApplication', 'adminUser', 'adminPassword'],
      ...['caFile', 'serverPids', 'connectorPid', 'dataDir'],
    ]);
    assert.equal(statSync(path.join(dataDir, 'admin-password')).mode & 0o777, 0o600);
    assert.equal(ready.dataDir, dataDir);
    for (const url of [ready.portal, ready.login, ready.application, ready.passthroughApplication])
      assert.match(url, /^https:\/\/\w+\.postern\.localhost:\d+\/$/);
  });

  test('listens on the loopback alone', () => {
    const listening = processesBelow(started.child.pid!).flatMap(listenersOf);

    assert.ok(listening.some(address => address.startsWith('127.0.0.1:')));
    assert.deepEqual(
      listening.filter(address => !/^(127\.0\.0\.1|\[::1\]):\d+$/.test(address)),
      [],
    );
  });

  test('is open to a browser that follows the README', async () => {
    const ready = readyOf(started);
    await using chromium = await Chromium.launch({
      caFile: ready.caFile,
      trust: home => trustAsTheReadmeSays(home, ready.caFile),
    });

    // 2. Open My Apps, and sign in with the name and the password that were printed.
    const page = await chromium.newPage();
    await page.goto(ready.portal);
    await page.getByLabel('Name').fill(ready.adminUser);
    await page.getByLabel('Password').fill(ready.adminPassword ?? '');
    await page.getByRole('button', { name: 'Sign in' }).click();
    // 3. Open Wiki.
    await page.getByRole('link', { name: /Wiki/ }).click();
    await page.getByRole('heading', { name: `Hello ${ready.adminUser}` }).waitFor();
    assert.equal(page.url(), ready.application);
    await page.locator('#events', { hasText: /^\d{4}-/ }).waitFor();
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('echo: hello').waitFor();
    await page.getByLabel('File to upload').setInputFiles({
      name: 'notes.txt',
      mimeType: 'text/plain',
      buffer: Buffer.alloc(1_000_000, 'a'),
    });
    await page.getByText('1000000 bytes arrived').waitFor();
    assert.deepEqual(await seriousViolations(page), []);
    // 4. Open Status, which asks nobody to sign in.
    await chromium.context.clearCookies();
    await page.goto(ready.passthroughApplication);
    await page.getByRole('heading', { name: 'Hello, whoever you are' }).waitFor();

    assert.deepEqual(chromium.takeErrors(), []);
  });

  test('ends every process on Ctrl-C, and says all of it for people on the next start', async () => {
    const ready = readyOf(started);
    const processes = processesBelow(started.child.pid!);
    assert.ok(
      ready.serverPids.every(pid => processes.includes(pid)) && processes.includes(ready.connectorPid),
    );

    await pressControlC(started.child);

    assert.deepEqual(processes.filter(isRunning), []);
    assert.deepEqual(readyOf(started), ready);

    started = await start(['--data', dataDir], /Ctrl-C ends everything\./);
    const output = started.output();
    for (const said of [ready.portal, ready.application, ready.adminUser, ready.adminPassword, ready.caFile])
      assert.ok(output.includes(said ?? ''), output);
    const again = processesBelow(started.child.pid!);
    await pressControlC(started.child);
    assert.deepEqual(again.filter(isRunning), []);
  });
});

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
}

/** Runs `npm start` in a process group of its own, as a shell does, until it has said something. */
async function start(parameters: readonly string[], said: RegExp): Promise<Started> {
  const child = spawn('npm', ['start', '--', ...parameters], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaint += chunk;
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      if (said.test(output)) resolve();
    });
    child.once('close', () => reject(new Error(`npm start ended: ${output}${complaint}`)));
  });
  return { child, output: () => output };
}

/** The one line that there is beside npm's own, which begin with `>`. */
function readyOf({ output }: Started): Ready {
  return JSON.parse(output().replace(/^(>.*)?\n/gm, ''));
}

async function pressControlC(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  process.kill(-child.pid!, 'SIGINT');
  await closed;
}

/** The command for Chromium on Linux, with the CA file of this set-up. */
function trustAsTheReadmeSays(home: string, caFile: string): void {
  const [, command = ''] = /`([^`]*certutil -d [^`]*)`/.exec(readme) ?? [];
  assert.ok(command.includes('.postern/certificates/local-ca.pem'), command);
  execFileSync('sh', ['-ec', command.replace('.postern/certificates/local-ca.pem', caFile)], {
    env: { ...process.env, HOME: home },
  });
}

/** A process and all that it has started, whatever process groups they are in. */
function processesBelow(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter(entry => /^\d+$/.test(entry))) {
    try {
      // The name of the program stands in parentheses and may hold anything; what follows it does not.
      const [, parent] = /\) \S (\d+) [^)]*$/.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
      parents.set(Number(name), Number(parent));
    } catch {
      // It ended in between.
    }
  }
  const found = [pid];
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.push(child);
  return found;
}

/** Addresses that a process listens on with TCP, such as `127.0.0.1:8443`. */
function listenersOf(pid: number): string[] {
  const lines = execFileSync('ss', ['-H', '-l', '-t', '-n', '-p'], { encoding: 'utf8' }).split('\n');
  return lines.filter(line => line.includes(`pid=${pid},`)).map(line => line.split(/\s+/)[3] ?? '');
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
