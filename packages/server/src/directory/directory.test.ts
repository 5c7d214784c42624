import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sql } from 'kysely';
import type { Change } from '../feed/messages.ts';
import { createApplication } from './applications.ts';
import { openDirectoryForTests } from './directory-for-tests.ts';
import { addMember, createGroup, deleteGroup } from './groups.ts';
import { createSession } from './sessions.ts';
import { createUser, updateUser } from './users.ts';

describe('changes of the directory', () => {
  test('are published in the order of the commits, however many are asked for at once', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const user = await createUser(directory, { userPrincipalName: 'anna', displayName: '0' });
    opened.takeChanges();

    await Promise.all(
      Array.from({ length: 50 }, (_, i) => updateUser(directory, user.id, { displayName: `${i + 1}` })),
    );

    const names = opened
      .takeChanges()
      .map(change => ('put' in change && change.set === 'users' ? change.put.displayName : '?'));
    assert.deepEqual(
      names,
      Array.from({ length: 50 }, (_, i) => `${i + 1}`),
    );
  });

  test('that fail change nothing, publish nothing, and let the next one go on', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;

    const failing = directory.change(async (db, touched) => {
      await db.deleteFrom('connectorGroup').execute();
      touched.add('users', 'nobody');
      throw new RangeError('changed my mind');
    });
    await assert.rejects(failing, RangeError);

    assert.deepEqual(opened.takeChanges(), []);
    await createUser(directory, { userPrincipalName: 'anna', displayName: 'Anna' });
    const groups = await directory.db.selectFrom('connectorGroup').select('name').execute();
    assert.equal(groups.length, 1);
  });

  test('a snapshot holds what was published before it and nothing that is published after it', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const log: string[] = [];
    directory.publishTo({
      publish(changes: readonly Change[]) {
        for (const change of changes) if ('put' in change && 'id' in change.put) log.push(change.put.id);
        return 0;
      },
      applied: async () => undefined,
    });

    const users: Promise<unknown>[] = [];
    const snapshots: Promise<void>[] = [];
    for (let i = 0; i < 30; i++) {
      users.push(createUser(directory, { userPrincipalName: `user${i}`, displayName: 'x' }));
      snapshots.push(
        directory.readState(state => {
          assert.deepEqual(state.users.map(user => user.id).toSorted(), log.toSorted());
        }),
      );
    }

    await Promise.all([...users, ...snapshots]);
    assert.equal(log.length, 30);
  });

  test('a session that ends while it is looked up is found before its end is published, or not at all', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const user = await createUser(directory, { userPrincipalName: 'anna', displayName: 'Anna' });
    const { record } = await createSession(directory, {
      host: 'wiki.example.test',
      userId: user.id,
      loginSessionUid: null,
      lifetimeMs: 60_000,
    });
    opened.takeChanges();

    const heard: string[] = [];
    directory.publishTo({
      publish(changes) {
        heard.push(...changes.map(change => ('remove' in change ? `removed ${change.set}` : change.set)));
        return 0;
      },
      applied: async () => undefined,
    });
    const look = () =>
      directory.findSession(record.idHash, record.host, found => void heard.push(found ? 'found' : 'gone'));
    await Promise.all([look(), updateUser(directory, user.id, { accountEnabled: false }), look()]);

    assert.deepEqual(heard, ['found', 'users', 'removed sessions', 'gone']);
  });

  test('a session is not found at another host, nor when it is over', async () => {
    await using opened = await openDirectoryForTests();
    const { directory, clock } = opened;
    const user = await createUser(directory, { userPrincipalName: 'anna', displayName: 'Anna' });
    const { record } = await createSession(directory, {
      host: 'wiki.example.test',
      userId: user.id,
      loginSessionUid: null,
      lifetimeMs: 60_000,
    });
    const find = async (host: string) => {
      let found: unknown;
      await directory.findSession(record.idHash, host, session => {
        found = session;
      });
      return found;
    };

    assert.deepEqual(await find('wiki.example.test'), record);
    assert.equal(await find('portal.example.test'), null);
    clock.now += 60_000;
    assert.equal(await find('wiki.example.test'), null);
  });

  test('no space left is told as storage_full, changes nothing, and is over when there is space again', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const pages = (await sql<{ page_count: number }>`pragma page_count`.execute(directory.db)).rows[0]
      .page_count;
    await sql.raw(`pragma max_page_count = ${pages + 2}`).execute(directory.db);
    let created = 0;

    const fill = async () => {
      for (;;) {
        await createApplication(directory, { displayName: 'x'.repeat(2_000) });
        created += 1;
      }
    };
    await assert.rejects(fill, { name: 'DirectoryError', code: 'storage_full' });

    const count = async () => (await directory.db.selectFrom('application').select('id').execute()).length;
    assert.equal(await count(), created);
    await sql.raw(`pragma max_page_count = ${pages + 1_000}`).execute(directory.db);
    await createApplication(directory, { displayName: 'room again' });
    assert.equal(await count(), created + 1);
  });

  test('deleting a group with very many members tells the relays of each', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const group = await createGroup(directory, { displayName: 'Everybody' });
    const count = 25_000;
    await sql
      .raw(
        `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${count})
         insert into user (id, userPrincipalName, signInName, displayName, accountEnabled, createdAt)
         select 'u' || i, 'u' || i, 'u' || i, 'u', 1, 0 from n`,
      )
      .execute(directory.db);
    await sql
      .raw(`insert into userGroupMember (groupId, userId) select '${group.id}', id from user`)
      .execute(directory.db);

    await deleteGroup(directory, group.id);

    const changes = opened.takeChanges();
    assert.equal(changes.length, count);
    assert(
      changes.every(change => 'put' in change && change.set === 'users' && change.put.groupIds.length === 0),
    );
  });

  test('membership is told as a change of the user', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const user = await createUser(directory, { userPrincipalName: 'anna', displayName: 'Anna' });
    const group = await createGroup(directory, { displayName: 'Staff' });
    opened.takeChanges();

    await addMember(directory, group.id, user.id);

    assert.deepEqual(opened.takeChanges(), [
      {
        set: 'users',
        put: {
          id: user.id,
          userPrincipalName: 'anna',
          displayName: 'Anna',
          mail: null,
          enabled: true,
          groupIds: [group.id],
        },
      },
    ]);
  });
});
