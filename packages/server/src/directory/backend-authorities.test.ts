import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TestAuthority } from '../domains/test-authority.ts';
import { parseBackendAuthorities } from './backend-authorities.ts';

const property = 'backendCertificateAuthorities';

describe('certificates that connectors trust for a backend', () => {
  test('are kept without what stands between them', () => {
    using authority = new TestAuthority();
    const { root, intermediate } = authority;

    assert.equal(parseBackendAuthorities(`Our root:\n${root}\n\n${intermediate}`), root + intermediate);
  });

  test('are refused with the reason', () => {
    using authority = new TestAuthority();
    const { certificate, key } = authority.selfSigned('wiki.corp.example');
    const torn = certificate.replace(/^(.{64}\n)(.{64}\n)/m, '$1');

    for (const [text, reason] of [
      ['', /no certificate/],
      ['MIIB', /no certificate/],
      [certificate + key, /private key/],
      [certificate.repeat(11), /at most 10/],
      [certificate + torn, /Certificate 2 of 2 cannot be read/],
    ] as const) {
      assert.throws(() => parseBackendAuthorities(text), { code: 'invalid', property, message: reason });
    }
  });
});
