import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, test } from 'node:test';
import { type Kysely, sql } from 'kysely';
import { openStore } from './open.ts';
import type { Database } from './schema.ts';
import { insertUser } from './users.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-durability-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Starts the writer, kills it at a random moment after its first answers, and gives the names it was answered for. */
async function writeUntilKilled(file: string): Promise<string[]> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'writer-for-tests.ts'), file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const acknowledged: string[] = [];
  let untilKill = randomInt(1, 60);
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== 'open') acknowledged.push(line);
    untilKill -= 1;
    // Not at once after a line: the kill is to meet a commit, a checkpoint or the time between at random.
    if (untilKill === 0) setTimeout(() => child.kill('SIGKILL'), randomInt(0, 12));
  }
  // What the pipe's last bytes say after a torn line is no answer.
  return acknowledged.filter(name => name.length === 36);
}

async function namesIn(db: Kysely<Database>): Promise<Set<string>> {
  const rows = await db.selectFrom('user').select('signInName').execute();
  return new Set(rows.map(row => row.signInName));
}

describe('what was answered is kept (threat I1)', () => {
  test('a process killed at any moment, 20 times, loses no acknowledged change', async () => {
    const file = path.join(folder, 'killed.db');
    const acknowledged: string[] = [];

    for (let kill = 0; kill < 20; kill++) {
      acknowledged.push(...(await writeUntilKilled(file)));

      await using db = await openStore(file);
      const kept = await namesIn(db);
      const lost = acknowledged.filter(name => !kept.has(name));
      assert.deepEqual(lost, [], `after kill ${kill + 1}`);
      const { rows } = await sql<{ integrity_check: string }>`pragma integrity_check`.execute(db);
      assert.deepEqual(
        rows.map(row => row.integrity_check),
        ['ok'],
      );
      // At most one commit was under way that nobody was told about.
      assert(kept.size - acknowledged.length <= kill + 1);
    }
    assert(acknowledged.length > 100, `only ${acknowledged.length} changes were tried`);
  });
});

describe('no space left (threat I3)', () => {
  const user = (name: string) => ({
    id: name,
    userPrincipalName: name,
    signInName: name,
    displayName: 'x'.repeat(10_000),
    accountEnabled: 1,
    createdAt: 0,
  });

  async function fill(db: Kysely<Database>): Promise<string[]> {
    const kept: string[] = [];
    const insertUntilFull = async () => {
      for (;;) {
        const name = `user ${kept.length}`;
        await db.transaction().execute(trx => insertUser(trx, user(name)));
        kept.push(name);
      }
    };
    await assert.rejects(insertUntilFull, { name: 'StoreError', code: 'storage_full' });
    return kept;
  }

  test('a database at its size limit refuses loudly, keeps what it has, and goes on when there is room', async () => {
    await using db = await openStore(path.join(folder, 'limited.db'));
    await sql`pragma max_page_count = 200`.execute(db);

    const kept = await fill(db);

    assert(kept.length > 10);
    assert.deepEqual(await namesIn(db), new Set(kept));
    await sql`pragma max_page_count = 1000000`.execute(db);
    await insertUser(db, user('later'));
    assert((await namesIn(db)).has('later'));
  });

  // Where nothing may be mounted there is no small disk to fill; the size limit above takes the same way through SQLite.
  const disk = mountSmallDisk();
  if (disk !== null) {
    after(() => {
      assert.equal(spawnSync('umount', ['-l', disk]).status, 0);
    });

    test('a disk that is really full does the same', async () => {
      const ballast = path.join(disk, 'ballast');
      writeFileSync(ballast, Buffer.alloc(256 * 1024));
      await using db = await openStore(path.join(disk, 'postern.db'));

      const kept = await fill(db);

      assert(kept.length > 10);
      assert.deepEqual(await namesIn(db), new Set(kept));
      rmSync(ballast);
      await insertUser(db, user('later'));
      const { rows } = await sql<{ integrity_check: string }>`pragma integrity_check`.execute(db);
      assert.equal(rows[0].integrity_check, 'ok');
    });
  }
});

function mountSmallDisk(): string | null {
  const disk = path.join(folder, 'disk');
  mkdirSync(disk);
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
  return status === 0 ? disk : null;
}
