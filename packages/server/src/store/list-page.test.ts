import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { listGroups } from './groups.ts';
import { openStore } from './open.ts';
import { insertUser, listUsers } from './users.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-lists-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('lists', async () => {
  const db = await openStore(path.join(folder, 'postern.db'));
  after(() => db.destroy());
  for (const name of ['anna', 'bert', 'carl', '100%', '100x', "o'hara", 'a_b', 'axb']) {
    await insertUser(db, {
      id: `id of ${name}`,
      userPrincipalName: name,
      signInName: name,
      displayName: 'Same',
      accountEnabled: 1,
      createdAt: 0,
    });
  }
  const names = async (options: Parameters<typeof listUsers>[1]) =>
    (await listUsers(db, options)).map(user => user.userPrincipalName);

  test('continue after a row without repeating or leaving out any', async () => {
    const all = await names({ limit: 100 });
    const paged: string[] = [];
    for (;;) {
      const last = paged.at(-1);
      const page = await names({
        limit: 3,
        ...(last === undefined ? {} : { after: { sortKey: last, id: `id of ${last}` } }),
      });
      paged.push(...page);
      if (page.length < 3) break;
    }

    assert.equal(all.length, 8);
    assert.deepEqual(paged, all);
    assert.deepEqual(all, all.toSorted());
  });

  test('rows that sort alike are told apart by their id', async () => {
    for (const id of ['g1', 'g2', 'g3']) {
      await db.insertInto('userGroup').values({ id, displayName: 'Same', createdAt: 0 }).execute();
    }

    const rest = await listGroups(db, { limit: 10, after: { sortKey: 'Same', id: 'g1' } });

    assert.deepEqual(
      rest.map(group => group.id),
      ['g2', 'g3'],
    );
  });

  test('filters take every character as it is, and case does not matter (threat F8)', async () => {
    const filter = (operator: 'eq' | 'startswith' | 'contains', value: string) =>
      names({ limit: 100, filter: [{ property: 'userPrincipalName', operator, value }] });

    assert.deepEqual(await filter('eq', 'ANNA'), ['anna']);
    assert.deepEqual(await filter('startswith', 'B'), ['bert']);
    assert.deepEqual(await filter('startswith', '100%'), ['100%']);
    assert.deepEqual(await filter('startswith', 'a_'), ['a_b']);
    assert.deepEqual(await filter('startswith', "o'"), ["o'hara"]);
    assert.deepEqual(await filter('eq', "' or 1=1 --"), []);
    assert.deepEqual(await filter('startswith', '!'), []);
    assert.equal((await filter('startswith', '')).length, 8);
    assert.deepEqual(await filter('contains', 'AR'), ['carl', "o'hara"]);
    assert.deepEqual(await filter('contains', '0%'), ['100%']);
    assert.deepEqual(await filter('contains', '_'), ['a_b']);
  });

  test('a row is listed where one comparison of several holds', async () => {
    const found = await names({
      limit: 100,
      filter: [
        { property: 'userPrincipalName', operator: 'contains', value: 'nn' },
        { property: 'userPrincipalName', operator: 'eq', value: 'carl' },
      ],
    });

    assert.deepEqual(found, ['anna', 'carl']);
  });
});
