import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { listAssignmentsOfPrincipal } from '../store/assignments.ts';
import { findOidcRecord, putOidcRecord } from '../store/oidc-records.ts';
import { findUserBySignInName } from '../store/users.ts';
import { createApplication } from './applications.ts';
import { assign } from './assignments.ts';
import type { Directory } from './directory.ts';
import { openDirectoryForTests } from './directory-for-tests.ts';
import { addMember, createGroup } from './groups.ts';
import { assignRole, removeRole, rolesOf } from './roles.ts';
import { createSession, timeSession } from './sessions.ts';
import { createUser, deleteUser, setPasswordHash, updateUser } from './users.ts';

async function signIn(directory: Directory, userId: string) {
  await putOidcRecord(directory.db, {
    model: 'Session',
    id: `login of ${userId}`,
    payloadJson: JSON.stringify({ accountId: userId }),
    grantId: null,
    userCode: null,
    uid: null,
    expiresAt: null,
    origin: null,
  });
  return createSession(directory, {
    host: 'wiki.example.test',
    userId,
    loginSessionUid: 'uid',
    lifetimeMs: 60_000,
  });
}

describe('users', () => {
  test('are found by their name however it is written', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;

    const user = await createUser(directory, {
      userPrincipalName: 'Zoe\u0308@Example.test',
      displayName: 'Zoë',
    });

    assert.equal(user.userPrincipalName, 'Zoë@Example.test');
    assert.equal((await findUserBySignInName(directory.db, 'zoë@example.test'))?.id, user.id);
    assert.equal(user.version, 1);
  });

  test('a name that differs only in case or composition is taken', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    await createUser(directory, { userPrincipalName: 'zoë', displayName: 'Zoë' });

    for (const userPrincipalName of ['ZOË', 'zoe\u0308', ' zoë ']) {
      await assert.rejects(createUser(directory, { userPrincipalName, displayName: 'x' }), {
        code: 'conflict',
        property: 'userPrincipalName',
      });
    }
  });

  test('malformed names are refused (threat C8)', async () => {
    await using opened = await openDirectoryForTests();

    for (const userPrincipalName of ['', 'a@evil@corp.example', 'a b', 'a\nb', 'a\u0000b', '<b>', '@']) {
      await assert.rejects(createUser(opened.directory, { userPrincipalName, displayName: 'x' }), {
        code: 'invalid',
        property: 'userPrincipalName',
      });
    }
  });

  test('an update of an older version is refused and changes nothing (threat F5)', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const user = await createUser(directory, { userPrincipalName: 'anna', displayName: 'Anna' });

    const results = await Promise.allSettled(
      ['first', 'second'].map(displayName => updateUser(directory, user.id, { displayName }, user.version)),
    );

    assert.deepEqual(
      results.map(result => result.status),
      ['fulfilled', 'rejected'],
    );
    assert.equal(results[1].status === 'rejected' && results[1].reason.code, 'precondition_failed');
    const now = await findUserBySignInName(directory.db, 'anna');
    assert.equal(now?.displayName, 'first');
    assert.equal(now?.version, 2);
  });

  test('disabling a user ends sessions, login session and tokens, and tells the relays (threat D12)', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const user = await createUser(directory, { userPrincipalName: 'anna', displayName: 'Anna' });
    const { record } = await signIn(directory, user.id);
    opened.takeChanges();

    await updateUser(directory, user.id, { accountEnabled: false });

    const changes = opened.takeChanges();
    assert.deepEqual(
      changes.map(change => change.set),
      ['users', 'sessions'],
    );
    assert.deepEqual(changes[1], { set: 'sessions', remove: record.id });
    assert.equal(await findOidcRecord(directory.db, 'Session', { id: `login of ${user.id}` }), undefined);
    await assert.rejects(signIn(directory, user.id), { code: 'forbidden' });
  });

  test('a new password ends the sessions begun with the old one', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const user = await createUser(directory, { userPrincipalName: 'anna', displayName: 'Anna' });
    const { record } = await signIn(directory, user.id);
    opened.takeChanges();

    await setPasswordHash(directory, user.id, '$argon2id$…');

    assert.deepEqual(opened.takeChanges(), [{ set: 'sessions', remove: record.id }]);
    assert.equal((await findUserBySignInName(directory.db, 'anna'))?.passwordHash, '$argon2id$…');
  });

  test('a deleted user leaves no session, membership, role or assignment behind', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const user = await createUser(directory, { userPrincipalName: 'anna', displayName: 'Anna' });
    const group = await createGroup(directory, { displayName: 'Staff' });
    const application = await createApplication(directory, { displayName: 'Wiki' });
    await addMember(directory, group.id, user.id);
    await assign(directory, application.servicePrincipalId, user.id);
    await assignRole(directory, user.id, 'Application Administrator');
    const { record } = await signIn(directory, user.id);
    opened.takeChanges();

    await deleteUser(directory, user.id);

    assert.deepEqual(
      opened.takeChanges().filter(change => 'remove' in change && change.set !== 'applications'),
      [
        { set: 'users', remove: user.id },
        { set: 'sessions', remove: record.id },
      ],
    );
    assert.deepEqual(await listAssignmentsOfPrincipal(directory.db, user.id), []);
    assert.deepEqual(await rolesOf(directory.db, user.id), []);
    await assert.rejects(deleteUser(directory, user.id), { code: 'not_found' });
  });
});

