import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Kysely } from 'kysely';
import { listConnectorEvents } from '../store/connector-events.ts';
import { openStore } from '../store/open.ts';
import type { Database } from '../store/schema.ts';
import { ConnectorJournal } from './connector-journal.ts';

const id = '11111111-1111-4111-8111-111111111111';
const other = '22222222-2222-4222-8222-222222222222';

let folder: string;
let db: Kysely<Database>;
let now: number;
let failures: unknown[];

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'postern-journal-'));
  db = await openStore(path.join(folder, 'postern.db'));
  now = 1_000;
  failures = [];
  const { id: groupId } = await db.selectFrom('connectorGroup').select('id').executeTakeFirstOrThrow();
  const rest = {
    groupId,
    version: '1',
    os: 'x',
    externalIp: null,
    createdAt: 0,
    lastSeenAt: null,
    revokedAt: null,
  };
  await db
    .insertInto('connector')
    .values([id, other].map(one => ({ id: one, machineName: one, ...rest })))
    .execute();
});
afterEach(async () => {
  assert.deepEqual(failures, []);
  await db.destroy();
  rmSync(folder, { recursive: true });
});

function open(): ConnectorJournal {
  return new ConnectorJournal({ db, now: () => now, onFailed: error => failures.push(error) });
}

async function eventsOf(journal: ConnectorJournal, connectorId = id): Promise<string[]> {
  await journal.settled();
  return (await listConnectorEvents(db, connectorId)).map(({ event }) => event).reverse();
}

describe('the journal of a connector', () => {
  test('has its connections and losses, each once, also when relays say them again', async () => {
    const first = open();
    first.lost(id, 'before it was ever there');
    first.connected(id, '203.0.113.9', '0.1.0');
    await first.settled();
    const afterRestart = open();

    afterRestart.connected(id, '203.0.113.9', '0.1.0');
    afterRestart.lost(id, 'nothing heard for 10 s');
    afterRestart.lost(id, 'again');

    assert.deepEqual(await eventsOf(afterRestart), ['connected', 'lost']);
    const [lost, connected] = await listConnectorEvents(db, id);
    assert.match(connected!.message, /203\.0\.113\.9 with version 0\.1\.0/);
    assert.match(lost!.message, /nothing heard for 10 s/);
  });

  test('keeps the last hundred of each connector', async () => {
    const journal = open();
    for (let number = 0; number < 130; number++) journal.record(id, 'moved', 'info', String(number));
    journal.record(other, 'moved', 'info', 'x');

    assert.equal((await eventsOf(journal)).length, 100);
    assert.deepEqual(await eventsOf(journal, other), ['moved']);
    const [newest] = await listConnectorEvents(db, id);
    assert.equal(newest?.message, '129');
  });

  test('has a refusal of its tunnels once a day for each reason, and again after it was connected', async () => {
    const journal = open();
    const refuse = (reason: string) =>
      journal.refused({ connectorId: id, reason, detail: 'for a reason', externalIp: '203.0.113.9' });
    refuse('expired');
    refuse('expired');
    refuse('revoked');
    await journal.settled();
    now += 86_400_000;
    refuse('revoked');
    journal.connected(id, '203.0.113.9', '0.1.0');
    refuse('revoked');

    assert.deepEqual(await eventsOf(journal), ['refused', 'refused', 'refused', 'connected', 'refused']);
    const [newest] = await listConnectorEvents(db, id);
    assert.equal(newest?.message, 'A tunnel from 203.0.113.9 was refused (revoked): for a reason.');
  });

  test('of a connector that does not exist is nobody’s', async () => {
    const journal = open();

    journal.record('33333333-3333-4333-8333-333333333333', 'moved', 'info', 'x');

    assert.deepEqual(await eventsOf(journal, '33333333-3333-4333-8333-333333333333'), []);
  });
});
