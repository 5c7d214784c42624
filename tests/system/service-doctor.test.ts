import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { ReportOf } from '@postern/protocol/doctor';
import { end, startTestbed, type Testbed } from '../testbed/testbed.ts';

const program = path.join(import.meta.dirname, '..', '..', 'packages/cli/src/main.ts');
const folder = mkdtempSync(path.join(tmpdir(), 'postern-service-doctor-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function runServer(args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  const [output, complaint, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number>(resolve => child.once('exit', status => resolve(status ?? -1))),
  ]);
  return { code, output, complaint };
}

async function examine(configFile: string, environment: Record<string, string> = {}) {
  const { code, output } = await runServer(['doctor', '--config', configFile, '--json'], environment);
  const report = JSON.parse(output) as ReportOf<string>;
  assert.equal(report.exitCode, code, output);
  return { report, results: new Map(report.results.map(result => [result.id, result])) };
}

type Results = Awaited<ReturnType<typeof examine>>['results'];

function assertStatus(results: Results, status: string, ...ids: string[]): void {
  for (const id of ids) assert.equal(results.get(id)?.status, status, JSON.stringify(results.get(id)));
}

describe('the doctor of the service', { timeout: 300_000 }, () => {
  let bed: Testbed;

  before(async () => {
    bed = await startTestbed({ applications: [{ name: 'wiki', internalUrl: 'http://127.0.0.1:9/' }] });
  });
  after(() => bed?.[Symbol.asyncDispose]());

  /** The same service with a line of its configuration changed. */
  function withConfig(change: (text: string) => string): string {
    const file = path.join(folder, 'postern.yaml');
    writeFileSync(file, change(readFileSync(bed.configFile, 'utf8')));
    return file;
  }

  test('fails in nothing while it runs, and what nobody can see reads not run', async () => {
    const { report, results } = await examine(bed.configFile);

    const failures = report.results.filter(one => one.status === 'failed');
    assert.deepEqual(failures, []);
    assert.equal(report.service, bed.domain);
    assert.equal(report.restart?.couldHelp, false);
    assertStatus(results, 'passed', 'names.resolve', 'names.certificates', 'names.expiry', 'names.connect');
    assertStatus(results, 'passed', 'ports.listening', 'store.database', 'store.schema', 'store.writable');
    assertStatus(results, 'passed', 'keys.master', 'keys.authorities', 'keys.expiry', 'machine.process');
    assert.match(results.get('names.resolve')!.tried, new RegExp(`wiki\\.${bed.domain}`));
    assert.match(results.get('machine.process')!.seen, /1 connectors connected/);
    // The only connector is on this machine: it is behind the same firewall, and has the same clock.
    assertStatus(results, 'not_run', 'ports.outside-443', 'ports.outside-80', 'clock.connectors');
    assert.match(results.get('ports.outside-443')!.cause, /runs on this machine/);
    assertStatus(results, 'not_run', 'names.chain', 'names.automatic', 'alerts.mail', 'alerts.webhooks');
  });

  test('prints a line for each check as it ends, and then what was found', async () => {
    const { code, output } = await runServer(['doctor', '--config', bed.configFile]);

    assert.equal(code, 0, output);
    assert.match(output, /^passed +\d+ ms {2}names\./m);
    assert.match(output, /^not run .*ports\.outside-443 .*runs on this machine/m);
    assert.match(output, /checks: \d+ passed, 0 failed/);
  });

  test('is told by nobody but the owner of the socket: the public side has no such address', async () => {
    for (const host of ['control.internal', `portal.${bed.domain}`, `login.${bed.domain}`]) {
      const answer = await bed.exchange(
        `portal.${bed.domain}`,
        `GET /doctor HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
      assert.doesNotMatch(answer, /processId/, host);
    }
  });

  test('names a mail server and a webhook that are not there', async () => {
    const secretFile = path.join(folder, 'secret');
    writeFileSync(secretFile, 'a secret of some length\n');
    const file = withConfig(
      config =>
        `${config}\nmail: { host: 127.0.0.1, port: 9, tls: none, from: a@example.test, to: [b@example.test] }\n` +
        `webhooks: [{ url: 'https://127.0.0.1:9/T0KEN', secretFile: ${secretFile} }]\n`,
    );

    const { report, results } = await examine(file);

    assert.equal(report.exitCode, 60);
    assertStatus(results, 'failed', 'alerts.mail', 'alerts.webhooks');
    assert.match(results.get('alerts.mail')!.cause, /127\.0\.0\.1:9/);
    assert.ok(!JSON.stringify(report).includes('T0KEN'));
  });

  test('says of a variable that names no HTTP proxy that nothing can be called', async () => {
    await end(bed.service, 'SIGTERM');
    const file = withConfig(
      config =>
        `${config}\nmail: { host: 127.0.0.1, tls: none, from: a@example.test, to: [b@example.test] }\n`,
    );
    const environment = { HTTPS_PROXY: 'socks5://ada:hunter2@proxy.test:1080' };

    const { results } = await examine(file, environment);
    const { code, complaint } = await runServer(['serve', '--config', file], environment);
    await bed.restartService();

    assertStatus(results, 'failed', 'alerts.mail');
    assert.match(results.get('alerts.mail')!.cause, /HTTPS_PROXY names a proxy of the kind socks5/);
    assert.equal(code, 2);
    assert.match(complaint, /HTTPS_PROXY names a proxy of the kind socks5.*\n.*outboundProxy\.url/);
    assert.ok(!`${JSON.stringify([...results])}${complaint}`.includes('hunter2'));
  });

  test('says that a restart could help where the configuration was changed since', async () => {
    const { report } = await examine(withConfig(config => `${config}\n# changed\n`));

    assert.equal(report.restart?.couldHelp, true);
    assert.match(report.restart.reason, /was changed after the service started/);
  });

  test('says that a key may be read by others', async () => {
    const file = path.join(bed.dataDir, 'keys', 'master.key');
    chmodSync(file, 0o644);
    const { report, results } = await examine(bed.configFile);
    chmodSync(file, 0o600);

    assert.equal(report.exitCode, 50);
    assert.match(results.get('keys.master')!.cause, /\(644\)/);
    assert.match(results.get('keys.master')!.remedy, /chmod 600/);
    assertStatus(results, 'not_run', 'keys.authorities');
  });

  test('looks at what it can while the service does not run, and leaves everything as it is', async () => {
    await end(bed.service, 'SIGTERM');
    const database = path.join(bed.dataDir, 'postern.db');
    const earlier = readFileSync(database);

    const { report, results } = await examine(bed.configFile);

    assert.equal(report.exitCode, 20);
    assert.equal(report.restart, null);
    assertStatus(results, 'failed', 'ports.listening', 'machine.process');
    assert.match(results.get('ports.listening')!.cause, /does not run/);
    assert.match(results.get('ports.listening')!.remedy, /postern serve/);
    assertStatus(results, 'passed', 'names.certificates', 'store.database', 'keys.authorities');
    assert.match(results.get('names.certificates')!.tried, /the files of the configuration/);
    assertStatus(results, 'not_run', 'names.connect', 'ports.outside-443', 'machine.file-limit');
    assert.deepEqual(readFileSync(database), earlier);
  });

  test('looks as the user that the data folder belongs to, and leaves nothing of root there', async t => {
    if (process.getuid?.() !== 0) return t.diagnostic('only root can give a folder to somebody');
    const nobody = 65_534;
    const give = (uid: number) => {
      chownSync(bed.dataDir, uid, uid);
      for (const name of readdirSync(bed.dataDir, { recursive: true, encoding: 'utf8' }))
        lchownSync(path.join(bed.dataDir, name), uid, uid);
    };
    chmodSync(path.dirname(bed.dataDir), 0o711);
    give(nobody);

    const { report, results } = await examine(bed.configFile);
    const owners = readdirSync(bed.dataDir, { recursive: true, encoding: 'utf8' }).map(
      name => lstatSync(path.join(bed.dataDir, name)).uid,
    );
    give(0);

    assert.equal(report.exitCode, 20);
    assertStatus(results, 'passed', 'store.folder', 'store.writable', 'keys.authorities');
    assert.deepEqual([...new Set(owners)], [nobody]);
  });

  test('says what is damaged or gone', async () => {
    const database = path.join(bed.dataDir, 'postern.db');
    const kept = readFileSync(database);
    writeFileSync(database, Buffer.alloc(64 * 1024, 'x'));
    const damaged = await examine(bed.configFile);
    writeFileSync(database, kept);
    const key = path.join(bed.dataDir, 'keys', 'master.key');
    const keptKey = readFileSync(key);
    writeFileSync(key, `${Buffer.alloc(32, 7).toString('base64')}\n`);
    const wrongKey = await examine(bed.configFile);
    writeFileSync(key, keptKey);

    assertStatus(damaged.results, 'failed', 'store.database');
    assert.match(damaged.results.get('store.database')!.remedy, /postern restore/);
    assertStatus(damaged.results, 'not_run', 'store.schema', 'keys.master');
    assertStatus(wrongKey.results, 'failed', 'keys.master');
    assert.match(wrongKey.results.get('keys.master')!.cause, /not the one it was sealed with/);
  });
});
