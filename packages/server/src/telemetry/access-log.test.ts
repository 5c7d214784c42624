import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AccessEntry, AccessLog } from './access-log.ts';

const entry: AccessEntry = {
  requestId: 'id-1',
  applicationId: 'app-1',
  host: null,
  userId: 'user-1',
  clientId: null,
  method: 'GET',
  status: 200,
  bytesToClient: 1_024,
  ms: 12.4,
};

function openLog() {
  const writes: string[] = [];
  const log = new AccessLog({ program: 'relay', now: () => 1_000, write: lines => void writes.push(lines) });
  return { log, writes };
}

describe('the access log', () => {
  test('has one JSON document a line, as the logger writes them', () => {
    const { log, writes } = openLog();

    log.add(entry);
    log.add({ ...entry, applicationId: null, host: 'a"b\n', userId: null, method: null, status: 404 });
    log.flush();

    const lines = writes.join('').trimEnd().split('\n');
    const common = { level: 'info', time: '1970-01-01T00:00:01.000Z', program: 'relay', pid: process.pid };
    assert.deepEqual(
      lines.map(line => JSON.parse(line)),
      [
        {
          ...common,
          requestId: 'id-1',
          applicationId: 'app-1',
          userId: 'user-1',
          method: 'GET',
          bytesToClient: 1_024,
          ms: 12,
          status: 200,
          msg: 'request',
        },
        { ...common, requestId: 'id-1', host: 'a"b\n', status: 404, msg: 'request' },
      ],
    );
  });

  test('writes the lines of a moment together, and by itself', t => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { log, writes } = openLog();

    for (let index = 0; index < 10; index++) {
      log.add(entry);
      t.mock.timers.tick(1);
    }
    assert.equal(writes.length, 0);
    t.mock.timers.tick(20);

    assert.equal(writes.length, 1);
    assert.equal(writes[0]!.split('\n').length, 11);
  });

  test('holds no more than so much, and writes nothing where there is nothing', () => {
    const { log, writes } = openLog();

    for (let index = 0; index < 2_000; index++) log.add(entry);
    log.flush();
    log.flush();

    assert.ok(writes.length > 2);
    assert.equal(writes.join('').split('\n').length, 2_001);
    for (const lines of writes) assert.ok(lines.length < 128 * 1024 && lines.endsWith('\n'));
  });
});
