import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TestBackend } from '../testing/test-backend.ts';
import { domain, TestService } from '../testing/test-service.ts';

const program = fileURLToPath(new URL('../bin/postern-connector.mjs', import.meta.url));
let service: TestService;

before(async () => {
  service = await TestService.start();
});
after(() => service[Symbol.asyncDispose]());

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  return { child, ended: endOf(child) };
}

async function endOf(child: ChildProcess): Promise<Ended> {
  let out = '';
  let err = '';
  child.stdout!.on('data', text => {
    out += text;
  });
  child.stderr!.on('data', text => {
    err += text;
  });
  const [code, signal] = await once(child, 'close');
  return { code, signal, out, err };
}

function register(dataDir: string, token: string) {
  const where = [
    '--service',
    `${domain}:${service.registrationPort}`,
    '--ca-file',
    service.caFile,
    '--data',
    dataDir,
  ];
  return start(['register', ...where, '--key', 'p384'], { POSTERN_TOKEN: token }).ended;
}

describe('postern-connector', () => {
  test('registers, runs, shows its status and drains at SIGTERM', async () => {
    const dataDir = service.dataDir('program');
    const registered = await register(dataDir, 'admin');
    assert.equal(registered.code, 0, registered.err);
    assert.match(registered.out, /as connector [0-9a-f-]{36}; its certificate [0-9A-F]{40} is valid until/);
    assert.equal((await start(['status', '--data', dataDir]).ended).code, 3, 'not running yet');

    const running = start(['run', '--data', dataDir]);
    await service.accept();
    await service.accept();
    let status = await start(['status', '--json', '--data', dataDir]).ended;
    while (status.code !== 0) status = await start(['status', '--json', '--data', dataDir]).ended;
    running.child.kill('SIGTERM');
    const ended = await running.ended;

    assert.equal(JSON.parse(status.out).state, 'connected');
    assert.deepEqual([ended.code, ended.signal], [0, null], ended.err);
    const events = ended.err
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).event);
    assert.equal(events[0], 'connector_started');
    assert.equal(events.at(-1), 'connector_stopped');
    await service.quiet();
  });

  test('ends at once at the second signal, though a stream is in flight', async () => {
    await using backend = await TestBackend.start();
    const dataDir = service.dataDir('second-signal');
    await register(dataDir, 'admin');
    const running = start(['run', '--data', dataDir]);
    const tunnel = await service.accept();
    await tunnel.configure(backend.configuration('a'));
    const stream = tunnel.open('a');
    await stream.answered;

    running.child.kill('SIGTERM');
    await tunnel.hear('draining');
    running.child.kill('SIGTERM');
    const ended = await running.ended;

    assert.deepEqual([ended.code, ended.signal], [0, null], ended.err);
    assert.equal((await tunnel.hear('ended')).reason, 'connector_stopping');
  });

  test('ends at once at the second signal, though the service takes nothing more', async () => {
    const bulk = Buffer.alloc(256 * 1024, 1);
    await using backend = await TestBackend.start(socket => void socket.write(bulk));
    const dataDir = service.dataDir('silent-service');
    await register(dataDir, 'admin');
    const running = start(['run', '--data', dataDir]);
    const tunnel = await service.accept();
    await tunnel.configure(backend.configuration('a'));
    tunnel.socket.pause();
    // More than the buffers of both systems take.
    for (let count = 0; count < 100; count++) tunnel.open('a');
    while (backend.sockets.length < 100) await backend.next();

    running.child.kill('SIGTERM');
    let said = '';
    while (!said.includes('connector_draining')) said += String(await once(running.child.stderr!, 'data'));
    running.child.kill('SIGTERM');
    const timer = setTimeout(() => running.child.kill('SIGKILL'), 5_000);
    const ended = await running.ended;

    clearTimeout(timer);
    assert.deepEqual([ended.code, ended.signal], [0, null]);
    tunnel.socket.destroy();
  });

  test('says which of the three areas failed, why, and what to do, and never the token', async () => {
    const ended = await register(service.dataDir('refused'), 'somebody');

    assert.equal(ended.code, 30);
    assert.match(
      ended.err,
      /^\[admin authentication\] You are signed in, but this account holds no role; .*Application Administrator/,
    );
    assert.match(ended.err, /\nA Global Administrator can grant it/);
    assert.match(ended.err, /\nThe doctor looks for the cause:\n(passed|FAILED|WARNING|not run)/);
    assert.doesNotMatch(ended.err + ended.out, /somebody/);
  });

  test('takes the token from a file', async () => {
    const file = path.join(service.folder, 'token');
    writeFileSync(file, 'mallory\n', { mode: 0o600 });

    const args = ['--service', `${domain}:${service.registrationPort}`, '--ca-file', service.caFile];
    const ended = await start(['register', ...args, '--data', service.dataDir('x'), '--token-file', file])
      .ended;

    assert.match(ended.err, /access token was not accepted/);
  });

  test('registers with an enrolment token from its variable, and knows the service by it', async () => {
    const dataDir = service.dataDir('enrolled');
    const token = await service.enrolmentToken();
    const environment = { POSTERN_ENROLMENT_TOKEN: token };

    const first = await start(['register', '--key', 'p384', '--data', dataDir], environment).ended;
    const second = await start(['register', '--key', 'p384', '--data', dataDir], environment).ended;

    assert.equal(first.code, 0, first.err);
    assert.match(first.out, /as connector [0-9a-f-]{36}/);
    assert.equal(second.code, 30);
    assert.match(second.err, /^\[admin authentication\] This enrolment token is used up: one connector/);
    assert.ok(!`${first.out}${first.err}${second.out}${second.err}`.includes(token.slice(20, 60)));
  });

  test('an access token needs the service to be named', async () => {
    const ended = await start(['register'], { POSTERN_TOKEN: 'admin' }).ended;

    assert.equal(ended.code, 2);
    assert.match(ended.err, /--service is missing; only an enrolment token names/);
  });

  for (const [args, expected] of [
    [['frobnicate'], /There is no command "frobnicate"/],
    [['run', '--alow', 'x'], /--alow/],
    [['run', '--log-level', 'loud'], /--log-level is one of debug, info, warn, error/],
    [['run', '--data', '/nowhere', '--allow', '1/2'], /"1\/2" is no entry of an allow-list/],
    [['register', '--service', 'x.example'], /No token: give --token-file/],
  ] as const) {
    test(`does not understand "${args.join(' ')}"`, async () => {
      const ended = await start(args, { POSTERN_TOKEN: '' }).ended;

      assert.equal(ended.code, 2);
      assert.match(ended.err, expected);
    });
  }
});