describe('the last Global Administrator (threat F5)', () => {
  async function withAdministrators(directory: Directory, names: readonly string[]) {
    const users = [];
    for (const name of names) {
      const user = await createUser(directory, { userPrincipalName: name, displayName: name });
      await assignRole(directory, user.id, 'Global Administrator');
      users.push(user);
    }
    return users;
  }

  test('cannot be disabled, deleted or demoted', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const [anna, bert] = await withAdministrators(directory, ['anna', 'bert']);
    await updateUser(directory, bert.id, { accountEnabled: false });

    const refused = { code: 'last_administrator' };
    await assert.rejects(updateUser(directory, anna.id, { accountEnabled: false }), refused);
    await assert.rejects(deleteUser(directory, anna.id), refused);
    await assert.rejects(removeRole(directory, anna.id, 'Global Administrator'), refused);

    assert.deepEqual(await rolesOf(directory.db, anna.id), ['Global Administrator']);
    assert.equal((await findUserBySignInName(directory.db, 'anna'))?.accountEnabled, 1);
  });

  test('remains when two administrators remove each other at the same moment', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const [anna, bert] = await withAdministrators(directory, ['anna', 'bert']);

    const results = await Promise.allSettled([
      removeRole(directory, anna.id, 'Global Administrator'),
      updateUser(directory, bert.id, { accountEnabled: false }),
      deleteUser(directory, bert.id),
    ]);

    assert.deepEqual(
      results.map(result => result.status),
      ['fulfilled', 'rejected', 'rejected'],
    );
  });

  test('a disabled one may go, and so may anybody without the role', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const [, bert] = await withAdministrators(directory, ['anna', 'bert']);
    const carl = await createUser(directory, { userPrincipalName: 'carl', displayName: 'Carl' });

    await updateUser(directory, bert.id, { accountEnabled: false });
    await deleteUser(directory, bert.id);
    await deleteUser(directory, carl.id);
  });

  test('a role is given once and taken once', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const [anna] = await withAdministrators(directory, ['anna', 'bert']);

    await assert.rejects(assignRole(directory, anna.id, 'Global Administrator'), { code: 'conflict' });
    await assert.rejects(assignRole(directory, 'nobody', 'Global Administrator'), { code: 'not_found' });
    await removeRole(directory, anna.id, 'Global Administrator');
    await assert.rejects(removeRole(directory, anna.id, 'Global Administrator'), { code: 'not_found' });
  });
});

test('who holds no role any more sees no timings', async () => {
  await using opened = await openDirectoryForTests();
  const { directory } = opened;
  const { id } = await createUser(directory, { userPrincipalName: 'anna', displayName: 'Anna' });
  const other = await createUser(directory, { userPrincipalName: 'bert', displayName: 'Bert' });
  await assignRole(directory, other.id, 'Global Administrator');
  await assignRole(directory, id, 'Global Administrator');
  await assignRole(directory, id, 'Application Administrator');
  const { record } = await signIn(directory, id);
  await timeSession(directory, record.id, record.expiresAt);

  opened.takeChanges();
  await removeRole(directory, id, 'Global Administrator');
  assert.deepEqual(opened.takeChanges(), [], 'one role is enough');
  await removeRole(directory, id, 'Application Administrator');

  assert.deepEqual(opened.takeChanges(), [{ set: 'sessions', put: record }]);
});
