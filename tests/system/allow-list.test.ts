import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RawBackend } from '../testbed/raw-backend.ts';
import { startTestbed, type Testbed, type TestConnector } from '../testbed/testbed.ts';

let backend: RawBackend;
let backendOfIpv6: RawBackend;
let bed: Testbed;
let connector: TestConnector;

before(async () => {
  backend = await RawBackend.start();
  backendOfIpv6 = await RawBackend.start('::1');
  bed = await startTestbed({
    applications: [
      { name: 'site', internalUrl: backend.url },
      { name: 'ipv6', internalUrl: backendOfIpv6.url },
    ],
  });
  [connector] = bed.connectors as [TestConnector];
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
  await backendOfIpv6?.[Symbol.asyncDispose]();
});

/** Lays down what this machine permits, whatever the service wants, and starts the connector anew. */
async function permit(...allow: string[]): Promise<void> {
  writeFileSync(path.join(connector.dataDir, 'Config', 'connector.json'), JSON.stringify({ allow }));
  await connector.restart();
}

function open(name = 'site'): Promise<string> {
  const host = bed.hostOf(name);
  return bed.exchange(
    host,
    `GET / HTTP/1.1\r\nHost: ${host}:${bed.port}\r\nCookie: ${bed.cookie(name)}\r\nAccept: text/html\r\nConnection: close\r\n\r\n`,
  );
}

describe('the allow-list of a connector’s own machine', { timeout: 120_000 }, () => {
  test('keeps the service from what it does not name: a plain page, an event on both sides, no connection', async () => {
    await permit('10.0.0.0/8', 'wiki.corp.example:443');
    const from = bed.serviceLog().length;

    const answer = await open();
    await connector.log.until('dial_refused');
    await bed.log.until('dial_not_allowed', from);

    const requestId = /^x-request-id: (\S+)\r$/im.exec(answer)?.[1];
    assert.ok(requestId !== undefined, answer);
    assert.match(answer, /^HTTP\/1\.1 502 /);
    assert.match(answer, /<h1>The connector may not reach this application<\/h1>/);
    assert.match(answer, /<li class="failed"><span class="sign">.*?<span class="name">Connector</);
    assert.match(answer, /the allow-list stands in the connector/);
    // Where the backend is stays between the administrators.
    assert.ok(!answer.includes(new URL(backend.url).host));
    assert.equal(backend.connections.length, 0);
    for (const [text, code] of [
      [connector.log.text, 'not_allowed'],
      [bed.serviceLog().slice(from), 'dial_not_allowed'],
    ] as const) {
      const line = text.split('\n').find(one => one.includes(`"code":"${code}"`));
      assert.equal(JSON.parse(line ?? '{}').requestId, requestId);
    }
  });

  test('lets through what it names, and nothing more is needed', async () => {
    await permit(new URL(backend.url).host);

    assert.match(await open(), /^HTTP\/1\.1 200 /);
    assert.equal(backend.connections.length, 1);
  });

  test('compares the address of an internal URL that has one, of IPv6, too', async () => {
    await permit('fd00::/8');
    const refused = await open('ipv6');
    await permit('::1/128');

    assert.match(refused, /^HTTP\/1\.1 502 [\s\S]*<h1>The connector may not reach this application<\/h1>/);
    assert.match(await open('ipv6'), /^HTTP\/1\.1 200 /);
    assert.equal(backendOfIpv6.connections.length, 1);
  });
});
