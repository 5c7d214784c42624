import type { Kysely } from 'kysely';
import type { AlertTable, Database } from './schema.ts';

/** A delivery that is to be tried. */
export interface DueDelivery {
  readonly alertId: string;
  readonly channel: string;
  readonly attempts: number;
  readonly alertJson: string;
}

/**
 * Keeps an alert and what is to be delivered of it, unless its subject was raised before.
 *
 * @returns whether it is new.
 */
export async function insertAlert(
  db: Kysely<Database>,
  alert: AlertTable,
  channels: readonly string[],
): Promise<boolean> {
  return await db.transaction().execute(async transaction => {
    const { numInsertedOrUpdatedRows } = await transaction
      .insertInto('alert')
      .values(alert)
      .onConflict(conflict => conflict.column('subject').doNothing())
      .executeTakeFirstOrThrow();
    if (numInsertedOrUpdatedRows === 0n) return false;
    if (channels.length === 0) return true;
    const fresh = { alertId: alert.id, attempts: 0, nextAttemptAt: alert.createdAt };
    await transaction
      .insertInto('alertDelivery')
      .values(channels.map(channel => ({ ...fresh, channel, deliveredAt: null, lastError: null })))
      .execute();
    return true;
  });
}

/** @param now Milliseconds since the epoch. Those that wait longest come first. */
export async function findDueDeliveries(
  db: Kysely<Database>,
  now: number,
  limit: number,
): Promise<DueDelivery[]> {
  return await db
    .selectFrom('alertDelivery')
    .innerJoin('alert', 'alert.id', 'alertDelivery.alertId')
    .select(['alertId', 'channel', 'attempts', 'alertJson'])
    .where('nextAttemptAt', '<=', now)
    .orderBy('nextAttemptAt')
    .limit(limit)
    .execute();
}

/** Notes what became of an attempt. */
export async function updateDelivery(
  db: Kysely<Database>,
  { alertId, channel }: Pick<DueDelivery, 'alertId' | 'channel'>,
  change: {
    readonly attempts: number;
    readonly nextAttemptAt: number | null;
    readonly deliveredAt: number | null;
    readonly lastError: string | null;
  },
): Promise<void> {
  await db
    .updateTable('alertDelivery')
    .set(change)
    .where('alertId', '=', alertId)
    .where('channel', '=', channel)
    .execute();
}

/** Deletes alerts that were raised before a time, with what was to be delivered of them. */
export async function deleteAlertsBefore(db: Kysely<Database>, time: number): Promise<void> {
  await db.deleteFrom('alert').where('createdAt', '<', time).execute();
}
