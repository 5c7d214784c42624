import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseEnrolmentToken } from '@postern/protocol/enrolment-token';
import { type AdminApiBench, openAdminApi } from './testing.ts';

const profile = 'onPremisesPublishingProfiles/applicationProxy';
const path = `${profile}/enrolmentTokens`;

describe('enrolment tokens of the admin API', () => {
  let bench: AdminApiBench;
  before(async () => {
    bench = await openAdminApi();
  });
  after(() => bench[Symbol.asyncDispose]());

  async function create(body: object) {
    const answer = await bench.call('application', 'POST', path, body);
    assert.equal(answer.statusCode, 201, answer.body);
    return answer.json();
  }
  async function list(): Promise<Record<string, unknown>[]> {
    return (await bench.call('application', 'GET', path)).json().value;
  }

  test('a token carries the service, its root and the group, for one machine and a day', async () => {
    const group = (
      await bench.call('application', 'POST', `${profile}/connectorGroups`, { name: 'Site A' })
    ).json();

    const made = await create({ connectorGroupId: group.id, displayName: 'Branch 7' });

    const { secret, ...rest } = parseEnrolmentToken(made.token);
    assert.deepEqual(rest, {
      host: 'connect.test.example',
      port: 443,
      rootSha256: 'AB'.repeat(32),
      connectorGroupId: group.id,
    });
    assert.equal(Buffer.from(secret, 'base64url').length, 32);
    assert.deepEqual([made.displayName, made.status, made.maxUses, made.uses], ['Branch 7', 'usable', 1, 0]);
    assert.equal(Date.parse(made.expirationDateTime) - Date.parse(made.createdDateTime), 86_400_000);
    assert.match(made.command, /^sudo postern connector \w+ --token-file - <</);
    assert.ok(made.command.includes(`\n${made.token}\n`));
  });

  test('it is shown once: neither the list nor the log has it', async () => {
    const { id, token } = await create({});

    const listed = await list();

    const found = listed.find(each => each['id'] === id);
    assert.equal(found?.['status'], 'usable');
    assert.doesNotMatch(JSON.stringify(listed) + JSON.stringify(bench.events), new RegExp(token));
    assert.doesNotMatch(JSON.stringify(listed), new RegExp(parseEnrolmentToken(token).secret));
    assert.ok(bench.events.some(each => each['event'] === 'enrolment_token_changed'));
  });

  test('it is revoked, and again without harm', async () => {
    const { id } = await create({ maxUses: 5, lifetimeSeconds: 600 });

    const first = await bench.call('application', 'DELETE', `${path}/${id}`);
    const second = await bench.call('global', 'DELETE', `${path}/${id}`);

    assert.deepEqual([first.statusCode, second.statusCode], [204, 204]);
    assert.equal((await list()).find(each => each['id'] === id)?.['status'], 'revoked');
  });

  test('what cannot be is refused', async () => {
    const absent = 'c56a4180-65aa-42ec-a945-5fd21dec0538';

    for (const [body, status] of [
      [{ maxUses: 0 }, 400],
      [{ maxUses: 1001 }, 400],
      [{ lifetimeSeconds: 59 }, 400],
      [{ lifetimeSeconds: 31 * 86_400 }, 400],
      [{ secret: 'mine' }, 400],
      [{ connectorGroupId: absent }, 404],
    ] as const) {
      assert.equal((await bench.call('application', 'POST', path, body)).statusCode, status);
    }
    assert.equal((await bench.call('application', 'DELETE', `${path}/${absent}`)).statusCode, 404);
  });

  test('a connector group goes with its tokens', async () => {
    const groups = `${profile}/connectorGroups`;
    const group = (await bench.call('application', 'POST', groups, { name: 'Site B' })).json();
    const { id } = await create({ connectorGroupId: group.id });

    const removed = await bench.call('application', 'DELETE', `${groups}/${group.id}`);

    assert.equal(removed.statusCode, 204);
    assert.equal(
      (await list()).find(each => each['id'] === id),
      undefined,
    );
  });
});
