import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-control-'));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Resolves with `ready`, or with how the process ended before it was. */
  readonly outcome: Promise<'ready' | number>;
}

let folders = 0;
function newDataDir(): string {
  const dataDir = path.join(folder, `data-${++folders}`);
  const config = { domain: 'control.localhost', publicPort: 8443, dataDir, certificates: { local: true } };
  // JSON is YAML.
  writeFileSync(`${dataDir}.yaml`, JSON.stringify(config));
  return dataDir;
}

function start(context: TestContext, dataDir: string): Running {
  const child = fork(path.join(import.meta.dirname, 'control.ts'), [`${dataDir}.yaml`], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: [],
  });
  context.after(() => child.kill('SIGKILL'));
  let text = '';
  child.stdout?.on('data', chunk => {
    text += chunk;
  });
  child.stderr?.on('data', chunk => {
    text += chunk;
  });
  const outcome = new Promise<'ready' | number>(resolve => {
    child.on('message', message => {
      assert.deepEqual(message, { type: 'ready' });
      resolve('ready');
    });
    child.once('close', code => resolve(code ?? -1));
  });
  return { child, output: () => text, outcome };
}

function get(dataDir: string, host: string, url: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: path.join(dataDir, 'run', 'control.sock'), path: url, headers: { host } },
      incoming => {
        let body = '';
        incoming.on('data', chunk => {
          body += chunk;
        });
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body }));
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

describe('the control process', () => {
  test('becomes ready, answers each host on a socket of its own user, and ends when it is told to', async context => {
    const dataDir = newDataDir();
    const { child, output, outcome } = start(context, dataDir);
    assert.equal(await outcome, 'ready', output());

    assert.deepEqual(await get(dataDir, 'control.internal', '/health'), {
      status: 200,
      body: '{"status":"ok"}',
    });
    const issuer = await get(dataDir, 'login.control.localhost:8443', '/.well-known/openid-configuration');
    assert.equal(JSON.parse(issuer.body).issuer, 'https://login.control.localhost:8443');
    assert.equal((await get(dataDir, 'portal.control.localhost:8443', '/api/v1.0/me')).status, 401);
    assert.equal((await get(dataDir, 'wiki.control.localhost:8443', '/api/v1.0/me')).status, 404);
    assert.equal((await get(dataDir, 'wiki.control.localhost:8443', '/health')).status, 404);
    for (const name of ['control.sock', 'feed.sock']) {
      assert.equal(statSync(path.join(dataDir, 'run', name)).mode & 0o777, 0o600);
    }
    assert.equal(statSync(path.join(dataDir, 'run')).mode & 0o777, 0o700);
    assert(existsSync(path.join(dataDir, 'certificates', 'local-ca.pem')));

    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert(!existsSync(path.join(dataDir, 'run', 'control.sock')));
  });

  test('killed, it starts again on what it left; orphaned, it ends and makes room', async context => {
    const dataDir = newDataDir();
    const killed = start(context, dataDir);
    assert.equal(await killed.outcome, 'ready', killed.output());
    killed.child.kill('SIGKILL');
    await once(killed.child, 'exit');

    const orphaned = start(context, dataDir);
    assert.equal(await orphaned.outcome, 'ready', orphaned.output());
    // Waits for the first one, which ends because its parent seems to be gone.
    const next = start(context, dataDir);
    orphaned.child.disconnect();
    await once(orphaned.child, 'exit');

    assert.equal(await next.outcome, 'ready', next.output());
    assert.equal((await get(dataDir, 'control.internal', '/health')).status, 200);
  });

  test('says in a sentence why it cannot start, and ends', async context => {
    const damaged = newDataDir();
    const first = start(context, damaged);
    assert.equal(await first.outcome, 'ready', first.output());
    first.child.kill('SIGTERM');
    await once(first.child, 'exit');
    writeFileSync(path.join(damaged, 'postern.db'), 'not a database at all'.repeat(1_000));
    const misconfigured = newDataDir();
    writeFileSync(`${misconfigured}.yaml`, 'domain: "not a domain"');

    for (const [dataDir, sentence] of [
      [damaged, /postern\.db is damaged .*postern restore/],
      [misconfigured, /domain is “not a domain”; allowed: /],
    ] as const) {
      const { child, output, outcome } = start(context, dataDir);
      assert.equal(await outcome, 1);
      assert.match(output(), sentence);
      assert(!output().includes('    at '), output());
      assert.equal(child.exitCode, 1);
    }
  });
});
