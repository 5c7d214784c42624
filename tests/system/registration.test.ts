/** A machine becomes a connector with nothing but an enrolment token, and stays that connector. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { answerEveryRequest, RawBackend } from '../testbed/raw-backend.ts';
import { end, Journal, startTestbed, type Testbed } from '../testbed/testbed.ts';

const program = path.join(import.meta.dirname, '../../packages/connector/src/main.ts');
const profile = '/onPremisesPublishingProfiles/applicationProxy';
const idPattern = /^Registered .*connector ([0-9a-f-]{36})/m;

interface Ended {
  readonly code: number;
  readonly output: string;
}

describe('an enrolment token', { timeout: 300_000 }, () => {
  let backend: RawBackend;
  let bed: Testbed;
  let folder: string;
  const running: ChildProcess[] = [];
  /** Everything that was printed or logged by a program of the connector. */
  const said = new Journal();

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'postern-registration-'));
    backend = await RawBackend.start();
    backend.onConnection = answerEveryRequest;
    bed = await startTestbed({
      connectors: 0,
      applications: [{ name: 'open', internalUrl: backend.url, passthrough: true }],
    });
  });

  after(async () => {
    for (const child of running) await end(child);
    await bed?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  function start(args: readonly string[], input = ''): ChildProcess {
    const child = spawn(process.execPath, [program, ...args, '--data', path.join(folder, 'data')], {
      stdio: 'pipe',
      env: { PATH: process.env['PATH'] },
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => said.push(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text));
    child.stdin.on('error', () => {}).end(input);
    return child;
  }

  async function run(args: readonly string[], input?: string): Promise<Ended> {
    const from = said.text.length;
    const [code] = await once(start(args, input), 'close');
    return { code, output: said.text.slice(from) };
  }

  async function makeToken(): Promise<string> {
    const made = await bed.api('POST', `${profile}/enrolmentTokens`, {});
    assert.equal(made.status, 201);
    return (made.body as { token: string }).token;
  }

  test('is all that a machine needs to serve an application', async () => {
    const token = await makeToken();

    const registered = await run(['register', '--key', 'p384', '--token-file', '-'], token);
    assert.equal(registered.code, 0, registered.output);
    running.push(start(['run']));
    await said.until('tunnel_connected');
    const answer = await bed.exchange(
      bed.hostOf('open'),
      `GET / HTTP/1.1\r\nHost: ${bed.hostOf('open')}:${bed.port}\r\nConnection: close\r\n\r\n`,
    );

    assert.match(answer, /^HTTP\/1\.1 200 /);
  });

  test('lets the machine register again as the connector that it is, until that is revoked', async () => {
    const register = async () => run(['register', '--key', 'p384', '--token-file', '-'], await makeToken());
    const first = idPattern.exec((await register()).output)?.[1];
    const second = idPattern.exec((await register()).output)?.[1];
    const revoked = await bed.api('POST', `${profile}/connectors/${second}/revoke`);

    const third = idPattern.exec((await register()).output)?.[1];

    assert.equal(second, first);
    assert.equal(revoked.status, 204);
    assert.ok(third !== undefined && third !== second);
    const list = await bed.api('GET', `${profile}/connectors`);
    const { value } = list.body as { value: { id: string; revokedDateTime: string | null }[] };
    assert.notEqual(value.find(each => each.id === second)?.revokedDateTime, null);
    assert.equal(value.find(each => each.id === third)?.revokedDateTime, null);
  });

  test('leaves no trace of itself: not in a log, not in a file, not in the database', async () => {
    const token = await makeToken();
    const [middle] = /.{40}(?=.{20}$)/.exec(token) ?? [];
    await run(['register', '--key', 'p384', '--token-file', '-'], token);
    await run(['register', '--key', 'p384', '--token-file', '-'], token);
    await run(['register', '--key', 'p384', '--token-file', '-'], token.slice(0, -1));

    const files = [folder, bed.dataDir].flatMap(root =>
      readdirSync(root, { recursive: true, withFileTypes: true })
        .filter(entry => entry.isFile())
        .map(entry => path.join(entry.parentPath, entry.name)),
    );

    for (const text of [said.text, bed.serviceLog()]) assert.ok(!text.includes(middle!));
    for (const file of files) assert.ok(!readFileSync(file, 'latin1').includes(middle!), file);
    const secret = Buffer.from(token.slice('postern_enrolment_'.length), 'base64url').subarray(2, 34);
    for (const file of files) assert.ok(!readFileSync(file).includes(secret), file);
    assert.ok(!said.text.includes(secret.toString('base64url')));
    assert.ok(!bed.serviceLog().includes(secret.toString('base64url')));
  });
});
