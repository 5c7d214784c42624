import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { expandWildcard, isWildcardHost, wildcardLabels } from './wildcard-host.ts';

describe('wildcard hosts', () => {
  for (const [host, labels] of [
    ['a.corp.example', 'a'],
    ['a.b.corp.example', 'a.b'],
    ['xn--bcher-kva.corp.example', 'xn--bcher-kva'],
    ['0-9.corp.example', '0-9'],
  ] as const) {
    test(`*.corp.example stands for ${host}`, () => {
      assert.equal(wildcardLabels('*.corp.example', host), labels);
    });
  }

  for (const host of [
    'corp.example',
    '.corp.example',
    'acorp.example',
    'a.corp.example.evil.example',
    'a..corp.example',
    '-a.corp.example',
    'a-.corp.example',
    'a_b.corp.example',
    'A.corp.example',
    '*.corp.example',
    'a:80.corp.example',
    'a/b.corp.example',
    'a@b.corp.example',
    'a%2e.corp.example',
    `${'a'.repeat(64)}.corp.example`,
    `${'a.'.repeat(121)}corp.example`,
  ]) {
    test(`*.corp.example does not stand for ${host.slice(0, 80)}`, () => {
      assert.equal(wildcardLabels('*.corp.example', host), null);
    });
  }

  test('labels go from one name into another as far as it stays a name', () => {
    assert.equal(expandWildcard('*.inside.example', 'a.b'), 'a.b.inside.example');
    assert.equal(expandWildcard(`*.${'inside.'.repeat(30)}example`, 'a'.repeat(63)), null);
    assert.equal(isWildcardHost('*.corp.example'), true);
    assert.equal(isWildcardHost('a.corp.example'), false);
  });
});
