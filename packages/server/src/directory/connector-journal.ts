import type { ConnectorEventName } from '@postern/protocol/admin/connectors';
import type { Kysely } from 'kysely';
import type { TunnelRefusal } from '../feed/messages.ts';
import { findLastConnectorEvent, insertConnectorEvent } from '../store/connector-events.ts';
import type { Database } from '../store/schema.ts';

export interface ConnectorJournalParts {
  readonly db: Kysely<Database>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** An event could not be written; what it is about goes on. */
  readonly onFailed: (error: unknown) => void;
}

/** Of one connector. */
const keptEvents = 100;
const dayMs = 86_400_000;

type Level = 'info' | 'warn' | 'error';

/**
 * What happened to each connector as the service saw it, for administrators: the last hundred events of each. Events are
 * written one after the other, in the order in which they were recorded.
 */
export class ConnectorJournal {
  readonly #parts: ConnectorJournalParts;
  #last: Promise<void> = Promise.resolve();

  constructor(parts: ConnectorJournalParts) {
    this.#parts = parts;
  }

  record(connectorId: string, event: ConnectorEventName, level: Level, message: string): void {
    this.#enqueue(() => this.#insert(connectorId, event, level, message));
  }

  /** The first tunnel of a connector is up. Relays say so again after every restart of the control process. */
  connected(connectorId: string, externalIp: string, version: string): void {
    this.#enqueue(async () => {
      if ((await this.#lastState(connectorId)) === 'connected') return;
      const message = `The connector connected from ${externalIp} with version ${version}.`;
      await this.#insert(connectorId, 'connected', 'info', message);
    });
  }

  /** Its last tunnel is gone. */
  lost(connectorId: string, reason: string): void {
    this.#enqueue(async () => {
      if ((await this.#lastState(connectorId)) !== 'connected') return;
      await this.#insert(connectorId, 'lost', 'warn', `The last tunnel of the connector ended: ${reason}.`);
    });
  }

  /** A tunnel of it was refused. The same reason is written again when a day has gone by, or it was connected since. */
  refused({ connectorId, reason, detail, externalIp }: TunnelRefusal): void {
    this.#enqueue(async () => {
      const { db, now } = this.#parts;
      const message = `A tunnel from ${externalIp} was refused (${reason}): ${detail}.`;
      const last = await findLastConnectorEvent(db, connectorId, ['refused', 'connected']);
      const isRepeated = last?.event === 'refused' && reasonOf(last.message) === reason;
      if (isRepeated && now() - last.createdAt < dayMs) return;
      await this.#insert(connectorId, 'refused', 'warn', message);
    });
  }

  /** Waits until everything is written that was recorded so far. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #lastState(connectorId: string): Promise<string | undefined> {
    return (await findLastConnectorEvent(this.#parts.db, connectorId, ['connected', 'lost']))?.event;
  }

  async #insert(
    connectorId: string,
    event: ConnectorEventName,
    level: Level,
    message: string,
  ): Promise<void> {
    const { db, now } = this.#parts;
    await insertConnectorEvent(db, { connectorId, createdAt: now(), event, level, message }, keptEvents);
  }

  #enqueue(write: () => Promise<void>): void {
    this.#last = this.#last.then(write).catch(this.#parts.onFailed);
  }
}

/** The reason in the message of a refusal. */
function reasonOf(message: string): string | undefined {
  return /\(([a-z_]+)\)/.exec(message)?.[1];
}
