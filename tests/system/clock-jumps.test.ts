/** The service's clock jumps, as after a wrong time server, while people are signed in and a tunnel is up (threat I10). */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { libfaketime } from '../testbed/fake-time.ts';
import { answerEveryRequest, RawBackend } from '../testbed/raw-backend.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const hour = 3_600;

const folder = mkdtempSync(path.join(tmpdir(), 'postern-clock-'));
const offsetFile = path.join(folder, 'offset');
let backend: RawBackend;
let bed: Testbed;

/** @param seconds Between the clock of the service's processes and that of everything else. */
function setClock(seconds: number): void {
  writeFileSync(offsetFile, `${seconds < 0 ? '' : '+'}${seconds}\n`);
}

before(async () => {
  setClock(0);
  backend = await RawBackend.start();
  backend.onConnection = answerEveryRequest;
  bed = await startTestbed({
    applications: [{ name: 'site', internalUrl: backend.url }],
    environment: {
      LD_PRELOAD: libfaketime(),
      FAKETIME_TIMESTAMP_FILE: offsetFile,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  });
});
after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function statusOfPage(): Promise<string> {
  const host = bed.hostOf('site');
  const answer = await bed.exchange(
    host,
    `GET / HTTP/1.1\r\nHost: ${host}:${bed.port}\r\nAccept: text/html\r\nCookie: ${bed.cookie('site')}\r\nConnection: close\r\n\r\n`,
  );
  return answer.slice(9, 12);
}

test('nobody is signed out, and no tunnel is lost, while the session’s hour is not over', async () => {
  for (const seconds of [-1, -hour, -365 * 24 * hour, 0, hour / 2, 0]) {
    setClock(seconds);
    assert.equal(await statusOfPage(), '200', `${seconds} s`);
  }
  assert.doesNotMatch(bed.connectors[0]!.log.text, /"id":200[123],/);
});

test('when it is over, the person is asked to sign in', async () => {
  setClock(2 * hour);

  assert.equal(await statusOfPage(), '303');
});
