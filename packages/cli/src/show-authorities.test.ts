import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateAuthority } from '@postern/protocol/admin/certificate-authorities';
import { formatAge } from './format-time.ts';
import { authorityTable } from './show-authorities.ts';

const signing: CertificateAuthority = {
  name: 'service',
  state: 'signing',
  subject: 'serviceca.example.com',
  sha256: 'AB'.repeat(32),
  startDateTime: '2026-01-01T00:00:00.000Z',
  expirationDateTime: '2036-01-01T00:00:00.000Z',
  retirementDateTime: null,
  signingDateTime: null,
  waitsForCount: 0,
  waitsFor: [],
};

test('authorities are a line each, and below stands who is waited for', () => {
  const waitsFor = [{ id: 'c-1', machineName: 'srv-01', lastSeenDateTime: null }];
  const announced: CertificateAuthority = { ...signing, state: 'announced', waitsForCount: 3, waitsFor };

  const local: CertificateAuthority = {
    ...{ ...signing, name: 'local', state: 'announced' },
    signingDateTime: '2026-04-01T00:00:00.000Z',
  };

  const text = authorityTable([signing, announced, local]);

  assert.equal(
    text,
    [
      'AUTHORITY  STATE                       EXPIRES     SHA-256',
      'service    signs                       2036-01-01  ABABABABABABABAB…',
      'service    trusted, does not sign yet  2036-01-01  ABABABABABABABAB…',
      'local      signs from 2026-04-01 on    2036-01-01  ABABABABABABABAB…',
      '',
      'The new authority signs when these have connected, or were revoked:',
      '  srv-01 (c-1), never seen',
      '  and 2 more',
    ].join('\n'),
  );
});

test('ages are told in their greatest unit', () => {
  const now = Date.parse('2026-01-02T00:00:00.000Z');
  const ages = [0, 59_000, 60_000, 3_600_000, 86_400_000, 10 * 86_400_000];

  assert.deepEqual(
    ages.map(age => formatAge(new Date(now - age).toISOString(), now)),
    ['0 s ago', '59 s ago', '1 min ago', '1 h ago', '1 d ago', '10 d ago'],
  );
  assert.equal(formatAge(new Date(now + 5_000).toISOString(), now), '0 s ago');
});
