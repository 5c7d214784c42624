import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { loadMasterKey } from './master-key.ts';
import { openStore } from './open.ts';
import { hasSealedSecrets, SealedSecrets } from './sealed-secrets.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-secrets-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('sealed secrets', async () => {
  const db = await openStore(path.join(folder, 'postern.db'));
  after(() => db.destroy());
  const masterKey = randomBytes(32);
  const secrets = new SealedSecrets(db, masterKey);

  test('what was sealed is unsealed, and the table does not show it', async () => {
    await secrets.seal('registration-ca', 'the key');

    assert.equal((await secrets.unseal('registration-ca'))?.toString(), 'the key');
    const { sealed } = await db.selectFrom('sealedSecret').selectAll().executeTakeFirstOrThrow();
    assert(!Buffer.from(sealed, 'base64').includes('the key'));
    assert.equal(await hasSealedSecrets(db), true);
  });

  test('sealing under the same name again replaces the secret', async () => {
    await secrets.seal('oidc-keys', 'old');
    await secrets.seal('oidc-keys', Buffer.from([0, 255, 1]));

    assert.deepEqual(await secrets.unseal('oidc-keys'), Buffer.from([0, 255, 1]));
  });

  test('a name without a secret gives null', async () => {
    assert.equal(await secrets.unseal('nothing'), null);
  });

  test('a secret copied to another name, a changed one and a foreign master key are refused', async () => {
    await secrets.seal('a', 'secret');
    const { sealed } = await db
      .selectFrom('sealedSecret')
      .selectAll()
      .where('name', '=', 'a')
      .executeTakeFirstOrThrow();
    const changed = Buffer.from(sealed, 'base64');
    changed[changed.length - 1] ^= 1;
    await db
      .insertInto('sealedSecret')
      .values([
        { name: 'copied', sealed, createdAt: 0 },
        { name: 'changed', sealed: changed.toString('base64'), createdAt: 0 },
        { name: 'cut', sealed: sealed.slice(0, 8), createdAt: 0 },
      ])
      .execute();

    for (const name of ['copied', 'changed', 'cut']) {
      await assert.rejects(secrets.unseal(name), { code: 'master_key_wrong' });
    }
    await assert.rejects(new SealedSecrets(db, randomBytes(32)).unseal('a'), { code: 'master_key_wrong' });
  });
});

describe('the master key', () => {
  test('is made once, 0600 in a 0700 folder, and read from then on', () => {
    const file = path.join(folder, 'keys', 'master.key');

    const made = loadMasterKey({ file, mayCreate: true });
    const read = loadMasterKey({ file, mayCreate: false });

    assert.equal(made.length, 32);
    assert.deepEqual(read, made);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(path.dirname(file)).mode & 0o777, 0o700);
  });

  test('comes from the environment where it is set there', () => {
    const key = randomBytes(32);
    const file = path.join(folder, 'not-made.key');

    assert.deepEqual(loadMasterKey({ file, fromEnvironment: key.toString('base64'), mayCreate: false }), key);
    assert.throws(() => statSync(file), { code: 'ENOENT' });
  });

  test('is not made anew for a database that holds secrets', () => {
    const file = path.join(folder, 'lost', 'master.key');

    assert.throws(() => loadMasterKey({ file, mayCreate: false }), { code: 'master_key_missing' });
  });

  test('that cannot be written is told in a sentence', () => {
    const notAFolder = path.join(folder, 'postern.db');

    assert.throws(() => loadMasterKey({ file: path.join(notAFolder, 'master.key'), mayCreate: true }), {
      name: 'StoreError',
      code: 'storage_failed',
    });
  });

  test('of another length is refused, naming where it came from', () => {
    const file = path.join(folder, 'short.key');
    writeFileSync(file, 'c2hvcnQ=\n');

    assert.throws(() => loadMasterKey({ file, mayCreate: true }), {
      code: 'master_key_invalid',
      message: /short\.key must hold 32 bytes in base64; it holds 5/,
    });
    assert.throws(() => loadMasterKey({ file, fromEnvironment: 'xx', mayCreate: true }), {
      message: /POSTERN_MASTER_KEY/,
    });
  });
});
