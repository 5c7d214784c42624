import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { AdminLog } from './admin-log.ts';
import type { LogRecord } from './log.ts';
import { LogFile, logFilePath } from './log-file.ts';
import { followLog, type LogLine, readLog } from './read-log.ts';

let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'postern-logs-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

function lineOf(number: number): string {
  return `${JSON.stringify({ time: '2026-01-01T00:00:00.000Z', number })}\n`;
}

async function numbersOf(lines: AsyncIterable<LogLine>): Promise<unknown[]> {
  const numbers: unknown[] = [];
  for await (const line of lines) numbers.push(line['number']);
  return numbers;
}

function adminLog(options: { maxBytes?: number; maxFiles?: number; onLost?: (lines: number) => void } = {}) {
  return new LogFile({ dataDir, name: 'admin', maxBytes: 1_000_000, maxFiles: 3, ...options });
}

describe('a log file', () => {
  test('is readable for its own user alone, and so is its folder', async () => {
    const log = adminLog();

    log.write(lineOf(1));
    await log.close();

    assert.equal(statSync(logFilePath(dataDir, 'admin')).mode & 0o777, 0o600);
    assert.equal(statSync(path.join(dataDir, 'logs')).mode & 0o777, 0o700);
  });

  test('goes on where the process before it ended', async () => {
    for (const number of [1, 2]) {
      const log = adminLog();
      log.write(lineOf(number));
      await log.close();
    }

    assert.deepEqual(await numbersOf(readLog(dataDir, 'admin')), [1, 2]);
  });

  test('is bounded in size and number, and loses its oldest lines', async () => {
    const size = lineOf(10).length;
    const log = adminLog({ maxBytes: 4 * size, maxFiles: 3 });

    for (let number = 10; number < 50; number++) {
      log.write(lineOf(number));
      await log.close();
    }

    const files = readdirSync(path.join(dataDir, 'logs'));
    assert.deepEqual(files.toSorted(), ['admin.1.jsonl', 'admin.2.jsonl', 'admin.jsonl']);
    for (const file of files) assert(statSync(path.join(dataDir, 'logs', file)).size <= 4 * size);
    const numbers = await numbersOf(readLog(dataDir, 'admin'));
    assert.equal(numbers.at(-1), 49);
    assert.deepEqual(
      numbers,
      Array.from(numbers, (_, index) => 50 - numbers.length + index),
    );
  });

  test('costs nothing but its lines where it cannot be written, and says how many when it can again', async () => {
    const lost: number[] = [];
    const log = adminLog({ onLost: lines => lost.push(lines) });
    // A folder in its place: opening it for writing fails, whoever tries.
    mkdirSync(logFilePath(dataDir, 'admin'), { recursive: true });

    log.write(lineOf(1));
    log.write(lineOf(2));
    await log.close();
    rmdirSync(logFilePath(dataDir, 'admin'));
    log.write(lineOf(3));
    await log.close();

    assert.deepEqual(lost, [2]);
    assert.deepEqual(await numbersOf(readLog(dataDir, 'admin')), [3]);
  });

  test('holds no more than its bound of what a disk that hangs does not take', async () => {
    const lost: number[] = [];
    const log = adminLog({ onLost: lines => lost.push(lines) });
    const long = `${JSON.stringify({ time: '2026-01-01T00:00:00.000Z', text: 'x'.repeat(100_000) })}\n`;

    // All of it in one turn of the event loop: nothing can be written meanwhile.
    for (let line = 0; line < 100; line++) log.write(long);
    await log.close();

    const written = (await numbersOf(readLog(dataDir, 'admin'))).length;
    assert.equal(written + lost.reduce((sum, lines) => sum + lines, 0), 100);
    assert(written < 25, String(written));
  });

  test('is read past a line that a full disk has cut', async () => {
    mkdirSync(path.join(dataDir, 'logs'));
    writeFileSync(
      logFilePath(dataDir, 'admin'),
      `${lineOf(1)}{"time":"2026-01-0\n${lineOf(2)}\nnull\n{"time":3`,
    );

    assert.deepEqual(await numbersOf(readLog(dataDir, 'admin')), [1, 2]);
  });

  test('that was never written has no lines', async () => {
    assert.deepEqual(await numbersOf(readLog(dataDir, 'session')), []);
  });
});

describe('following a log', () => {
  test('gives what is there, then what comes, across a change of files', { timeout: 60_000 }, async () => {
    const log = adminLog({ maxBytes: 2 * lineOf(1).length });
    const stop = new AbortController();
    const seen: unknown[] = [];
    log.write(lineOf(1));
    await log.close();
    let next = 2;

    const onCaughtUp = () => {
      if (seen.length < next - 1) return;
      if (next > 7) return stop.abort();
      log.write(lineOf(next++));
    };
    for await (const line of followLog(dataDir, 'admin', stop.signal, onCaughtUp)) seen.push(line['number']);
    await log.close();

    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7]);
  });
});

describe('the admin log', () => {
  const failed: LogRecord = {
    time: '2026-01-01T00:00:00.000Z',
    level: 'warn',
    id: 3001,
    event: 'backend_failed',
    message: 'refused',
    applicationId: 'a',
    code: 'connection_refused',
  };

  test('holds a failing backend once a minute for each application, with the number left out', async () => {
    let now = 0;
    const log = new AdminLog(
      dataDir,
      () => {},
      () => now,
    );

    for (let request = 0; request < 100; request++) log.write(failed);
    log.write({ ...failed, applicationId: 'b' });
    now = 61_000;
    log.write(failed);
    await log.close();

    const lines: LogLine[] = [];
    for await (const line of readLog(dataDir, 'admin')) lines.push(line);
    assert.deepEqual(
      lines.map(({ applicationId, leftOut }) => [applicationId, leftOut]),
      [
        ['a', undefined],
        ['b', undefined],
        ['a', 99],
      ],
    );
  });

  test('holds every other event', async () => {
    const log = new AdminLog(
      dataDir,
      () => {},
      () => 0,
    );

    for (let time = 0; time < 3; time++) log.write({ ...failed, id: 2003, event: 'tunnel_lost' });
    await log.close();

    assert.equal((await numbersOf(readLog(dataDir, 'admin'))).length, 3);
  });
});
