import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CredentialRecord } from '../feed/messages.ts';
import { HeadReader, MessageHead } from '../http1/head.ts';
import { applicationRecord } from '../routes/record-for-tests.ts';
import { clientsOf } from '../routes/route-clients.ts';
import { RouteTable } from '../routes/route-table.ts';
import { TokenVerifier } from './access-tokens.ts';
import { certifiedClient, notAsked } from './client-certificate.ts';
import { checkClient } from './client-credentials.ts';
import { FailedClients } from './failed-clients.ts';

const now = Date.UTC(2030, 0, 1);
const host = 'files.example.test';
const clientId = '11111111-1111-4111-8111-111111111111';
const certificate = 'AB'.repeat(32);

function credential(id: string, certificateSha256: string, expiresAt = now + 1_000): CredentialRecord {
  return { id, clientId, displayName: 'job', secretHash: '', certificateSha256, expiresAt };
}

const application = applicationRecord('files', `https://${host}/`, undefined, {
  credentials: [credential('one', certificate), credential('old', 'CD'.repeat(32), now)],
});
const clients = clientsOf(application);

function head(fields = ''): MessageHead {
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`, 'latin1');
  const parsed = new MessageHead();
  const limits = { maxHeadBytes: 16_384, maxFields: 100, maxTargetBytes: 1_024 };
  assert.ok(new HeadReader().readRequest(bytes, 0, bytes.length, limits, parsed));
  return parsed;
}

function whoIs(presented: string | null, askedAt: string | null = host, fields = '', of = clients) {
  const used: string[] = [];
  const parts = { onUse: (id: string) => void used.push(id), now: () => now };
  const found = certifiedClient(head(fields), host, of, { askedAt, certificate: presented }, parts);
  return { found, used };
}

describe('the certificate of a connection', () => {
  test('speaks for the client that it is a credential of, and says that it was used', () => {
    const { found, used } = whoIs(certificate);

    assert.ok(found !== null && found !== 'misdirected');
    assert.equal(found.user.id, clientId);
    assert.equal(found.credential?.id, 'one');
    assert.deepEqual(used, ['one']);
    assert.equal(whoIs(certificate, 'other.example.test').used[0], 'one');
  });

  test('speaks for nobody once it has expired, where it is unknown, or in a browser', () => {
    assert.equal(whoIs('CD'.repeat(32)).found, null);
    assert.equal(whoIs('EF'.repeat(32)).found, null);
    assert.equal(whoIs(null).found, null);
    assert.equal(whoIs(certificate, host, 'Sec-Fetch-Site: cross-site\r\n').found, null);
    assert.equal(whoIs(null, null, 'Sec-Fetch-Site: none\r\n').found, null);
  });

  test('has to be asked for at the host itself, where there are any, and no proxy ends TLS before', () => {
    assert.equal(whoIs(null, null).found, 'misdirected');
    assert.equal(whoIs('EF'.repeat(32), 'other.example.test').found, 'misdirected');
    const parts = { onUse: () => assert.fail('nothing was used'), now: () => now };
    assert.equal(certifiedClient(head(), host, clients, null, parts), null);
    const without = clientsOf(applicationRecord('files', `https://${host}/`));
    assert.equal(whoIs(notAsked.certificate, notAsked.askedAt, '', without).found, null);
  });

  test('is asked for at hosts of applications that take some', () => {
    const table = new RouteTable([application, applicationRecord('wiki', 'https://wiki.example.test/')], {
      domain: 'example.test',
      portSuffix: '',
    });

    assert.equal(table.findHost(host)?.takesCertificates, true);
    assert.equal(table.findHost('wiki.example.test')?.takesCertificates, false);
  });

  test('is not taken at passthrough, where nobody need say who they are', () => {
    const open = clientsOf({ ...application, preAuthentication: 'passthrough' });

    assert.equal(open?.certificates, null);
  });

  test('is no secret: its client cannot be had with the name and an empty password', () => {
    assert.ok(clients);
    const secretHash = Buffer.alloc(0);
    const parts = {
      tokens: new TokenVerifier(() => null),
      failures: new FailedClients({ maxFailures: 3, windowMs: 60_000 }, () => now),
      currentSession: () => undefined,
      onUse: () => assert.fail('nothing was used'),
      now: () => now,
    };
    const check = checkClient({ kind: 'basic', clientId, secretHash }, 'files', clients, 'here', parts);

    assert.deepEqual(check, { kind: 'foreign' });
  });
});
