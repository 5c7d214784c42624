import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { sql } from 'kysely';
import { migrations } from './migrate.ts';
import { openStore } from './open.ts';
import { StoreError } from './store-error.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-store-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const newFile = () => path.join(folder, `store-${++files}`, 'postern.db');

describe('opening the store', () => {
  test('a new database is 0600, has the tables and the default connector group', async () => {
    const file = newFile();

    await using db = await openStore(file);

    const groups = await db.selectFrom('connectorGroup').select(['name', 'isDefault']).execute();
    assert.deepEqual({ ...groups[0] }, { name: 'Default', isDefault: 1 });
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(`${file}-wal`).mode & 0o777, 0o600);
  });

  test('what a commit promises is in force on the connection: write-ahead log, full sync, foreign keys', async () => {
    const file = newFile();

    for (let start = 0; start < 2; start++) {
      await using db = await openStore(file);

      const pragma = async (name: string) =>
        Object.values((await sql.raw<Record<string, unknown>>(`pragma ${name}`).execute(db)).rows[0])[0];
      assert.equal(await pragma('journal_mode'), 'wal');
      assert.equal(await pragma('synchronous'), 2);
      assert.equal(await pragma('foreign_keys'), 1);
      assert.equal(await pragma('busy_timeout'), 5_000);
      assert.equal(await pragma('trusted_schema'), 0);
    }
  });

  test('a second start keeps what is there and copies nothing', async () => {
    const file = newFile();
    const first = await openStore(file);
    const before = await first.selectFrom('connectorGroup').select('id').execute();
    await first.destroy();

    await using second = await openStore(file);

    assert.deepEqual(await second.selectFrom('connectorGroup').select('id').execute(), before);
    assert.deepEqual(readdirSync(path.dirname(file)).includes('backups'), false);
  });

  test('transactions wait for one another instead of mixing', async () => {
    await using db = await openStore(newFile());
    const seen: string[] = [];

    await Promise.all(
      ['a', 'b', 'c'].map(name =>
        db.transaction().execute(async trx => {
          seen.push(`${name} begins`);
          await trx.selectFrom('user').select('id').execute();
          await trx.selectFrom('user').select('id').execute();
          seen.push(`${name} ends`);
        }),
      ),
    );

    assert.deepEqual(seen, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });
});

describe('a folder that cannot be used', () => {
  test('is told in a sentence with what to check', async () => {
    const notAFolder = newFile();
    await (await openStore(notAFolder)).destroy();

    for (const file of [path.join(notAFolder, 'postern.db'), path.dirname(notAFolder)]) {
      await assert.rejects(openStore(file), (error: unknown) => {
        assert(error instanceof StoreError, String(error));
        assert.equal(error.code, 'storage_failed');
        assert.match(error.message, /cannot be read or written .* Check that its folder belongs to/s);
        return true;
      });
    }
  });
});

describe('migrations', () => {
  const later = {
    ...migrations,
    '9999-later': {
      up: async db => void (await db.schema.createTable('later').addColumn('id', 'text').execute()),
    },
  } satisfies typeof migrations;

  test('a migration copies the database first, with what the write-ahead log holds', async () => {
    const file = newFile();
    const old = await openStore(file);
    await old.updateTable('connectorGroup').set({ name: 'Renamed' }).execute();
    await old.destroy();

    const db = await openStore(file, { migrations: later });
    await db.destroy();

    const backups = path.join(path.dirname(file), 'backups');
    const copies = readdirSync(backups);
    assert.equal(copies.length, 1);
    assert.match(copies[0], /^before-9999-later-/);
    assert.equal(statSync(path.join(backups, copies[0])).mode & 0o777, 0o600);
    const copy = new DatabaseSync(path.join(backups, copies[0]));
    assert.equal(copy.prepare('select name from connectorGroup').get()?.['name'], 'Renamed');
    assert.equal(
      copy.prepare("select count(*) as n from sqlite_master where name = 'later'").get()?.['n'],
      0,
    );
    copy.close();
  });

  test('a database that a newer release has changed is refused by name and left as it is', async () => {
    const file = newFile();
    await (await openStore(file, { migrations: later })).destroy();
    const before = readFileSync(file);

    await assert.rejects(openStore(file), (error: unknown) => {
      assert(error instanceof StoreError);
      assert.equal(error.code, 'newer_schema');
      assert.match(error.message, /newer release of Postern \(9999-later\)/);
      return true;
    });

    assert.deepEqual(readFileSync(file), before);
  });

  test('a migration that fails half-way leaves no trace in the tables', async () => {
    const file = newFile();
    await (await openStore(file)).destroy();
    const failing = {
      ...migrations,
      '0002-failing': {
        up: async db => {
          await db.schema.createTable('half').addColumn('id', 'text').execute();
          await sql`insert into nowhere values (1)`.execute(db);
        },
      },
    } satisfies typeof migrations;

    await assert.rejects(openStore(file, { migrations: failing }), { code: 'migration_failed' });

    await using db = await openStore(file);
    const half = await sql`select 1 from sqlite_master where name = 'half'`.execute(db);
    assert.equal(half.rows.length, 0);
  });
});

describe('a damaged database', () => {
  test('a file that is no database is refused with the way back', async () => {
    const file = newFile();
    await (await openStore(file)).destroy();
    writeFileSync(file, 'this was a database once, and now it is a letter'.repeat(100));

    await assert.rejects(openStore(file), (error: unknown) => {
      assert(error instanceof StoreError);
      assert.equal(error.code, 'corrupt');
      assert.match(error.message, /postern restore/);
      return true;
    });
  });

  test('pages overwritten in the middle are found at the start', async () => {
    const file = newFile();
    await (await openStore(file)).destroy();
    const bytes = readFileSync(file);
    bytes.fill(0xa5, 8 * 4096, 20 * 4096);
    writeFileSync(file, bytes);

    await assert.rejects(openStore(file), { name: 'StoreError', code: 'corrupt' });
  });

  test('a database cut off in the middle is refused', async () => {
    const file = newFile();
    await (await openStore(file)).destroy();
    writeFileSync(file, readFileSync(file).subarray(0, 10 * 4096));

    await assert.rejects(openStore(file), { name: 'StoreError', code: 'corrupt' });
  });

  test('a write-ahead log cut off in the middle opens at its last whole commit', async () => {
    const file = newFile();
    const db = await openStore(file);
    await db.updateTable('connectorGroup').set({ name: 'First' }).execute();
    await db.updateTable('connectorGroup').set({ name: 'Second' }).execute();
    const cut = newFile();
    await (await openStore(cut)).destroy();
    writeFileSync(cut, readFileSync(file));
    const log = readFileSync(`${file}-wal`);
    writeFileSync(`${cut}-wal`, log.subarray(0, log.length - 100));
    await db.destroy();

    await using opened = await openStore(cut);

    const [group] = await opened.selectFrom('connectorGroup').select('name').execute();
    assert.equal(group.name, 'First');
  });
});
