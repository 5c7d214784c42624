import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { ExpiryWarnings, type WatchedCertificate } from './expiry-warnings.ts';
import type { LogEvent } from './log.ts';

const day = 24 * 3_600_000;
const certificate: WatchedCertificate = { thumbprint: 'AA', notBefore: 0, notAfter: 180 * day };

let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'postern-expiry-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

/** Starts a connector's warnings at a day, and gives what they said. */
async function saidOn(at: number, watched = certificate): Promise<LogEvent[]> {
  const said: LogEvent[] = [];
  const warnings = new ExpiryWarnings({
    dataDir,
    log: event => said.push(event),
    certificate: () => watched,
    now: () => at * day,
  });
  await warnings.start();
  await warnings.check();
  warnings.stop();
  return said;
}

describe('the warnings of a trust certificate that expires', () => {
  test('come 30, 14, 7 and 1 days before, each once, whatever the number of restarts', async () => {
    const days: unknown[] = [];
    for (let at = 140; at <= 182; at += 0.5) {
      for (const { expiresInDays } of await saidOn(at)) days.push(expiresInDays);
    }

    assert.deepEqual(days, [30, 14, 7, 1]);
  });

  test('name certificate, day and command', async () => {
    const [event] = await saidOn(173);

    assert.equal(event?.event, 'certificate_expires_soon');
    assert.match(event!.message, /AA expires in 7 days, on 1970-06-30/);
    assert.match(event!.message, /postern connector register/);
  });

  test('begin anew with another certificate', async () => {
    await saidOn(179.5);

    const said = await saidOn(179.5, { ...certificate, thumbprint: 'BB', notAfter: 190 * day });

    assert.equal(said.length, 1);
  });

  test('of a connector that was off for long are one and not three', async () => {
    const said = await saidOn(179.5);

    assert.deepEqual(
      said.map(({ expiresInDays }) => expiresInDays),
      [1],
    );
  });

  test('come again rather than not at all where the memory of them cannot be read', async () => {
    await saidOn(160);
    mkdirSync(path.join(dataDir, 'run'), { recursive: true });
    writeFileSync(path.join(dataDir, 'run', 'expiry-warning.json'), '{');

    assert.equal((await saidOn(160)).length, 1);
  });
});
