import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AllowList } from './allow-list.ts';

describe('an allow-list without entries', () => {
  const list = new AllowList();

  test('allows every address but those where clouds give away credentials', () => {
    for (const address of ['10.0.0.1', '127.0.0.1', '::1', '8.8.8.8', '2001:db8::1', 'fd00:ec2::1']) {
      assert.equal(list.allowsAddress(address), true, address);
    }
    for (const address of ['169.254.169.254', 'fe80::1', '::ffff:169.254.169.254', 'fd00:ec2::254']) {
      assert.equal(list.allowsAddress(address), false, address);
    }
  });
});

describe('networks', () => {
  const list = new AllowList(['10.1.0.0/16', '2001:db8::/32', '192.168.7.7']);

  test('are compared with the address that is dialled', () => {
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::9', '192.168.7.7']) {
      assert.equal(list.allowsAddress(address), true, address);
    }
    for (const address of ['10.2.0.1', '2001:db9::1', '192.168.7.8', '127.0.0.1', '::1']) {
      assert.equal(list.allowsAddress(address), false, address);
    }
  });

  test('say nothing about names', () => assert.equal(list.allowsHost('wiki.corp', 80), false));
});

describe('hosts', () => {
  const list = new AllowList(['wiki.corp.example:443', 'any.example', '[2001:db8::1]:80', '10.0.0.5:8080']);

  test('are allowed with their port, in any spelling', () => {
    assert.equal(list.allowsHost('Wiki.Corp.Example.', 443), true);
    assert.equal(list.allowsHost('any.example', 1234), true);
    assert.equal(list.allowsHost('2001:DB8::1', 80), true);
    assert.equal(list.allowsHost('10.0.0.5', 8080), true);
  });

  test('are not allowed with another, nor are names that end alike', () => {
    assert.equal(list.allowsHost('wiki.corp.example', 80), false);
    assert.equal(list.allowsHost('evil-any.example', 80), false);
    assert.equal(list.allowsHost('x.any.example', 80), false);
    assert.equal(list.allowsHost('10.0.0.5', 80), false);
    assert.equal(list.allowsAddress('10.0.0.5'), false);
  });
});

test('an entry that cannot be understood is refused by name', () => {
  for (const entry of [
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    'a b',
    'host:0',
    'host:99999',
    'http://x',
    '::1/129',
    '/8',
    '*corp',
    ':80',
  ]) {
    assert.throws(() => new AllowList([entry]), RangeError, entry);
  }
});

describe('wildcards', () => {
  const list = new AllowList(['*.corp.example', '*.lab.example:8080']);

  test('allow every host under their name, at their port', () => {
    assert.equal(list.allowsHost('wiki.corp.example', 443), true);
    assert.equal(list.allowsHost('A.B.Corp.Example.', 80), true);
    assert.equal(list.allowsHost('wiki.lab.example', 8080), true);
  });

  test('allow nothing else', () => {
    assert.equal(list.allowsHost('corp.example', 443), false);
    assert.equal(list.allowsHost('evilcorp.example', 443), false);
    assert.equal(list.allowsHost('wiki.lab.example', 80), false);
    assert.equal(list.allowsAddress('10.0.0.5'), false);
    assert.throws(() => new AllowList(['wi*ki.corp.example']), RangeError);
    assert.throws(() => new AllowList(['a.*.example']), RangeError);
  });
});
