import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pathStatus } from './application-status.ts';

const application = { publishingJson: JSON.stringify({ maintenanceMode: { isEnabled: false } }) };
const now = 1_000_000_000;
const seen = { applicationId: 'a', failure: null, since: now - 60_000, at: now - 1_000 };
const refused = { ...seen, failure: { code: 'backend_refused', hop: 'backend' } };
const missed = { ...seen, failure: { code: 'no_connector', hop: 'tunnel' } };

describe('the status of an application', () => {
  test('is what the last request met', () => {
    assert.deepEqual(pathStatus(application, seen, true, now), {
      state: 'reachable',
      hop: null,
      code: null,
      since: seen.since,
      observed: seen.at,
    });
    assert.deepEqual(pathStatus(application, refused, true, now), {
      state: 'unreachable',
      hop: 'backend',
      code: 'backend_refused',
      since: seen.since,
      observed: seen.at,
    });
  });

  test('is unknown where nobody asked, or not for ten minutes', () => {
    assert.equal(pathStatus(application, undefined, true, now).state, 'unknown');
    const old = { ...seen, at: now - 11 * 60_000 };
    assert.equal(pathStatus(application, old, true, now).state, 'unknown');
    assert.equal(pathStatus(application, old, true, now).observed, old.at);
  });

  test('is unreachable without a connector, whatever was seen before; with one again it is unknown', () => {
    const without = pathStatus(application, seen, false, now);
    assert.deepEqual([without.state, without.hop, without.since], ['unreachable', 'tunnel', null]);
    assert.equal(pathStatus(application, missed, false, now).since, missed.since);
    assert.equal(pathStatus(application, missed, true, now).state, 'unknown');
  });

  test('is maintenance in maintenance, and unknown of what is not published', () => {
    const closed = { publishingJson: JSON.stringify({ maintenanceMode: { isEnabled: true } }) };
    assert.equal(pathStatus(closed, seen, true, now).state, 'maintenance');
    assert.equal(pathStatus({ publishingJson: null }, seen, true, now).state, 'unknown');
  });
});
