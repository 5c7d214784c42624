import assert from 'node:assert/strict';
import { hash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { dataPaths } from '@postern/server/config/names';
import { insertEdgeSession } from '@postern/server/store/edge-sessions';
import { openStore } from '@postern/server/store/open';
import type { Page } from 'playwright-core';
import { Chromium } from '../testbed/chromium.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const page = `<!doctype html><title>Wiki</title><h1>Wiki</h1><button>Sign in again</button>
<script src="/.postern/renew.js"></script>
<script>document.querySelector('button').onclick = () => {
  postern.renew({ popup: true }).then(outcome => { document.title = JSON.stringify(outcome); });
};</script>`;

let backend: Server;
let bed: Testbed;
let chromium: Chromium;

before(async () => {
  backend = createServer(answer).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { port } = backend.address() as AddressInfo;
  const internalUrl = `http://127.0.0.1:${port}/`;
  bed = await startTestbed({
    users: ['eve'],
    applications: [
      { name: 'wiki', internalUrl, assignedTo: ['ada', 'eve'] },
      { name: 'other', internalUrl },
    ],
  });
  chromium = await Chromium.launch({ caFile: bed.caFile });
});

after(async () => {
  await chromium?.[Symbol.asyncDispose]();
  await bed?.[Symbol.asyncDispose]();
  backend?.closeAllConnections();
  backend?.close();
});

beforeEach(async () => {
  for (const open of chromium.context.pages().slice(1)) await open.close();
  await chromium.context.clearCookies();
  chromium.takeErrors();
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === '/data') {
    let said = '';
    request.on('data', (text: Buffer) => {
      said += text.toString();
    });
    request.on('end', () => response.end(`you said ${said}`));
    return;
  }
  response.setHeader('content-type', 'text/html');
  response.setHeader('server-timing', 'db;dur=5');
  response.end(page);
}

const addressOf = (application: string, target = '/') =>
  `https://${bed.hostOf(application)}:${bed.port}${target}`;

async function signIn(name: string, address: string): Promise<Page> {
  const tab = await chromium.newPage();
  await tab.goto(address);
  await tab.getByLabel('Name').fill(name);
  await tab.getByLabel('Password').fill(bed.administrator.password);
  await tab.getByRole('button', { name: 'Sign in' }).click();
  await tab.waitForURL(address);
  return tab;
}

/** The browser's session at an application becomes one that ended a minute ago; at the provider it is still signed in. */
async function expireSession(application: string, user: string): Promise<void> {
  const value = randomBytes(32).toString('base64url');
  const db = await openStore(dataPaths(bed.config).database);
  try {
    await insertEdgeSession(db, {
      id: randomUUID(),
      idHash: hash('sha256', value, 'base64url'),
      host: bed.hostOf(application),
      userId: bed.userId(user),
      loginSessionUid: null,
      createdAt: Date.now() - 120_000,
      expiresAt: Date.now() - 60_000,
    });
  } finally {
    await db.destroy();
  }
  await chromium.context.addCookies([
    {
      name: '__Host-postern',
      value,
      url: addressOf(application),
      secure: true,
      httpOnly: true,
      sameSite: 'Lax',
    },
  ]);
}

/** What the browser shows under "Timing" in its network tab. */
async function timingsOf(tab: Page): Promise<{ name: string; duration: number; description: string }[]> {
  const text = await tab.evaluate(
    `JSON.stringify(performance.getEntriesByType('navigation')[0].serverTiming)`,
  );
  return JSON.parse(String(text));
}

describe('timings in an administrator’s browser', () => {
  test('come with every answer once they are turned on, beside the backend’s own, until they are turned off', async () => {
    const tab = await signIn('ada', addressOf('wiki'));
    const before = await timingsOf(tab);

    await tab.goto(addressOf('wiki', '/.postern/timing?on'));
    await tab.getByRole('heading', { name: 'Timings are on' }).waitFor();
    await tab.goto(addressOf('wiki', '/fresh'));
    const fresh = await timingsOf(tab);
    await tab.goto(addressOf('wiki', '/.postern/timing?off'));
    await tab.getByRole('heading', { name: 'Timings are off' }).waitFor();
    await tab.goto(addressOf('wiki'));
    const after = await timingsOf(tab);

    assert.deepEqual(
      before.map(({ name }) => name),
      ['db'],
    );
    const names = fresh.map(({ name }) => name);
    for (const name of ['db', 'edge', 'queue', 'backend']) assert.ok(names.includes(name), names.join());
    assert.equal(fresh.find(({ name }) => name === 'db')!.duration, 5);
    assert.deepEqual(
      after.map(({ name }) => name),
      ['db'],
    );
  });

  test('name the tunnel and the connection where one was made', async () => {
    const tab = await signIn('ada', addressOf('other'));
    await tab.goto(addressOf('other', '/.postern/timing?on'));
    await tab.getByRole('heading', { name: 'Timings are on' }).waitFor();
    await bed.connectors[0]!.restart();

    await tab.goto(addressOf('other'));
    const timings = await timingsOf(tab);

    const connect = timings.find(({ name }) => name === 'connect');
    assert.match(connect?.description ?? '', /^DNS [\d.]+, TCP [\d.]+$/);
    assert.ok(timings.some(({ name }) => name === 'tunnel'));
  });

  test('are for administrators who are signed in, and for this browser alone', async () => {
    const tab = await signIn('eve', addressOf('wiki'));
    const refused = await tab.goto(addressOf('wiki', '/.postern/timing?on'));
    await tab.goto(addressOf('wiki'));
    const ofEve = await timingsOf(tab);
    const ofSameAdministrator = await bed.exchange(
      bed.hostOf('wiki'),
      `GET / HTTP/1.1\r\nHost: ${bed.hostOf('wiki')}\r\nCookie: ${bed.cookie('wiki')}\r\nConnection: close\r\n\r\n`,
    );
    await chromium.context.clearCookies();
    const unknown = await tab.goto(addressOf('wiki', '/.postern/timing?on'));

    assert.equal(refused!.status(), 403);
    assert.deepEqual(
      ofEve.map(({ name }) => name),
      ['db'],
    );
    assert.deepEqual(ofSameAdministrator.match(/^server-timing: .*$/gim), ['server-timing: db;dur=5']);
    assert.equal(unknown!.status(), 401);
  });
});

