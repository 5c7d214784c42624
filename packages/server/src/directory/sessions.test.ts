import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, test } from 'node:test';
import { openDirectoryForTests } from './directory-for-tests.ts';
import {
  createSession,
  endSession,
  endSessionsOfLogin,
  endSessionsOfUser,
  purgeExpiredSessions,
} from './sessions.ts';
import { createUser } from './users.ts';

describe('sessions at applications', () => {
  async function openWithUser() {
    const opened = await openDirectoryForTests();
    const user = await createUser(opened.directory, { userPrincipalName: 'anna', displayName: 'Anna' });
    opened.takeChanges();
    const begin = (host: string, loginSessionUid: string | null = 'login', lifetimeMs = 60_000) =>
      createSession(opened.directory, { host, userId: user.id, loginSessionUid, lifetimeMs });
    return { ...opened, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](), user, begin };
  }

  test('a session has a new 256-bit value, of which only the hash is stored and published', async () => {
    await using opened = await openWithUser();

    const { value, record } = await opened.begin('wiki.example.test');
    const other = await opened.begin('wiki.example.test');

    assert.match(value, /^[A-Za-z0-9_-]{43}$/);
    assert.notEqual(value, other.value);
    assert.equal(record.idHash, hash('sha256', value, 'base64url'));
    assert.deepEqual(opened.takeChanges()[0], { set: 'sessions', put: record });
    const rows = await opened.directory.db.selectFrom('edgeSession').selectAll().execute();
    assert(!JSON.stringify(rows).includes(value));
  });

  test('beginning and ending wait until the relays know', async () => {
    await using opened = await openWithUser();
    const waited: number[] = [];
    opened.directory.publishTo({
      publish: () => 7,
      async applied(sequence) {
        waited.push(sequence);
      },
    });

    const { record } = await opened.begin('wiki.example.test');
    assert.equal(await endSession(opened.directory, record.id), true);

    assert.deepEqual(waited, [7, 7]);
  });

  test('one session, those of a login, or all of a person are ended and told', async () => {
    await using opened = await openWithUser();
    const { directory, user } = opened;
    const one = await opened.begin('a.example.test', 'first');
    const two = await opened.begin('b.example.test', 'first');
    const three = await opened.begin('c.example.test', 'second');
    const four = await opened.begin('d.example.test', null);
    opened.takeChanges();

    assert.equal(await endSession(directory, one.record.id), true);
    assert.equal(await endSession(directory, one.record.id), false);
    assert.equal(await endSessionsOfLogin(directory, 'first'), 1);
    assert.equal(await endSessionsOfUser(directory, user.id), 2);

    const removed = opened.takeChanges().map(change => ('remove' in change ? change.remove : '?'));
    assert.deepEqual(removed.slice(0, 2), [one.record.id, two.record.id]);
    assert.deepEqual(removed.slice(2).toSorted(), [three.record.id, four.record.id].toSorted());
  });

  test('sessions that are over are purged a day later, and told', async () => {
    await using opened = await openWithUser();
    const short = await opened.begin('a.example.test', null, 1_000);
    await opened.begin('b.example.test', null, 60_000);
    opened.takeChanges();
    opened.clock.now += 1_000;
    assert.equal(await purgeExpiredSessions(opened.directory), 0);
    opened.clock.now += 24 * 3_600_000;

    assert.equal(await purgeExpiredSessions(opened.directory), 1);

    assert.deepEqual(opened.takeChanges(), [{ set: 'sessions', remove: short.record.id }]);
  });

  test('nobody gets a session for an account that is gone', async () => {
    await using opened = await openWithUser();

    await assert.rejects(
      createSession(opened.directory, { host: 'a', userId: 'nobody', loginSessionUid: null, lifetimeMs: 1 }),
      { code: 'forbidden' },
    );
  });
});
