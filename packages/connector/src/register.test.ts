import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { formatEnrolmentToken, parseEnrolmentToken } from '@postern/protocol/enrolment-token';
import { thumbprintOf } from '@postern/protocol/x509/certificate';
import { createConnectorGroup } from '@postern/server/directory/connector-groups';
import { revokeConnector } from '@postern/server/directory/connectors';
import { issueServerLeaf } from '@postern/server/registration/authorities';
import { domain, TestService } from '../testing/test-service.ts';
import { loadIdentity } from './identity/identity.ts';
import { parseService, type RegisterOptions, registerConnector } from './register.ts';
import { RegistrationError } from './registration-error.ts';

let service: TestService;
let folders = 0;

before(async () => {
  service = await TestService.start();
});
after(() => service[Symbol.asyncDispose]());

function options(more: Partial<RegisterOptions> = {}): RegisterOptions {
  return {
    service: `${domain}:${service.registrationPort}`,
    token: 'admin',
    dataDir: service.dataDir(`register-${folders++}`),
    caFile: service.caFile,
    machineName: 'srv-01',
    key: 'p384',
    ...more,
  };
}

async function failureOf(more: Partial<RegisterOptions>): Promise<RegistrationError> {
  try {
    await registerConnector(options(more));
  } catch (error) {
    assert.ok(error instanceof RegistrationError, String(error));
    return error;
  }
  assert.fail('the registration succeeded');
}

describe('a registration', () => {
  for (const key of ['rsa3072', 'p384'] as const) {
    test(`leaves what a connector needs, with a key of the kind ${key}`, async () => {
      const { dataDir, ...rest } = options({ key });

      const done = await registerConnector({ dataDir, ...rest, token: async () => 'admin' });

      const stem = path.join(dataDir, 'certificates', 'machine', done.thumbprint);
      const certificate = new X509Certificate(readFileSync(`${stem}.pem`));
      assert.equal(thumbprintOf(certificate), done.thumbprint);
      assert.match(certificate.subject, new RegExp(`^CN=${done.connectorId}\nO=srv-01$`));
      assert.equal(certificate.issuer, `CN=connectorregistrationca.${domain}`);
      assert.equal(statSync(`${stem}.key`).mode & 0o777, 0o600);
      assert.equal(statSync(path.dirname(stem)).mode & 0o777, 0o700);
      const xml = readFileSync(path.join(dataDir, 'Config', 'TrustSettings.xml'), 'utf8');
      assert.match(xml, new RegExp(`<Thumbprint>${done.thumbprint}</Thumbprint>\n {4}<IsInUserStore>false<`));
      const identity = await loadIdentity(dataDir, Date.now());
      assert.equal(identity.fallback, null);
      assert.equal(identity.pairs[0]?.thumbprint, done.thumbprint);
      assert.equal(identity.service.connectHost, `connect.${domain}`);
      assert.equal(identity.service.connectPort, service.tunnelPort);
      assert.deepEqual(identity.service.anchors, [service.authorities.service.certificate]);
    });
  }

  test('again stays the same connector, and keeps the earlier certificate', async () => {
    const dataDir = service.dataDir('again');
    const first = await registerConnector(options({ dataDir }));

    const second = await registerConnector(options({ dataDir, key: 'rsa3072' }));
    const third = await registerConnector(options({ dataDir: service.dataDir('other') }));

    assert.deepEqual([first.isNewConnector, second.isNewConnector], [true, false]);
    assert.equal(second.connectorId, first.connectorId);
    assert.notEqual(third.connectorId, first.connectorId);
    const { pairs } = await loadIdentity(dataDir, Date.now());
    assert.deepEqual(pairs.map(pair => pair.thumbprint).sort(), [first.thumbprint, second.thumbprint].sort());
    assert.equal(pairs[0]?.thumbprint, second.thumbprint);
  });

  test('again becomes a new connector where that is asked for, or where the earlier one was revoked', async () => {
    const dataDir = service.dataDir('again-new');
    const first = await registerConnector(options({ dataDir }));
    const asked = await registerConnector(options({ dataDir, isNew: true }));
    await revokeConnector(service.directory, asked.connectorId);

    const afterwards = await registerConnector(options({ dataDir }));

    assert.deepEqual([asked.isNewConnector, afterwards.isNewConnector], [true, true]);
    assert.equal(new Set([first.connectorId, asked.connectorId, afterwards.connectorId]).size, 3);
  });
});

