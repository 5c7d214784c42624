import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Outbound } from '@postern/outbound/outbound';
import type { Alert } from './alert.ts';
import { MailChannel, type MailSettings } from './mail-channel.ts';
import {
  createTestCertificate,
  startMailServer,
  startReceiver,
  type TestCertificate,
} from './test-receivers.ts';
import { WebhookChannel } from './webhook-channel.ts';

const password = 'correct horse battery staple';
const secret = 'a shared secret that nobody guesses';
const alert: Alert = {
  id: '6d1f2f2c-1c39-4d7e-9a4b-0a4f0f1c2d3e',
  type: 'connector_certificate_expiring',
  createdAt: Date.UTC(2026, 0, 31),
  title: 'Trust certificate of the connector büro-1 expires in 7 days',
  text: 'What to do: renew it.',
  details: { machineName: 'büro-1', expiresInDays: 7 },
};

const outbound = new Outbound();

let folder: string;
let certificate: TestCertificate;
let caFile: string;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'postern-alerts-'));
  certificate = await createTestCertificate();
  caFile = fileOf('ca.pem', certificate.authority);
});
after(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

function mailChannel(port: number, settings: Partial<MailSettings> = {}): MailChannel {
  return new MailChannel(
    {
      host: 'localhost',
      port,
      tls: 'starttls',
      user: 'postern',
      passwordFile: fileOf('password', `${password}\n`),
      caFile,
      from: 'postern@example.test',
      to: ['it@example.test', 'night@example.test'],
      ...settings,
    },
    { service: 'example.test', outbound },
  );
}

function webhook(url: string, settings: { caFile?: string; secretFile?: string } = {}): WebhookChannel {
  const secretFile = fileOf('secret', secret);
  return new WebhookChannel(
    'webhook',
    { url, secretFile, caFile, ...settings },
    { service: 'example.test', outbound, now: () => alert.createdAt },
  );
}

/** Both mail users there are: the right one, and everybody else. */
const signIn: NonNullable<Parameters<typeof startMailServer>[1]> = {
  onAuth: (auth, _session, done) =>
    auth.username === 'postern' && auth.password === password
      ? done(null, { user: auth.username })
      : done(new Error('5.7.8 who are you')),
};

/** Fails with its code and remedy, and shows no secret. */
async function failure(
  attempt: Promise<unknown>,
): Promise<{ code: string; message: string; remedy: string }> {
  const error = await attempt.then(
    () => assert.fail('it was sent'),
    (reason: { code: string; message: string; remedy: string }) => reason,
  );
  assert.ok(error.remedy.length > 10);
  const shown = `${error.message} ${error.remedy}`;
  for (const hidden of [password, secret, 'T0KEN']) assert.ok(!shown.includes(hidden), shown);
  return error;
}

describe('alerts by mail', { timeout: 120_000 }, () => {
  for (const tls of ['starttls', 'tls'] as const) {
    test(`go to everybody through a server that is signed in to, encrypted (${tls})`, async () => {
      await using server = await startMailServer(certificate, { ...signIn, secure: tls === 'tls' });

      const said = await mailChannel(server.port, { tls }).send(alert);

      const [mail, ...others] = server.mails;
      assert.deepEqual(others, []);
      assert.deepEqual(
        [mail?.from, mail?.user, mail?.isEncrypted],
        ['postern@example.test', 'postern', true],
      );
      assert.deepEqual(mail?.to, ['it@example.test', 'night@example.test']);
      assert.match(mail!.text, /^Auto-Submitted: auto-generated\r$/m);
      assert.match(mail!.text, /Message-ID: <6d1f2f2c-1c39-4d7e-9a4b-0a4f0f1c2d3e@example\.test>/);
      assert.match(mail!.text, /What to do: renew it\./);
      assert.match(said, /accepted the message/);
    });
  }

  test('go without sign-in and TLS where that is configured', async () => {
    await using server = await startMailServer(certificate, { authOptional: true, hideSTARTTLS: true });

    await mailChannel(server.port, { tls: 'none', user: '', passwordFile: '' }).send(alert);

    assert.equal(server.mails[0]?.isEncrypted, false);
  });

  test('a line break in a name makes no header', async () => {
    await using server = await startMailServer(certificate, signIn);

    await mailChannel(server.port).send({ ...alert, title: 'x\r\nBcc: evil@example.test' });

    assert.equal(server.mails[0]?.to.length, 2);
    assert.doesNotMatch(server.mails[0]!.text, /^Bcc:/m);
  });

  test('a wrong password is told from a wrong server', async () => {
    await using server = await startMailServer(certificate, signIn);
    const passwordFile = fileOf('wrong', 'wrong');

    const error = await failure(mailChannel(server.port, { passwordFile }).send(alert));

    assert.equal(error.code, 'authentication');
    assert.match(error.remedy, /mail\.user.*mail\.passwordFile/);
  });

  for (const tls of ['starttls', 'tls'] as const) {
    test(`can be tried without sending any (${tls})`, async () => {
      await using server = await startMailServer(certificate, { ...signIn, secure: tls === 'tls' });

      const seen = await mailChannel(server.port, { tls }).tryOut();

      assert.match(seen, new RegExp(`with TLS \\(${tls}\\) and accepts the sign-in of postern`));
      assert.deepEqual(server.mails, []);
    });
  }

  test('cannot be tried with a wrong password, without TLS, or where nobody listens', async () => {
    await using server = await startMailServer(certificate, signIn);
    await using plain = await startMailServer(certificate, { ...signIn, disabledCommands: ['STARTTLS'] });
    const passwordFile = fileOf('wrong', 'wrong');

    assert.equal((await failure(mailChannel(server.port, { passwordFile }).tryOut())).code, 'authentication');
    assert.equal((await failure(mailChannel(plain.port).tryOut())).code, 'no_tls');
    assert.equal((await failure(mailChannel(await closedPort()).tryOut())).code, 'unreachable');
  });

  test('a password is never sent before TLS', async () => {
    await using server = await startMailServer(certificate, { ...signIn, disabledCommands: ['STARTTLS'] });

    const error = await failure(mailChannel(server.port).send(alert));

    assert.equal(error.code, 'no_tls');
    assert.match(error.remedy, /465/);
  });

  test('a certificate of an unknown authority is refused, and the remedy names the setting', async () => {
    await using server = await startMailServer(certificate, signIn);

    const error = await failure(mailChannel(server.port, { caFile: '' }).send(alert));

    assert.equal(error.code, 'untrusted');
    assert.match(error.remedy, /mail\.caFile/);
    assert.deepEqual(server.mails, []);
  });

  test('a refused recipient is a failure', async () => {
    await using server = await startMailServer(certificate, {
      ...signIn,
      onRcptTo: ({ address }, _session, done) =>
        done(address.startsWith('night') ? new Error('550 nobody here') : null),
    });

    const error = await failure(mailChannel(server.port).send(alert));

    assert.equal(error.code, 'refused');
    assert.match(error.message, /1 of 2 recipients/);
    assert.match(error.remedy, /mail\.to/);
    assert.equal(server.mails[0]?.to.length, 1);
  });

  test('a server that is not there, and a name that does not exist, are told apart', async () => {
    const port = await closedPort();

    assert.equal((await failure(mailChannel(port).send(alert))).code, 'unreachable');
    const nowhere = mailChannel(port, { host: 'mail.invalid' });
    assert.equal((await failure(nowhere.send(alert))).code, 'name_not_resolved');
  });

  test('a password file that is missing or empty is named', async () => {
    for (const passwordFile of [path.join(folder, 'missing'), fileOf('empty', '\n')]) {
      const error = await failure(mailChannel(1, { passwordFile }).send(alert));
      assert.equal(error.code, 'secret_file');
      assert.ok(error.message.includes(passwordFile));
    }
  });
});

describe('alerts by webhook', { timeout: 120_000 }, () => {
  test('are signed with the shared secret over time and body', async () => {
    await using receiver = await startReceiver(certificate);

    await webhook(`${receiver.origin}/hook?key=T0KEN`).send(alert);

    const [request] = receiver.requests;
    const { headers, body } = request!;
    const expected = createHmac('sha256', secret)
      .update(`${String(headers['postern-timestamp'])}.${body}`)
      .digest('hex');
    assert.equal(headers['postern-signature'], `sha256=${expected}`);
    assert.equal(headers['postern-timestamp'], String(alert.createdAt / 1_000));
    assert.equal(headers['postern-alert'], alert.id);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(request!.path, '/hook?key=T0KEN');
    assert.deepEqual(JSON.parse(body), {
      id: alert.id,
      type: alert.type,
      time: '2026-01-31T00:00:00.000Z',
      service: 'example.test',
      title: alert.title,
      text: alert.text,
      details: alert.details,
    });
  });

  test('can be tried without posting any', async () => {
    await using receiver = await startReceiver(certificate);

    assert.match(await webhook(`${receiver.origin}/T0KEN`).tryOut(), /its certificate is accepted/);

    assert.deepEqual(receiver.requests, []);
    assert.equal((await failure(webhook(receiver.origin, { caFile: '' }).tryOut())).code, 'untrusted');
    assert.equal(
      (await failure(webhook(`https://localhost:${await closedPort()}/T0KEN`).tryOut())).code,
      'unreachable',
    );
  });

  test('follow no redirection', async () => {
    await using receiver = await startReceiver(certificate);
    receiver.statuses.unshift(307);

    const error = await failure(webhook(`${receiver.origin}/hook`).send(alert));

    assert.equal(error.code, 'redirected');
    assert.equal(receiver.requests.length, 1);
  });

  test('a refusal names its status, and never more of the address than its origin', async () => {
    await using receiver = await startReceiver(certificate);
    receiver.statuses[0] = 403;

    const error = await failure(webhook(`${receiver.origin}/services/T0KEN`).send(alert));

    assert.equal(error.code, 'refused');
    assert.match(error.message, /status 403/);
    assert.match(error.remedy, /webhooks\.secretFile/);
  });

  test('a certificate of an unknown authority is refused', async () => {
    await using receiver = await startReceiver(certificate);

    const error = await failure(webhook(receiver.origin, { caFile: '' }).send(alert));

    assert.equal(error.code, 'untrusted');
    assert.match(error.remedy, /webhooks\.caFile/);
    assert.deepEqual(receiver.requests, []);
  });

  test('a receiver that is not there, and a name that does not exist, are told apart', async () => {
    const gone = webhook(`https://localhost:${await closedPort()}/T0KEN`);
    assert.equal((await failure(gone.send(alert))).code, 'unreachable');
    assert.equal(
      (await failure(webhook('https://hook.invalid/T0KEN').send(alert))).code,
      'name_not_resolved',
    );
  });
});

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const address = server.address();
  await new Promise(resolve => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
