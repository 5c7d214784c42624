import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { ApplicationRecord, CredentialRecord } from '../feed/messages.ts';
import { MessageHead as Head, HeadReader, type MessageHead } from '../http1/head.ts';
import { applicationRecord } from '../routes/record-for-tests.ts';
import { clientsOf, type RouteClients } from '../routes/route-clients.ts';
import { TokenVerifier } from './access-tokens.ts';
import { type ClientCheckParts, checkClient, isOurs, readPresented } from './client-credentials.ts';
import { FailedClients } from './failed-clients.ts';

const now = Date.UTC(2030, 0, 1);
const clientId = '11111111-1111-4111-8111-111111111111';
const tokens = new TokenVerifier(() => ({ issuer: 'https://login.example.test', keys: [] }));

function credential(id: string, secret: string, expiresAt = now + 1_000): CredentialRecord {
  return { id, clientId, displayName: null, secretHash: hash('sha256', secret, 'base64url'), expiresAt };
}

function clients(more: Partial<ApplicationRecord> = {}): RouteClients {
  const made = clientsOf(
    applicationRecord('files', 'https://files.example.test/', undefined, {
      credentials: [credential('one', 'first'), credential('two', 'second'), credential('old', 'past', now)],
      ...more,
    }),
  );
  assert.ok(made);
  return made;
}

function head(authorization: string): MessageHead {
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: files\r\n${authorization}\r\n`, 'latin1');
  const parsed = new Head();
  const limits = { maxHeadBytes: 16_384, maxFields: 100, maxTargetBytes: 1_024 };
  assert.ok(new HeadReader().readRequest(bytes, 0, bytes.length, limits, parsed));
  return parsed;
}

function field(name: string, secret: string): string {
  return `Authorization: Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}\r\n`;
}

function partsOf(used: string[] = []): ClientCheckParts {
  return {
    tokens,
    failures: new FailedClients({ maxFailures: 3, windowMs: 60_000 }, () => now),
    currentSession: () => undefined,
    onUse: id => used.push(id),
    now: () => now,
  };
}

const check = (authorization: string, parts = partsOf(), of = clients()) =>
  checkClient(readPresented(head(authorization), tokens), 'files', of, '192.0.2.1', parts);

describe('a credential of an application', () => {
  test('lets in with either of its client’s secrets, and says which was used', () => {
    const used: string[] = [];
    const parts = partsOf(used);

    const first = check(field(clientId, 'first'), parts);
    const second = check(field(clientId.toUpperCase(), 'second'), parts);

    assert.equal(first.kind === 'known' && first.session.user.id, clientId);
    assert.equal(second.kind, 'known');
    assert.deepEqual(used, ['one', 'two']);
  });

  test('does not with a wrong, empty or expired one, nor where Basic is not taken', () => {
    assert.equal(check(field(clientId, 'third')).kind, 'wrong');
    assert.equal(check(field(clientId, '')).kind, 'wrong');
    assert.equal(check(field(clientId, 'past')).kind, 'wrong');
    const clientAuthentication = { isBasicAllowed: false, isBearerAllowed: true, isTokenPassedOn: false };
    assert.equal(check(field(clientId, 'first'), partsOf(), clients({ clientAuthentication })).kind, 'wrong');
  });

  test('is not looked at after too many wrong ones, right or wrong', () => {
    const parts = partsOf();
    for (let guess = 0; guess < 3; guess++) check(field(clientId, 'third'), parts);

    const answer = check(field(clientId, 'first'), parts);

    assert.equal(answer.kind === 'blocked' && answer.waitSeconds, 30);
  });

  test('stays with the service, right or wrong; what is not ours passes', () => {
    const ours = [field(clientId, 'first'), field(clientId, 'third')];
    const foreign = [
      field('ada', 'her password'),
      field(clientId.replace('1', '2'), 'first'),
      'Authorization: Bearer opaque\r\n',
      'Authorization: Negotiate abc\r\n',
      `${field(clientId, 'first')}${field(clientId, 'first')}`,
    ];

    for (const one of ours) assert.equal(isOurs(readPresented(head(one), tokens), clients()), true, one);
    for (const one of foreign) {
      assert.equal(isOurs(readPresented(head(one), tokens), clients()), false, one);
      assert.equal(check(one).kind, 'foreign', one);
    }
  });
});

describe('an application', () => {
  test('of which nobody could say anything pays for nothing', () => {
    const settings = { isBasicAllowed: true, isBearerAllowed: false, isTokenPassedOn: false };
    const record = (more: Partial<ApplicationRecord>) =>
      applicationRecord('files', 'https://files.example.test/', undefined, more);

    assert.equal(clientsOf(record({ preAuthentication: 'passthrough' })), null);
    assert.equal(clientsOf(record({ clientAuthentication: settings })), null);
    assert.notEqual(clientsOf(record({})), null);
  });
});