describe('a registration with an enrolment token', () => {
  const enrol = async (token: string, more: Partial<RegisterOptions> = {}) =>
    registerConnector(options({ service: undefined, caFile: undefined, token, ...more }));

  test('needs no service, no CA file and no administrator, and joins the group of the token', async () => {
    const group = await createConnectorGroup(service.directory, { name: 'Enrolled' });
    const token = await service.enrolmentToken({ connectorGroupId: group.id });

    const done = await enrol(`${token}\n`);

    assert.equal(done.connectorGroupId, group.id);
    assert.equal(done.connectHost, `connect.${domain}`);
  });

  test('goes by the authorities of the machine where the token names no root', async () => {
    const token = await service.enrolmentToken({ rootSha256: null });

    await assert.rejects(enrol(token), { code: 'untrusted_service', category: 'trust_establishment' });
    assert.equal((await enrol(token, { caFile: service.caFile })).isNewConnector, true);
  });

  test('stops at a service that shows another root, and gives it nothing', async () => {
    const token = await service.enrolmentToken({ rootSha256: 'AB'.repeat(32) });
    const before = service.events.length;

    const error = await failureOf({ service: undefined, caFile: undefined, token });

    assert.deepEqual([error.category, error.code], ['trust_establishment', 'unexpected_root']);
    assert.match(error.message, /was issued by "Postern local CA for/);
    assert.match(error.remedy, /has to let this name pass untouched/);
    assert.equal(service.events.length, before);
  });

  test('survives that the answer is lost, and uses the token once', async () => {
    const token = await service.enrolmentToken();
    service.answersToCut = 2;

    const done = await enrol(token);

    const registered = service.events.filter(
      event => event.kind === 'connector_registered' && event.connectorId === done.connectorId,
    );
    assert.equal(registered.length, 1);
    assert.equal(service.answersToCut, 0);
  });

  test('says so where no answer comes at all', async t => {
    const token = await service.enrolmentToken();
    service.answersToCut = 10;
    t.after(() => {
      service.answersToCut = 0;
    });

    const error = await failureOf({ service: undefined, caFile: undefined, token });

    assert.deepEqual([error.category, error.code], ['connectivity', 'unreachable']);
    assert.equal(service.answersToCut, 7);
  });

  test('is not content with the root where the certificate is for another name', async t => {
    const leaf = await issueServerLeaf(service.authorities.local, ['other.localhost'], Date.now());
    const cert = leaf.certificate + service.authorities.local.certificate;
    const sent: Buffer[] = [];
    const server = createTlsServer({ cert, key: leaf.privateKey }, socket => {
      socket.on('error', () => {}).on('data', bytes => sent.push(bytes));
    });
    server.on('tlsClientError', () => {});
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const token = parseEnrolmentToken(await service.enrolmentToken());

    const error = await failureOf({
      service: undefined,
      caFile: undefined,
      token: formatEnrolmentToken({ ...token, port }),
    });

    assert.deepEqual([error.category, error.code], ['trust_establishment', 'untrusted_service']);
    assert.match(error.message, /ERR_TLS_CERT_ALTNAME_INVALID/);
    assert.deepEqual(sent, []);
  });

  test('that is damaged, used up, or for another service is told apart', async () => {
    const token = await service.enrolmentToken();
    await enrol(token);

    for (const [more, code, remedy] of [
      [{ token: token.slice(0, -3) }, 'enrolment_token_damaged', /Copy the whole token again/],
      [{ token }, 'enrolment_token_used_up', /enrolment-token create/],
      [{ token, service: 'example.com' }, 'bad_option', /Leave out --service/],
    ] as const) {
      const error = await failureOf({ service: undefined, caFile: undefined, ...more });
      assert.equal(error.code, code);
      assert.match(error.remedy, remedy);
      assert.ok(!`${error.message} ${error.remedy} ${error.stack}`.includes(token.slice(20, 60)));
    }
  });
});

describe('a failed registration says where and why, and what to do', () => {
  test('not an administrator', async () => {
    const dataDir = service.dataDir('refused');

    const error = await failureOf({ token: 'somebody', dataDir });

    assert.deepEqual([error.category, error.code], ['admin_authentication', 'not_authorized']);
    assert.match(error.message, /Application Administrator/);
    assert.match(error.remedy, /role/);
    assert.deepEqual(readdirSync(path.join(dataDir, 'certificates', 'machine')), [], 'the key is gone');
    assert.equal(existsSync(path.join(dataDir, 'Config', 'TrustSettings.xml')), false);
  });

  test('a token that is not accepted', async () => {
    const error = await failureOf({ token: 'mallory' });

    assert.deepEqual([error.category, error.code], ['admin_authentication', 'not_authenticated']);
  });

  test('a name that does not resolve', async () => {
    const error = await failureOf({ service: 'no-such-name.invalid' });

    assert.equal(error.category, 'connectivity');
    assert.match(error.code, /name_not_resolved|unreachable/);
    assert.match(error.message, /connect\.no-such-name\.invalid/);
  });

  test('nobody listens', async () => {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise(resolve => server.close(resolve));

    const error = await failureOf({ service: `${domain}:${port}` });

    assert.deepEqual([error.category, error.code], ['connectivity', 'unreachable']);
    assert.match(error.message, /ECONNREFUSED/);
    assert.match(error.remedy, /outbound TCP/);
  });

  test('somebody listens and never answers', async t => {
    const server = createServer(socket => {
      socket.on('error', () => {});
      t.after(() => socket.destroy());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;

    const error = await failureOf({ service: `${domain}:${port}`, timeoutMs: 1_000 });

    assert.deepEqual([error.category, error.code], ['connectivity', 'unreachable']);
    assert.match(error.message, /in time/);
  });

  test('somebody answers who speaks no TLS', async t => {
    const server = createServer(socket => socket.on('error', () => {}).end('HTTP/1.1 400 no\r\n\r\n'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;

    const error = await failureOf({ service: `${domain}:${port}` });

    assert.deepEqual([error.category, error.code], ['trust_establishment', 'tls_failed']);
  });

  test('an authority that this machine does not know', async () => {
    const error = await failureOf({ caFile: undefined });

    assert.deepEqual([error.category, error.code], ['trust_establishment', 'untrusted_service']);
    assert.match(error.remedy, /--ca-file/);
  });

  test('a certificate for another name', async () => {
    const error = await failureOf({ service: `other.localhost:${service.registrationPort}` });

    assert.deepEqual([error.category, error.code], ['trust_establishment', 'untrusted_service']);
  });

  test('a CA file that is none', async () => {
    const file = path.join(service.folder, 'no-ca.pem');
    writeFileSync(file, 'hello');

    assert.equal((await failureOf({ caFile: file })).code, 'ca_file');
    assert.equal((await failureOf({ caFile: '/nowhere/ca.pem' })).code, 'ca_file');
  });

  test('a data folder that cannot be written', async () => {
    const file = path.join(service.folder, 'a-file');
    writeFileSync(file, '');

    const error = await failureOf({ dataDir: path.join(file, 'data') });

    assert.equal(error.code, 'data_folder');
    assert.match(error.remedy, /--data/);
  });

  test('a connector group that does not exist', async () => {
    const error = await failureOf({ connectorGroupId: 'none' });

    assert.deepEqual([error.category, error.code], ['trust_establishment', 'unknown_connector_group']);
  });

  test('a token is in no message', async () => {
    const error = await failureOf({ token: 'mallory' });

    assert.doesNotMatch(`${error.message} ${error.remedy} ${error.stack}`, /mallory/);
  });
});

describe('the service may be named', () => {
  for (const [text, host, port] of [
    ['example.com', 'connect.example.com', 443],
    ['example.com:8443', 'connect.example.com', 8443],
    ['connect.example.com', 'connect.example.com', 443],
    ['https://connect.example.com:8443/', 'connect.example.com', 8443],
    ['Example.COM', 'connect.example.com', 443],
  ] as const) {
    test(`"${text}"`, () => assert.deepEqual(parseService(text), { host, port }));
  }

  for (const text of ['', 'http://example.com', 'https://user@example.com', 'a b', ':443']) {
    test(`but not "${text}"`, () => assert.throws(() => parseService(text), { code: 'bad_option' }));
  }
});

test('a machine store whose permissions were widened is narrowed', async () => {
  const dataDir = service.dataDir('wide');
  mkdirSync(path.join(dataDir, 'certificates', 'machine'), { recursive: true, mode: 0o755 });

  await registerConnector(options({ dataDir }));

  assert.equal(statSync(path.join(dataDir, 'certificates', 'machine')).mode & 0o777, 0o700);
});
