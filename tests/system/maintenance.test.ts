import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { upgradeAccepted, upgradeFields } from '../testbed/raw-websocket.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

let backend: RawBackend;
let bed: Testbed;
const wiki = 'wiki.bed.localhost';
const open = 'open.bed.localhost';
const clients: RawClient[] = [];

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    users: ['bob'],
    applications: [
      { name: 'wiki', internalUrl: backend.url, assignedTo: ['ada', 'bob'] },
      { name: 'open', internalUrl: backend.url, passthrough: true },
    ],
  });
});

after(async () => {
  for (const client of clients) client.destroy();
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await backend.reset();
  await close('wiki', { isEnabled: false, message: '', exceptPrincipalIds: [] });
  await close('open', { isEnabled: false, message: '' });
  await backend.reset();
});

const page = 'Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n';

function get(host: string, fields = '', path = '/'): Promise<string> {
  return bed.exchange(host, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${fields}\r\n`);
}

/** Sets the mode, and waits until the service goes by it. */
async function close(application: string, maintenanceMode: object): Promise<void> {
  const { status, body } = await bed.api('PATCH', `/applications/${bed.applicationId(application)}`, {
    onPremisesPublishing: { maintenanceMode },
  });
  assert.equal(status, 204, JSON.stringify(body));
  // Signing somebody up waits until the relays know of everything before it.
  await bed.api('POST', '/users', {
    userPrincipalName: `u${clients.length}-${performance.now()}`,
    displayName: 'U',
  });
  const expected = 'isEnabled' in maintenanceMode && maintenanceMode.isEnabled === true;
  const deadline = performance.now() + 30_000;
  const host = bed.hostOf(application);
  const cookie = `Cookie: ${bed.cookie(application, 'bob')}\r\n`;
  while ((await get(host, cookie)).includes('"code":"maintenance"') !== expected) {
    assert.ok(performance.now() < deadline, 'the change was not in effect after 30 s');
  }
}

describe('an application in maintenance', () => {
  test('is a page with the administrator’s words, and Retry-After', async () => {
    await close('open', { isEnabled: true, message: 'Back at <14:00>.', retryAfterSeconds: 900 });
    await backend.reset();

    const got = await get(open, page);

    assert.match(got, /^HTTP\/1\.1 503 /);
    assert.match(got, /^retry-after: 900\r$/m);
    assert.match(got, /^content-type: text\/html/m);
    assert.match(got, /<h1>open is being worked on<\/h1>/);
    assert.match(got, /Back at &lt;14:00&gt;\./);
    assert.equal(backend.connections.length, 0);
  });

  test('is JSON for programs, in our own words where there are no others', async () => {
    await close('open', { isEnabled: true });

    const got = await get(open, 'Accept: application/json\r\n');

    assert.match(got, /^content-type: application\/json\r$/m);
    assert.match(
      got,
      /"code":"maintenance","message":"An administrator has closed this application for maintenance\./,
    );
  });

  test('is shown without signing anybody in, where nobody is excepted', async () => {
    await close('wiki', { isEnabled: true });

    assert.match(await get(wiki, page), /^HTTP\/1\.1 503 /);
    assert.match(await get(wiki), /^HTTP\/1\.1 503 [\s\S]*"code":"maintenance"/);
  });

  test('lets those in who are excepted, and asks who is there', async () => {
    await close('wiki', { isEnabled: true, exceptPrincipalIds: [bed.userId('ada')] });

    const ada = await get(wiki, `Cookie: ${bed.cookie('wiki')}\r\n`);
    const bob = await get(wiki, `Cookie: ${bed.cookie('wiki', 'bob')}\r\n`);

    assert.match(ada, /^HTTP\/1\.1 200 /);
    assert.match(bob, /^HTTP\/1\.1 503 [\s\S]*"code":"maintenance"/);
    assert.match(await get(wiki, page), /^HTTP\/1\.1 303 [\s\S]*^location: https:\/\/login\./im);
    assert.match(await get(wiki), /^HTTP\/1\.1 401 /);
  });

  test('lets groups in that are excepted', async () => {
    const { body } = await bed.api('POST', '/groups', { displayName: 'Wiki keepers' });
    const { id } = body as { id: string };
    const member = { '@odata.id': `https://portal.${bed.domain}/api/v1.0/users/${bed.userId('ada')}` };
    assert.equal((await bed.api('POST', `/groups/${id}/members/$ref`, member)).status, 204);

    await close('wiki', { isEnabled: true, exceptPrincipalIds: [id] });

    assert.match(await get(wiki, `Cookie: ${bed.cookie('wiki')}\r\n`), /^HTTP\/1\.1 200 /);
  });

  test('lets requests finish that are under way, and ends WebSockets', async () => {
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(() => {
        if (connection.received.startsWith('GET /ws')) connection.send(upgradeAccepted);
        else if (connection.received.startsWith('GET /slow'))
          connection.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst');
        else connection.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      });
    };
    const slow = new RawClient(await bed.connect(open));
    const socket = new RawClient(await bed.connect(open));
    clients.push(slow, socket);
    slow.send(`GET /slow HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
    socket.send(`GET /ws HTTP/1.1\r\nHost: ${open}\r\n${upgradeFields}\r\n`);
    await Promise.all([slow.until('first'), socket.until('\r\n\r\n')]);

    await close('open', { isEnabled: true });
    backend.connections.find(one => one.received.startsWith('GET /slow'))!.send('after');

    await slow.until('firstafter');
    // A close frame of the service: 1008.
    assert.match(await socket.closed(), /\r\n\r\n\x88.\x03\xf0/s);
  });

  test('leaves the rest of the service alone', async () => {
    await close('open', { isEnabled: true });

    assert.match(await get(wiki, `Cookie: ${bed.cookie('wiki')}\r\n`), /^HTTP\/1\.1 200 /);
    assert.match(await get(open, '', '/robots.txt'), /^HTTP\/1\.1 200 /);
  });
});

test('an invalid mode is refused with the field and the reason', async () => {
  for (const [maintenanceMode, reason] of [
    [{ message: 'two\nlines' }, /message.*one line/],
    [{ retryAfterSeconds: 0 }, /retryAfterSeconds/],
    [{ exceptPrincipalIds: ['ada'] }, /exceptPrincipalIds/],
    [{ until: 'tomorrow' }, /until/],
  ] as const) {
    const { status, body } = await bed.api('PATCH', `/applications/${bed.applicationId('open')}`, {
      onPremisesPublishing: { maintenanceMode },
    });

    assert.equal(status, 400, JSON.stringify(body));
    assert.match(JSON.stringify(body), reason);
  }
});
