/** The service's clock jumps, as after a wrong time server, while people are signed in and a tunnel is up (threat I10). */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ShiftedClock } from '../testbed/fake-time.ts';
import { answerEveryRequest, RawBackend } from '../testbed/raw-backend.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const hour = 3_600;

const clock = new ShiftedClock();
let backend: RawBackend;
let bed: Testbed;

before(async () => {
  backend = await RawBackend.start();
  backend.onConnection = answerEveryRequest;
  bed = await startTestbed({
    applications: [{ name: 'site', internalUrl: backend.url }],
    environment: clock.environment,
  });
});
after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
  clock[Symbol.dispose]();
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
    clock.set(seconds);
    assert.equal(await statusOfPage(), '200', `${seconds} s`);
  }
  assert.doesNotMatch(bed.connectors[0]!.log.text, /"id":200[123],/);
});

test('when it is over, the person is asked to sign in', async () => {
  clock.set(2 * hour);

  assert.equal(await statusOfPage(), '303');
});
