import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { type DueDelivery, findDueDeliveries, insertAlert, updateDelivery } from '../store/alerts.ts';
import type { Database } from '../store/schema.ts';
import * as events from '../telemetry/events.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type Alert, type AlertChannel, AlertError, type ChannelResult } from './alert.ts';

export interface AlertsParts {
  readonly db: Kysely<Database>;
  readonly channels: readonly AlertChannel[];
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const minuteMs = 60_000;

/** Pauses after the first, second, … attempt that failed; after the last of them it is given up. */
const pausesMs = [1, 5, 15, 60, 180, 360, 720].map(minutes => minutes * minuteMs);
const maxAtOnce = 100;

/**
 * Raises alerts and delivers them by every channel. What is to be delivered is in the store: neither a restart nor a mail
 * server that is down for half a day loses one, and none is delivered twice that a channel has confirmed.
 */
export class Alerts {
  readonly #parts: AlertsParts;
  #delivering: Promise<void> = Promise.resolve();

  constructor(parts: AlertsParts) {
    this.#parts = parts;
  }

  /**
   * Raises an alert, unless it was raised for this subject before; its deliveries begin with the next `deliverDue`.
   *
   * @returns whether it is new.
   */
  async raise(subject: string, content: Omit<Alert, 'id' | 'createdAt'>): Promise<boolean> {
    const { db, channels, log, now } = this.#parts;
    const alert: Alert = { id: randomUUID(), createdAt: now(), ...content };
    const row = { id: alert.id, subject, createdAt: alert.createdAt, alertJson: JSON.stringify(alert) };
    const isNew = await insertAlert(
      db,
      row,
      channels.map(({ name }) => name),
    );
    if (isNew) events.alertRaised(log, { alertId: alert.id, type: alert.type, details: alert.details });
    return isNew;
  }

  /** Tries every delivery whose time has come; calls at the same time are one after the other. */
  deliverDue(): Promise<void> {
    const run = this.#delivering.then(() => this.#deliverAll());
    this.#delivering = run.catch(() => {});
    return run;
  }

  /** Sends a test alert by every channel, once and now, and says what became of each. */
  async test(): Promise<ChannelResult[]> {
    const { channels, now } = this.#parts;
    const alert: Alert = {
      id: randomUUID(),
      type: 'test',
      createdAt: now(),
      title: 'Test alert',
      text: 'An administrator asked for this alert, to see that alerts arrive. Nothing has happened.',
      details: {},
    };
    const attempts = await Promise.all(channels.map(channel => attempt(channel, alert)));
    return attempts.map(({ result }) => result);
  }

  async #deliverAll(): Promise<void> {
    const { db, now } = this.#parts;
    const due = await findDueDeliveries(db, now(), maxAtOnce);
    // A channel that is slow or down holds up no other; within one, alerts keep their order.
    const byChannel = Map.groupBy(due, ({ channel }) => channel);
    await Promise.all(
      [...byChannel.values()].map(async deliveries => {
        for (const delivery of deliveries) await this.#deliver(delivery);
      }),
    );
  }

  async #deliver(delivery: DueDelivery): Promise<void> {
    const { db, channels, log, now } = this.#parts;
    const { alertId, channel: name } = delivery;
    const channel = channels.find(one => one.name === name);
    const attempts = delivery.attempts + 1;
    if (channel === undefined) {
      const lastError = 'This channel is no longer configured.';
      return updateDelivery(db, delivery, { attempts, nextAttemptAt: null, deliveredAt: null, lastError });
    }
    const { result, isPartial } = await attempt(channel, JSON.parse(delivery.alertJson) as Alert);
    if (result.status === 'sent') {
      events.alertDelivered(log, { alertId, channel: name });
      const deliveredAt = now();
      return updateDelivery(db, delivery, { attempts, nextAttemptAt: null, deliveredAt, lastError: null });
    }
    const lastError = result.detail;
    const pauseMs = isPartial ? null : (pausesMs[attempts - 1] ?? null);
    const nextAttemptAt = pauseMs === null ? null : now() + pauseMs;
    const isLast = pauseMs === null;
    events.alertDeliveryFailed(log, { alertId, channel: name, attempts, reason: lastError, isLast });
    return updateDelivery(db, delivery, { attempts, nextAttemptAt, deliveredAt: null, lastError });
  }
}

interface Attempt {
  readonly result: ChannelResult;
  readonly isPartial: boolean;
}

async function attempt(channel: AlertChannel, alert: Alert): Promise<Attempt> {
  const { name } = channel;
  try {
    const detail = await channel.send(alert);
    return { result: { channel: name, status: 'sent', detail, remedy: null }, isPartial: false };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const remedy = error instanceof AlertError ? error.remedy : "Look into the service's log.";
    const isPartial = error instanceof AlertError && error.isPartial;
    return { result: { channel: name, status: 'failed', detail, remedy }, isPartial };
  }
}
