import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Kysely } from 'kysely';
import { pino } from 'pino';
import { openStore } from '../store/open.ts';
import type { Database } from '../store/schema.ts';
import { type Alert, type AlertChannel, AlertError } from './alert.ts';
import { Alerts } from './alerts.ts';
import { watchExpiry } from './expiry-watch.ts';

const day = 24 * 3_600_000;
const minute = 60_000;
const begin = Date.UTC(2026, 0, 1);

let folder: string;
let db: Kysely<Database>;
let now: number;
let logged: Record<string, unknown>[];

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'postern-alerts-'));
  db = await openStore(path.join(folder, 'postern.db'));
  now = begin;
  logged = [];
});
afterEach(async () => {
  await db.destroy();
  rmSync(folder, { recursive: true });
});

/** A channel that fails as often as it is told to. */
class TestChannel implements AlertChannel {
  readonly name: string;
  readonly alerts: Alert[] = [];
  attempts = 0;
  failures: number;
  readonly #isPartial: boolean;

  constructor(name: string, failures = 0, isPartial = false) {
    this.name = name;
    this.failures = failures;
    this.#isPartial = isPartial;
  }

  async send(alert: Alert): Promise<string> {
    this.attempts += 1;
    if (this.failures-- > 0) {
      throw new AlertError('refused', `${this.name} said no`, 'Ask why.', { isPartial: this.#isPartial });
    }
    this.alerts.push(alert);
    return 'thanks';
  }
}

/** As after a start of the service. */
function start(...channels: AlertChannel[]): Alerts {
  const log = pino({ base: null }, { write: line => void logged.push(JSON.parse(line)) });
  return new Alerts({ db, channels, log, now: () => now });
}

async function addConnector(machineName: string): Promise<string> {
  const id = randomUUID();
  const group = await db.selectFrom('connectorGroup').select('id').executeTakeFirstOrThrow();
  const rest = { version: '1', os: 'Linux', externalIp: null, lastSeenAt: null, revokedAt: null };
  await db
    .insertInto('connector')
    .values({ id, machineName, groupId: group.id, createdAt: begin, ...rest })
    .execute();
  return id;
}

async function addCertificate(connectorId: string, notBefore: number): Promise<void> {
  const serial = randomUUID();
  await db
    .insertInto('connectorCertificate')
    .values({
      serial,
      connectorId,
      sha256: serial,
      thumbprint: `T-${serial}`,
      notBefore,
      notAfter: notBefore + 180 * day,
      revokedAt: null,
      pem: '',
    })
    .execute();
}

const content = { type: 'test', title: 'x', text: 'y', details: {} } as const;

describe('alerts before a trust certificate expires', () => {
  test('go out 30, 14, 7 and 1 days before, once each by every channel, whatever the number of restarts', async () => {
    const connectorId = await addConnector('edge-1');
    await addCertificate(connectorId, begin);
    const mail = new TestChannel('mail');
    const hook = new TestChannel('webhook');

    for (now = begin + 140 * day; now < begin + 183 * day; now += day / 2) {
      const alerts = start(mail, hook);
      for (const _again of [1, 2]) {
        await watchExpiry(db, alerts, now);
        await alerts.deliverDue();
      }
    }

    for (const { alerts } of [mail, hook]) {
      assert.deepEqual(
        alerts.map(({ details }) => details['expiresInDays']),
        [30, 14, 7, 1],
      );
    }
    const [first] = mail.alerts;
    assert.equal(first?.details['connectorId'], connectorId);
    assert.match(first!.title, /edge-1 expires in 30 days/);
    assert.match(first!.text, /postern connector register/);
  });

  test('stop with a renewal, and begin anew with the next certificate', async () => {
    const connectorId = await addConnector('edge-1');
    await addCertificate(connectorId, begin);
    const mail = new TestChannel('mail');
    const alerts = start(mail);
    const lookOn = async (at: number) => {
      now = begin + at * day;
      await watchExpiry(db, alerts, now);
      await alerts.deliverDue();
      return mail.alerts.length;
    };

    assert.equal(await lookOn(151), 1);
    await addCertificate(connectorId, begin + 152 * day);
    assert.equal(await lookOn(179), 1);
    assert.equal(await lookOn(152 + 151), 2);
  });

  test('leave out connectors that are revoked', async () => {
    const connectorId = await addConnector('edge-1');
    await addCertificate(connectorId, begin);
    await db.updateTable('connector').set({ revokedAt: begin }).where('id', '=', connectorId).execute();
    const mail = new TestChannel('mail');
    const alerts = start(mail);

    now = begin + 170 * day;
    await watchExpiry(db, alerts, now);
    await alerts.deliverDue();

    assert.equal(mail.alerts.length, 0);
  });
});

describe('the delivery of alerts', () => {
  test('is tried again with growing pauses until it works, over restarts, and is then over', async () => {
    const mail = new TestChannel('mail', 3);
    await start(mail).raise('subject', content);

    const attemptedAt: number[] = [];
    for (; now < begin + 60 * minute; now += minute) {
      const before = mail.attempts;
      await start(mail).deliverDue();
      if (mail.attempts > before) attemptedAt.push((now - begin) / minute);
    }

    assert.deepEqual(attemptedAt, [0, 1, 6, 21]);
    assert.equal(mail.alerts.length, 1);
    const failed = logged.filter(({ event }) => event === 'alert_delivery_failed');
    assert.deepEqual(
      failed.map(({ attempts, reason, isLast }) => [attempts, reason, isLast]),
      [1, 2, 3].map(attempts => [attempts, 'mail said no', false]),
    );
  });

  test('is given up after about a day, and says so', async () => {
    const mail = new TestChannel('mail', 1_000);
    await start(mail).raise('subject', content);

    for (; now < begin + 2 * day; now += minute) await start(mail).deliverDue();

    assert.equal(mail.attempts, 8);
    assert.equal(logged.at(-1)?.['isLast'], true);
  });

  test('of one channel does not depend on another', async () => {
    const broken = new TestChannel('webhook', 1_000);
    const mail = new TestChannel('mail');
    const alerts = start(broken, mail);

    await alerts.raise('subject', content);
    await alerts.deliverDue();

    assert.equal(mail.alerts.length, 1);
  });

  test('is not repeated where some of the recipients have it', async () => {
    const mail = new TestChannel('mail', 1, true);
    const alerts = start(mail);
    await alerts.raise('subject', content);

    await alerts.deliverDue();
    now += day;
    await alerts.deliverDue();

    assert.equal(mail.attempts, 1);
  });

  test('of a channel that is no longer configured is given up', async () => {
    await start(new TestChannel('webhook')).raise('subject', content);

    await start().deliverDue();

    const delivery = await db.selectFrom('alertDelivery').selectAll().executeTakeFirstOrThrow();
    assert.equal(delivery.nextAttemptAt, null);
    assert.equal(delivery.deliveredAt, null);
  });
});

describe('a test alert', () => {
  test('goes to every channel once, and says what became of each', async () => {
    const mail = new TestChannel('mail');
    const hook = new TestChannel('webhook', 1);

    const results = await start(mail, hook).test();

    assert.deepEqual(results, [
      { channel: 'mail', status: 'sent', detail: 'thanks', remedy: null },
      { channel: 'webhook', status: 'failed', detail: 'webhook said no', remedy: 'Ask why.' },
    ]);
    assert.equal(mail.alerts[0]?.type, 'test');
  });
});
