import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import type { Ready } from './quick-start.ts';
import { fetchWithAuthority } from './service-request.ts';

const program = path.join(import.meta.dirname, 'start.ts');

describe('npm start', { timeout: 600_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-quick-start-'));
  const dataDir = path.join(folder, 'data');
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('sets everything up, says so in one line, and ends cleanly; a second start reuses it', async t => {
    const ports = (await freePorts(3)).join(',');
    const first = await start(t, ['--data', dataDir, '--ports', ports]);
    const { ready } = first;

    assert.equal(readFileSync(path.join(dataDir, 'admin-password'), 'utf8').trim(), ready.adminPassword);
    assert.equal(statSync(path.join(dataDir, 'admin-password')).mode & 0o777, 0o600);
    assert.equal(ready.serverPids.length, 2);
    const headers = JSON.parse((await get(ready, `${ready.passthroughApplication}headers`)).body);
    assert.equal(headers['x-forwarded-proto'], 'https');
    assert.equal(headers['x-forwarded-user'], undefined);
    // Not signed in, and no navigation: a challenge, and the backend is not asked.
    assert.equal((await get(ready, `${ready.application}headers`)).status, 401);
    await end(first);

    const second = await start(t, ['--data', dataDir]);
    assert.equal(second.ready.adminPassword, ready.adminPassword);
    assert.equal(second.ready.application, ready.application);
    assert.equal((await get(second.ready, `${ready.passthroughApplication}headers`)).status, 200);
    await end(second);
  });

  test('a taken port is one sentence with the remedy, and nothing keeps running', async () => {
    const [taken, ...others] = await freePorts(3);
    const holder = createServer().listen(taken, '127.0.0.1');
    await once(holder, 'listening');

    const ended = await fail(['--data', path.join(folder, 'other'), '--ports', [taken, ...others].join(',')]);
    holder.close();

    assert.equal(ended.code, 1);
    assert.equal(ended.output, '');
    assert.match(
      ended.complaint,
      new RegExp(`^Port ${taken} of 127\\.0\\.0\\.1 is taken: end the program .*\n$`),
    );
  });

  test('a folder that cannot be written to is one sentence with the remedy', async () => {
    const file = path.join(folder, 'file');
    writeFileSync(file, '');

    const ended = await fail(['--data', path.join(file, 'data')]);

    assert.equal(ended.code, 1);
    assert.match(ended.complaint, /^\S+ cannot be written to \(ENOTDIR\): clone the repository .*\n$/);
  });
});

interface Started {
  readonly child: ChildProcess;
  readonly ready: Ready;
  readonly output: () => string;
}

async function start(t: { after(act: () => void): void }, parameters: readonly string[]): Promise<Started> {
  const child = spawn(process.execPath, [program, '--json', ...parameters], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => void child.kill('SIGTERM'));
  let output = '';
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaint += chunk;
  });
  const line = new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      if (output.includes('\n')) resolve(output);
    });
    child.once('exit', () => reject(new Error(`ended before it was ready: ${complaint}`)));
  });
  const ready: Ready = JSON.parse(await line);
  return { child, ready, output: () => output };
}

async function end({ child, ready, output }: Started): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  assert.equal(output().trim().split('\n').length, 1);
  for (const pid of [...ready.serverPids, ready.connectorPid]) {
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  }
}

async function fail(
  parameters: readonly string[],
): Promise<{ code: number; output: string; complaint: string }> {
  const child = spawn(process.execPath, [program, '--json', ...parameters], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, complaint, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { code, output, complaint };
}

function get(ready: Ready, url: string): Promise<{ status: number; body: string }> {
  return fetchWithAuthority(url, {
    method: 'GET',
    authorityFile: ready.caFile,
    headers: { accept: 'application/json' },
  });
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map(server => once(server, 'listening')));
  const ports = servers.map(server => (server.address() as { port: number }).port);
  await Promise.all(servers.map(server => once(server.close(), 'close')));
  return ports;
}
