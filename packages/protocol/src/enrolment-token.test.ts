import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  type EnrolmentToken,
  enrolmentTokenPrefix,
  formatEnrolmentToken,
  isEnrolmentToken,
  parseEnrolmentToken,
} from './enrolment-token.ts';

function example(more: Partial<EnrolmentToken> = {}): EnrolmentToken {
  return {
    host: 'connect.example.com',
    port: 8443,
    rootSha256: randomBytes(32).toString('hex').toUpperCase(),
    connectorGroupId: randomUUID(),
    secret: randomBytes(32).toString('base64url'),
    ...more,
  };
}

describe('an enrolment token', () => {
  for (const [title, more] of [
    ['with the fingerprint of a root', {}],
    ['for a service with a public certificate', { rootSha256: null }],
    ['on the usual port', { port: 443 }],
  ] as const) {
    test(`${title} is one printable word that says what it was made from`, () => {
      const token = example(more);

      const text = formatEnrolmentToken(token);

      assert.match(text, /^postern_enrolment_[A-Za-z0-9_-]+$/);
      assert.ok(text.length < 200, `${text.length} characters`);
      assert.ok(isEnrolmentToken(`${text}\n`));
      assert.deepEqual(parseEnrolmentToken(text), token);
    });
  }

  test('is understood with line breaks and blanks that programs put into it', () => {
    const token = example();
    const text = formatEnrolmentToken(token);

    const broken = ` ${text.slice(0, 80)}\r\n  ${text.slice(80)}\n`;

    assert.deepEqual(parseEnrolmentToken(broken), token);
  });

  test('that was cut off, wherever, is told from a wrong one', () => {
    const text = formatEnrolmentToken(example());

    for (let length = enrolmentTokenPrefix.length; length < text.length; length++) {
      assert.throws(() => parseEnrolmentToken(text.slice(0, length)), { code: 'damaged' }, `${length}`);
    }
    for (const other of ['', 'hello', text.slice(1), 'eyJhbGciOiJub25lIn0']) {
      assert.throws(() => parseEnrolmentToken(other), { code: 'not_a_token' });
    }
  });

  test('with a changed character is damaged, and the error holds nothing of it', () => {
    const token = example();
    const text = formatEnrolmentToken(token);
    const at = enrolmentTokenPrefix.length + 10;
    const changed = `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;

    assert.throws(
      () => parseEnrolmentToken(changed),
      (error: Error & { code: string }) =>
        error.code === 'damaged' && !String(error.stack).includes(text.slice(at + 1, at + 20)),
    );
  });

  test('cannot be made from a secret that is too short', () => {
    assert.throws(() => formatEnrolmentToken(example({ secret: 'AAAA' })), RangeError);
  });
});
