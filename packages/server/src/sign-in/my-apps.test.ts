import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { createSession } from '../directory/sessions.ts';
import { startTestService, type TestService } from './test-service.ts';

const portal = 'https://portal.example.test';

function open(service: TestService, userId: string, path = '/') {
  return service.browser().get(`${portal}${path}`, { 'x-postern-user-id': userId });
}

async function addAssigned(
  service: TestService,
  label: string,
  principalId: string,
  principalType: string,
): Promise<void> {
  const id = await service.addApplication(label);
  const { servicePrincipalId } = await service.db
    .selectFrom('application')
    .select('servicePrincipalId')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  await service.db
    .insertInto('appRoleAssignment')
    .values({ id: randomUUID(), resourceId: servicePrincipalId, principalId, principalType, createdAt: 0 })
    .execute();
}

const tilesOf = (body: string) => [...body.matchAll(/<span class="name">([^<]*)</g)].map(match => match[1]);

describe('My Apps', () => {
  test('shows what is assigned to the person, to a group of theirs, or to everybody, by name', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    const groupId = randomUUID();
    await service.db
      .insertInto('userGroup')
      .values({ id: groupId, displayName: 'Staff', description: null, createdAt: 0 })
      .execute();
    await service.db.insertInto('userGroupMember').values({ groupId, userId: user.id }).execute();
    await addAssigned(service, 'wiki', user.id, 'User');
    await addAssigned(service, 'git', groupId, 'Group');
    await addAssigned(service, 'payroll', randomUUID(), 'User');
    await service.addApplication('menu', { assignmentRequired: false });
    await service.addApplication('secret');

    const { body, headers } = await open(service, user.id);

    assert.deepEqual(tilesOf(body), ['Git', 'Menu', 'Wiki']);
    assert.match(body, /href="https:\/\/wiki\.example\.test\/"/);
    assert.match(body, /<span class="host">wiki\.example\.test</);
    assert.match(body, />3 applications</);
    assert.match(String(headers['content-security-policy']), /script-src 'self'/);
  });

  test('leaves out what is hidden, disabled or has no address', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    for (const [label, change] of [
      ['hidden', { visibleToUsers: 0 }],
      ['disabled', { accountEnabled: 0 }],
      ['unpublished', { externalUrl: null }],
    ] as const) {
      const id = await service.addApplication(label, { assignmentRequired: false });
      await service.db.updateTable('application').set(change).where('id', '=', id).execute();
    }

    const { body } = await open(service, user.id);

    assert.deepEqual(tilesOf(body), []);
    assert.match(body, /No applications yet/);
    assert.match(body, /Ask whoever runs example\.test/);
  });

  test('says which applications are in maintenance', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    await service.addApplication('wiki', { assignmentRequired: false });
    const id = await service.addApplication('git', { assignmentRequired: false });
    const publishing = { maintenanceMode: { isEnabled: true, message: '', exceptPrincipalIds: [] } };
    await service.db
      .updateTable('application')
      .set({ publishingJson: JSON.stringify(publishing) })
      .where('id', '=', id)
      .execute();

    const { body } = await open(service, user.id);

    const [git, wiki] = body.split('<a class="tile"').slice(1);
    assert.match(git, /<span class="unreachable">In maintenance</);
    assert.doesNotMatch(git, /Does not answer/);
    assert.doesNotMatch(wiki, /In maintenance/);
  });

  test('searches without a script', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    await service.addApplication('wiki', { assignmentRequired: false });
    await service.addApplication('git', { assignmentRequired: false });

    const { body } = await open(service, user.id, '/?search=WIK');

    assert.match(body, />1 application</);
    assert.match(body, /<li data-words="git git\.example\.test" hidden>/);
    assert.match(body, /<li data-words="wiki wiki\.example\.test">/);
  });

  test('shows what one signed in to last above all, the latest first, where there are many', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    for (const label of ['git', 'menu', 'payroll', 'tickets', 'wiki']) {
      await service.addApplication(label, { assignmentRequired: false });
    }
    for (const host of ['wiki.example.test', 'git.example.test', 'wiki.example.test', 'gone.example.test']) {
      const session = { host, userId: user.id, loginSessionUid: null, lifetimeMs: 60_000 };
      service.advance(1);
      await createSession(service.directory, session);
    }

    const { body } = await open(service, user.id);
    const [recent = '', all = ''] = body.split('id="all"');

    assert.match(recent, />Recently used</);
    assert.deepEqual(tilesOf(recent), ['Wiki', 'Git']);
    assert.deepEqual(tilesOf(all), ['Git', 'Menu', 'Payroll', 'Tickets', 'Wiki']);
    assert.match((await open(service, user.id, '/?search=git')).body, /<section id="recent"[^>]* hidden>/);
  });

  test('a tile says when no connector leads to its application', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    await service.addApplication('wiki', { assignmentRequired: false });
    const connectorId = await service.addConnector();

    assert.match((await open(service, user.id)).body, /Does not answer right now/);
    service.liveConnectors.add(connectorId);
    assert.doesNotMatch((await open(service, user.id)).body, /Does not answer right now/);
  });

  test('a home page under the application’s host is where the tile leads, and no other', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    const id = await service.addApplication('wiki', { assignmentRequired: false });
    const home = async (homePageUrl: string) => {
      await service.db.updateTable('application').set({ homePageUrl }).where('id', '=', id).execute();
      return /class="tile" href="([^"]+)"/.exec((await open(service, user.id)).body)?.[1];
    };

    assert.equal(await home('https://wiki.example.test/start?a=1'), 'https://wiki.example.test/start?a=1');
    assert.equal(await home('https://evil.test/'), 'https://wiki.example.test/');
    assert.equal(await home('javascript:alert(1)'), 'https://wiki.example.test/');
  });

  test('a person whom nobody knows is sent to sign in', async () => {
    await using service = await startTestService();

    const answers = [await service.browser().get(`${portal}/`), await open(service, randomUUID())];

    for (const { location } of answers) assert.equal(location?.pathname, '/.postern/sign-in');
  });
});
