import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PasswordHasher } from './password-hash.ts';

test('a hash is a PHC string of argon2id, salted anew each time, and matches its password alone', async () => {
  const hasher = new PasswordHasher();

  const first = await hasher.hash('correct horse');
  const second = await hasher.hash('correct horse');

  assert.match(first, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.notEqual(first, second);
  assert.equal(await hasher.verify('correct horse', first), true);
  assert.equal(await hasher.verify('correct horsf', first), false);
});

test('a hash made by another implementation with other costs is read', async () => {
  const hasher = new PasswordHasher();
  const { argon2Sync } = await import('node:crypto');
  const nonce = Buffer.from('0123456789abcdef');
  const digest = argon2Sync('argon2id', {
    message: 'secret words',
    nonce,
    memory: 8_192,
    passes: 1,
    parallelism: 1,
    tagLength: 32,
  });
  const encode = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');

  assert.equal(
    await hasher.verify('secret words', `$argon2id$v=19$m=8192,t=1,p=1$${encode(nonce)}$${encode(digest)}`),
    true,
  );
});

test('without an account the work is done all the same, and the answer is no', async () => {
  assert.equal(await new PasswordHasher().verify('', null), false);
});

test('a password is the same however its accents were typed', async () => {
  const hasher = new PasswordHasher();

  assert.equal(await hasher.verify('cafe\u0301 au lait', await hasher.hash('caf\u00e9 au lait')), true);
});

test('more passwords at once than may wait are refused as busy, and the others are answered', async () => {
  const hasher = new PasswordHasher({ concurrency: 1, maxWaiting: 2 });

  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => hasher.verify('x', null)));

  assert.deepEqual(
    outcomes.map(outcome => outcome.status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
  );
  assert.equal(outcomes[4].status === 'rejected' && outcomes[4].reason.code, 'busy');
  assert.equal(await hasher.verify('x', null), false);
});
