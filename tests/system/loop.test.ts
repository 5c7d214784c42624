import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { RawBackend } from '../testbed/raw-backend.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

let backend: RawBackend;
let bed: Testbed;

before(async () => {
  backend = await RawBackend.start();
  const internalUrl = backend.url;
  bed = await startTestbed({
    applications: [
      { name: 'circle', internalUrl },
      { name: 'open', internalUrl, passthrough: true },
      { name: 'there', internalUrl, passthrough: true },
      { name: 'back', internalUrl, passthrough: true },
      { name: 'front', internalUrl, passthrough: true },
      { name: 'behind', internalUrl, passthrough: true },
    ],
  });
  // Internal URLs that lead to the service's own public port, as they do where a name has no other address inside.
  for (const [name, to] of [
    ['circle', 'circle'],
    ['open', 'open'],
    ['there', 'back'],
    ['back', 'there'],
    ['front', 'behind'],
  ] as const) {
    const answer = await bed.api('PATCH', `/applications/${bed.applicationId(name)}`, {
      onPremisesPublishing: {
        internalUrl: `https://${bed.hostOf(to)}:${bed.port}/`,
        isBackendCertificateValidationEnabled: false,
      },
    });
    assert.equal(answer.status, 204, JSON.stringify(answer.body));
  }
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

function ask(name: string, fields = ''): Promise<string> {
  const host = bed.hostOf(name);
  return bed.exchange(host, `GET /x HTTP/1.1\r\nHost: ${host}\r\n${fields}Connection: close\r\n\r\n`);
}

describe('an internal URL that leads back to the service', () => {
  test('is answered with 508, not with a request in a request in a request', async () => {
    const answer = await ask('open');

    assert.match(answer, /^HTTP\/1\.1 508 /);
    assert.match(answer, /"code":"loop_detected"/);
    assert.equal(backend.connections.length, 0);
  });

  test('with sign-in, too, where the session is not sent along', async () => {
    const answer = await ask('circle', `Cookie: ${bed.cookie('circle')}\r\nAccept: text/html\r\n`);

    assert.match(answer, /^HTTP\/1\.1 508 /);
    assert.match(answer, /circle leads back to itself/);
  });

  test('by way of another application', async () => {
    assert.match(await ask('there'), /^HTTP\/1\.1 508 /);
    assert.match(await ask('back'), /^HTTP\/1\.1 508 /);
  });

  test('is none where it ends at another application', async () => {
    assert.match(await ask('front'), /^HTTP\/1\.1 200 /);
    assert.match(backend.received, /^CDN-Loop: postern; r=[\w-]{16}\r$/m);
  });
});

describe('what a client says of loops', () => {
  test('is passed on, and believed by nobody: only our own word of this very application counts', async () => {
    await ask('behind');
    const [, tag] = /CDN-Loop: postern; r=([\w-]{16})/.exec(backend.received)!;
    await backend.reset();

    for (const value of [
      'postern',
      'postern; r=AAAAAAAAAAAAAAAA',
      'cdn.example; r=1',
      `postern; r=${tag!.slice(1)}`,
    ]) {
      assert.match(await ask('behind', `CDN-Loop: ${value}\r\n`), /^HTTP\/1\.1 200 /, value);
      assert.ok(backend.received.includes(`CDN-Loop: ${value}\r\n`), value);
    }
  });

  test('does not get ours taken out', async () => {
    const answer = await ask('open', 'Connection: CDN-Loop\r\n');

    assert.match(answer, /^HTTP\/1\.1 508 /);
  });
});
