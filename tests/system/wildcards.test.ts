import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { browserAt } from '../testbed/browser.ts';
import { RawBackend } from '../testbed/raw-backend.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

let inside: RawBackend;
let wiki: RawBackend;
let bed: Testbed;

before(async () => {
  inside = await RawBackend.start();
  wiki = await RawBackend.start();
  bed = await startTestbed({
    applications: [
      { name: 'any', internalUrl: inside.url },
      { name: 'wiki', internalUrl: wiki.url, passthrough: true },
    ],
  });
  // Names under localhost are the loopback's, for the connector too.
  await publish('any', {
    externalUrl: `https://*.${bed.domain}:${bed.port}/`,
    internalUrl: `http://*.apps.localhost:${new URL(inside.url).port}/`,
  });
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await inside?.[Symbol.asyncDispose]();
  await wiki?.[Symbol.asyncDispose]();
});

async function publish(name: string, onPremisesPublishing: object): Promise<void> {
  const path = `/applications/${bed.applicationId(name)}`;
  const answer = await bed.api('PATCH', path, { onPremisesPublishing });
  assert.equal(answer.status, 204, JSON.stringify(answer.body));
}

const addressOf = (name: string) => `https://${name}.${bed.domain}:${bed.port}/`;
const navigate = { 'sec-fetch-mode': 'navigate' };

describe('a wildcard application', () => {
  test('lets people in after one sign-in, at each of its hosts with a session of its own', async () => {
    const browser = browserAt(bed);
    const page = await browser.follow(await browser.get(`${addressOf('one')}page`, navigate));
    const { name, password } = bed.administrator;

    const first = await browser.follow(await browser.submitSignIn(page, name, password));
    const second = await browser.follow(await browser.get(`${addressOf('two')}page`, navigate));

    assert.equal(first.status, 200);
    assert.equal(second.status, 200, 'no sign-in page in between');
    const [one, two] = ['one', 'two'].map(host => browser.cookie(`${host}.${bed.domain}`, '__Host-postern'));
    assert.ok(one !== undefined && two !== undefined && one !== two);
    const stolen = await bed.exchange(
      `two.${bed.domain}`,
      `GET / HTTP/1.1\r\nHost: two.${bed.domain}\r\nCookie: __Host-postern=${one}\r\nConnection: close\r\n\r\n`,
    );
    assert.match(stolen, /^HTTP\/1\.1 401 /);
    assert.deepEqual(
      [...inside.received.matchAll(/^Host: (\S+?):\d+\r$/gm)].map(([, host]) => host),
      ['one.apps.localhost', 'two.apps.localhost'],
    );
  });

  test('leaves hosts that are published by themselves to those', async () => {
    await inside.reset();
    const host = bed.hostOf('wiki');
    const answer = await bed.exchange(host, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);

    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.equal(inside.connections.length, 0);
    assert.match(wiki.received, /^GET \/ /);
  });

  test('keeps backend connections of its hosts apart', async () => {
    await publish('any', { externalAuthenticationType: 'passthru' });
    await inside.reset();
    const socket = await bed.connect(`one.${bed.domain}`);
    let received = '';
    socket.on('data', (bytes: Buffer) => {
      received += bytes.toString('latin1');
    });
    for (const [index, host] of ['one', 'two', 'one'].entries()) {
      socket.write(`GET /${index} HTTP/1.1\r\nHost: ${host}.${bed.domain}\r\n\r\n`);
      while (received.split('HTTP/1.1 200').length < index + 2) {
        await new Promise(resolve => socket.once('data', resolve));
      }
    }
    socket.destroy();

    assert.equal(inside.connections.length, 2);
    for (const connection of inside.connections) {
      const hosts = new Set([...connection.received.matchAll(/^Host: (\S+)\r$/gm)].map(([, host]) => host));
      assert.equal(hosts.size, 1, connection.received);
    }
  });

  test('never reaches the service’s own names, nor what is no name', async () => {
    await inside.reset();
    for (const host of ['connectorregistrationca', 'a_b', '-a', 'a-']) {
      const name = `${host}.${bed.domain}`;
      const answer = await bed.exchange(
        `one.${bed.domain}`,
        `GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`,
      );
      assert.match(answer, /^HTTP\/1\.1 (404|421) /, name);
    }
    assert.equal(inside.connections.length, 0);
  });

  test('of a deeper name is published, and the log says which certificate it needs', async () => {
    const from = bed.log.text.length;
    await publish('wiki', {
      externalUrl: `https://*.deep.${bed.domain}:${bed.port}/`,
      internalUrl: 'http://*.deep.localhost/',
    });

    await bed.log.until(`"host":"*.deep.${bed.domain}"`, from);
    assert.match(bed.log.text.slice(from), /no certificate covers this host/);
  });

  test('has one tile in My Apps, once it has a home page', async () => {
    await publish('any', { externalAuthenticationType: 'aadPreAuthentication' });
    const browser = browserAt(bed);
    const portal = `https://portal.${bed.domain}:${bed.port}/`;
    const page = await browser.follow(await browser.get(portal, navigate));
    const { name, password } = bed.administrator;
    const before = await browser.follow(await browser.submitSignIn(page, name, password));
    assert.doesNotMatch(before.body, /class="name">any</);

    const homePageUrl = `${addressOf('start')}welcome`;
    const changed = await bed.api('PATCH', `/applications/${bed.applicationId('any')}`, {
      web: { homePageUrl },
    });
    assert.equal(changed.status, 204, JSON.stringify(changed.body));

    const shown = await browser.get(portal, navigate);
    assert.ok(shown.body.includes(`href="${homePageUrl}"`), shown.body);
  });
});
