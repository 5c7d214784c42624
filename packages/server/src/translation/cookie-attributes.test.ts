import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { withCookieAttributes } from './cookie-attributes.ts';

describe('the attributes of a backend’s cookie (RFC 6265 §4.1.2)', () => {
  for (const [sent, got] of [
    ['a=b', 'a=b; HttpOnly; Secure'],
    ['a=b; Path=/', 'a=b; Path=/; HttpOnly; Secure'],
    ['a=b;Secure;HttpOnly', 'a=b;Secure;HttpOnly'],
    ['a=b; SECURE; httponly', 'a=b; SECURE; httponly'],
    ['a=b; secure ; HTTPONLY\t', 'a=b; secure ; HTTPONLY\t'],
    ['a=b; HttpOnly=yes', 'a=b; HttpOnly=yes; Secure'],
    ['a=b; ', 'a=b; HttpOnly; Secure'],
    ['a=b;;  ;', 'a=b; HttpOnly; Secure'],
    ['a=b; Max-Age=0', 'a=b; Max-Age=0; HttpOnly; Secure'],
    ['a=httponly;', 'a=httponly; HttpOnly; Secure'],
    // Browsers know no quotes: a semicolon ends the pair.
    ['a="x; HttpOnly"; Path=/', 'a="x; HttpOnly"; Path=/; HttpOnly; Secure'],
    ['a=; Path=/', 'a=; Path=/; HttpOnly; Secure'],
    // What sets no cookie stays as it is.
    ['', ''],
    ['; Path=/', '; Path=/'],
    ['nothing', 'nothing'],
    ['=value', '=value'],
    ['flag; a=b', 'flag; a=b'],
    // Pages have to read these.
    ['XSRF-TOKEN=t; Path=/', 'XSRF-TOKEN=t; Path=/; Secure'],
    ['csrftoken=t; SameSite=Lax', 'csrftoken=t; SameSite=Lax; Secure'],
    ['_xsrf=2|a', '_xsrf=2|a; Secure'],
  ] as const) {
    test(`${JSON.stringify(sent)} becomes ${JSON.stringify(got)}`, () =>
      assert.equal(withCookieAttributes(sent, true), got));
  }

  test('without the setting HttpOnly is the backend’s business, and Secure is not', () => {
    assert.equal(withCookieAttributes('a=b; Path=/', false), 'a=b; Path=/; Secure');
    assert.equal(withCookieAttributes('a=b; HttpOnly; Secure', false), 'a=b; HttpOnly; Secure');
  });
});
