import assert from 'node:assert/strict';
import { test } from 'node:test';
import { passwordObjection } from './password-rules.ts';
import { normalizeSignInName } from './sign-in-name.ts';

const object = (password: string, names: string[] = []) => passwordObjection(password, 12, names);

test('a password of twelve characters is accepted, one of eleven is told how many it has', () => {
  assert.equal(object('abcdefgh1234'), null);
  assert.match(object('abcdefgh123') ?? '', /has 11 characters.*at least 12/);
});

test('characters are counted as people see them, not as UTF-16 does', () => {
  assert.match(object('🔑🔒🚪🏰🌉🛶') ?? '', /has 6 characters/);
});

test('a repetition and the own name are refused', () => {
  assert.match(object('abababababab') ?? '', /repeats/);
  assert.match(object('Ann.Miller@Example.com', ['ann.miller@example.com']) ?? '', /name you sign in with/);
  assert.match(object('ann.miller-lee', ['Ann.Miller-Lee@example.com']) ?? '', /name you sign in with/);
});

test('a password beyond all reason is refused before anybody hashes it', () => {
  assert.match(object('abcdef'.repeat(200)) ?? '', /at most/);
});

test('every spelling of a name is one name', () => {
  for (const spelling of ['ann@example.com', ' ANN@example.COM ', 'Ann@Example.com\t']) {
    assert.equal(normalizeSignInName(spelling), 'ann@example.com');
  }
  assert.equal(normalizeSignInName('JOSE\u0301'), normalizeSignInName('Jos\u00e9'));
});