describe('a page whose session has expired', () => {
  test('renews it in a hidden frame and sends its request again', async () => {
    const tab = await signIn('ada', addressOf('wiki'));
    await expireSession('wiki', 'ada');

    const outcome = await tab.evaluate(`(async () => {
      const plain = await fetch('/data');
      const { error } = await plain.json();
      const renewed = await postern.fetch('/data', { method: 'POST', body: 'hello' });
      const after = await fetch('/data');
      return { plain: plain.status, error, renewed: renewed.status, text: await renewed.text(), after: after.status };
    })()`);

    const { error, ...rest } = outcome as { error: { code: string; renew: string } };
    assert.deepEqual(rest, { plain: 401, renewed: 200, text: 'you said hello', after: 200 });
    assert.equal(error.code, 'sign_in_required');
    assert.equal(error.renew, addressOf('wiki', '/.postern/renew'));
    assert.equal(new URL(tab.url()).pathname, '/');
    assert.equal(await tab.locator('iframe').count(), 0);
  });

  test('renews it once for many requests', async () => {
    const tab = await signIn('ada', addressOf('wiki'));
    await expireSession('wiki', 'ada');
    const from = bed.log.text.length;

    const statuses = await tab.evaluate(`Promise.all(
      Array.from({ length: 6 }, () => postern.fetch('/data').then(({ status }) => status)))`);

    assert.deepEqual(statuses, [200, 200, 200, 200, 200, 200]);
    assert.equal(bed.log.text.slice(from).match(/"event":"session_started"/g)?.length, 1);
  });

  test('gets its 401 where nobody is signed in at the provider, and can ask in a small window', async () => {
    const tab = await signIn('ada', addressOf('wiki'));
    await chromium.context.clearCookies();

    const outcome = await tab.evaluate(`(async () => {
      const { status } = await postern.fetch('/data');
      return { status, ...(await postern.renew()) };
    })()`);
    const opened = tab.waitForEvent('popup');
    await tab.getByRole('button').click();
    const popup = await opened;
    await popup.getByLabel('Name').fill('ada');
    await popup.getByLabel('Password').fill(bed.administrator.password);
    await popup.getByRole('button', { name: 'Sign in' }).click();
    await tab.waitForFunction(`document.title.startsWith('{')`);

    assert.deepEqual(outcome, { status: 401, renewed: false, reason: 'login_required' });
    assert.equal(await tab.title(), '{"renewed":true,"reason":"renewed"}');
    assert.equal(await tab.evaluate(`fetch('/data').then(({ status }) => status)`), 200);
  });

  test('does not become another person’s page', async () => {
    const tab = await signIn('ada', addressOf('wiki'));
    await expireSession('wiki', 'eve');

    const outcome = await tab.evaluate('postern.renew()');

    assert.deepEqual(outcome, { renewed: false, reason: 'account_changed' });
    assert.equal(await tab.evaluate(`fetch('/data').then(({ status }) => status)`), 401);
  });

  test('is not helped to it by a page of another origin', async () => {
    const tab = await signIn('ada', addressOf('other'));

    const heard = await tab.evaluate(`new Promise(resolve => {
      addEventListener('message', ({ data }) => resolve(data));
      const frame = document.createElement('iframe');
      frame.onload = () => setTimeout(() => resolve('nothing'), 500);
      frame.src = '${addressOf('wiki', '/.postern/renew')}';
      document.body.append(frame);
    })`);

    assert.equal(heard, 'nothing');
    assert.match(chromium.takeErrors().join('\n'), /frame-ancestors|X-Frame-Options/i);
  });
});
