import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { events } from './catalogue.ts';
import { withEventTable } from './event-table.ts';
import { createLog, type LogRecord } from './log.ts';

const subjects = new Set([1, 2, 3, 4, 5]);

describe('the catalogue of events', () => {
  test('gives every event a number of its own, within its subject', () => {
    const ids = Object.values(events).map(({ id }) => id);

    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert(subjects.has(Math.floor(id / 1_000)), String(id));
  });

  test('keeps the number of the documents for an expired trust certificate, with the command that mends it', () => {
    const { id, level, remedy } = events.certificate_expired;

    assert.equal(id, 1000);
    assert.equal(level, 'error');
    assert.match(remedy, /postern connector register/);
  });

  test('has a remedy for everything that is a warning or worse', () => {
    for (const [name, { level, meaning, remedy }] of Object.entries(events)) {
      assert(meaning.endsWith('.'), name);
      if (level === 'warn' || level === 'error') assert(remedy !== '', name);
    }
  });

  test('is the table in docs/troubleshooting.md (node packages/connector/src/events/write-event-table.ts)', () => {
    const document = readFileSync(new URL('../../../../docs/troubleshooting.md', import.meta.url), 'utf8');

    assert.equal(document, withEventTable(document));
  });
});

describe('the log', () => {
  test('gives each event its number and level from the catalogue, or the level that was asked for', () => {
    const taken: LogRecord[] = [];
    const log = createLog([{ level: 'debug', write: record => taken.push(record) }]);

    log({ event: 'tunnel_failed', message: 'first', code: 'unreachable' });
    log({ event: 'tunnel_failed', level: 'debug', message: 'again' });

    assert.deepEqual(
      taken.map(({ id, level, message, code }) => ({ id, level, message, code })),
      [
        { id: 2002, level: 'warn', message: 'first', code: 'unreachable' },
        { id: 2002, level: 'debug', message: 'again', code: undefined },
      ],
    );
    assert.match(taken[0]!.time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  test('gives a sink nothing below its level', () => {
    const taken: LogRecord[] = [];
    const log = createLog([{ level: 'warn', write: record => taken.push(record) }]);

    log({ event: 'connector_started', message: 'info' });
    log({ event: 'backend_failed', message: 'warn' });

    assert.deepEqual(
      taken.map(({ event }) => event),
      ['backend_failed'],
    );
  });
});
