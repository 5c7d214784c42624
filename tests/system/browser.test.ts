import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { CDPSession, Page } from 'playwright-core';
import { Chromium, seriousViolations } from '../testbed/chromium.ts';
import { CommandLine } from '../testbed/command-line.ts';
import { type ForeignBackend, startNginx, startWebsockify } from '../testbed/foreign-backends.ts';
import { RfbServer } from '../testbed/rfb-server.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const password = 'four words of anna';
const downloads = mkdtempSync(path.join(tmpdir(), 'postern-downloads-'));
const file = randomBytes(8 * 1_048_576);
const fileDigest = sha256(file);

let desktop: RfbServer;
let nginx: ForeignBackend;
let websockify: ForeignBackend;
let bed: Testbed;
let commandLine: CommandLine;
let chromium: Chromium;

before(async () => {
  writeFileSync(path.join(downloads, 'archive.bin'), file);
  desktop = await RfbServer.start();
  nginx = await startNginx(downloads);
  websockify = await startWebsockify(desktop.port);
  bed = await startTestbed({
    applications: [
      { name: 'site', internalUrl: nginx.url },
      { name: 'desktop', internalUrl: websockify.url },
      { name: 'others', internalUrl: nginx.url },
      // Port 1 of the loopback: nothing listens there.
      { name: 'stopped', internalUrl: 'http://127.0.0.1:1/' },
    ],
  });
  commandLine = await CommandLine.signIn(bed);
  chromium = await Chromium.launch({ caFile: bed.caFile });
});

after(async () => {
  await chromium?.[Symbol.asyncDispose]();
  commandLine?.[Symbol.dispose]();
  await bed?.[Symbol.asyncDispose]();
  await websockify?.[Symbol.asyncDispose]();
  await nginx?.[Symbol.asyncDispose]();
  await desktop?.[Symbol.asyncDispose]();
  rmSync(downloads, { recursive: true, force: true });
});

beforeEach(async () => {
  for (const page of chromium.context.pages().slice(1)) await page.close();
  chromium.takeErrors();
});

const addressOf = (application: string, target = '/') =>
  `https://${application}.${bed.domain}:${bed.port}${target}`;

async function fillSignIn(page: Page): Promise<void> {
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.getByLabel('Name').fill('anna');
  await page.getByLabel('Password').fill(password);
}

async function submit(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Opens an address with a browser that remembers nothing, and signs in on the way to it. */
async function openSignedIn(address: string): Promise<Page> {
  await chromium.context.clearCookies();
  const page = await chromium.newPage();
  await page.goto(address);
  await fillSignIn(page);
  await submit(page);
  await page.waitForURL(address);
  return page;
}

describe('in a real browser that trusts the CA', { timeout: 600_000 }, () => {
  test('a person who is invited chooses a password, signs in and finds My Apps empty', async () => {
    const created = await commandLine.run(['user', 'create', 'anna', '--display-name', 'Anna Weber']);
    const link = invitationLink(created);
    const page = await chromium.newPage();

    await page.goto(link);
    assert.equal(await page.getByLabel('Name').inputValue(), 'anna');
    assert.deepEqual(await seriousViolations(page), []);
    await page.getByLabel('New password', { exact: true }).fill(password);
    await page.getByLabel('New password again').fill('something else entirely');
    await page.getByRole('button', { name: 'Save password' }).click();
    assert.match(await page.getByRole('alert').innerText(), /not the same as above/);
    assert.match(
      chromium.takeErrors().join('\n'),
      /^\S+set-up: Failed to load resource: .* status of 400 \(\)$/,
    );
    await page.getByLabel('New password', { exact: true }).fill(password);
    await page.getByLabel('New password again').fill(password);
    await page.getByRole('button', { name: 'Save password' }).click();
    await page.getByRole('link', { name: 'Go to My Apps' }).click();
    await fillSignIn(page);
    await submit(page);

    await page.getByRole('heading', { name: 'No applications yet' }).waitFor();
    assert.equal(page.url(), addressOf('portal'));
    assert.deepEqual(await seriousViolations(page), []);
    assert.deepEqual(chromium.takeErrors(), []);

    await page.goto(link);
    await page.getByRole('heading', { name: 'This link does not work any more' }).waitFor();
  });

  test('a wrong password is said beside the field, and the name is kept', async () => {
    await chromium.context.clearCookies();
    const page = await chromium.newPage();

    await page.goto(addressOf('portal'));
    assert.deepEqual(await seriousViolations(page), []);
    await page.getByLabel('Name').fill('anna');
    await page.getByLabel('Password').fill('not this one');
    await submit(page);
    await page.getByRole('alert').waitFor();

    assert.match(await page.getByRole('alert').innerText(), /do not match/);
    assert.equal(await page.getByLabel('Name').inputValue(), 'anna');
    assert.equal(await page.getByLabel('Password').inputValue(), '');
    assert.deepEqual(await seriousViolations(page), []);
  });

  test('a tile of My Apps leads into nginx, whose links and pictures work', async () => {
    for (const name of ['site', 'desktop', 'stopped']) {
      await commandLine.run(['app', 'assign', name, 'anna']);
    }
    const page = await openSignedIn(addressOf('portal'));

    assert.deepEqual(await page.locator('.tile .name').allInnerTexts(), ['desktop', 'site', 'stopped']);
    assert.deepEqual(await seriousViolations(page), []);
    await page.getByRole('searchbox').fill('sit');
    assert.equal(await page.locator('.tile:visible').count(), 1);
    await page.getByRole('link', { name: /site/ }).click();
    await page.getByRole('heading', { name: 'Welcome to nginx!' }).waitFor();
    assert.equal(page.url(), addressOf('site'));

    // Without its last slash nginx redirects, and names its own address.
    await page.goto(addressOf('site', '/files/app'));
    assert.equal(page.url(), addressOf('site', '/files/app/'));
    await page.getByRole('link', { name: 'images/' }).click();
    await page.getByRole('link', { name: 'alt.svg' }).click();
    await page.waitForURL(addressOf('site', '/files/app/images/alt.svg'));
    assert.equal(await page.evaluate('document.documentElement.nodeName'), 'svg');
    assert.deepEqual(chromium.takeErrors(), []);
  });

  test('a file is downloaded whole, and in parts', async () => {
    const page = await openSignedIn(addressOf('site'));
    await page.evaluate(`document.body.innerHTML = '<a href="/downloads/archive.bin">the archive</a>'`);

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'the archive' }).click(),
    ]);
    const whole = readFileSync(await download.path());
    const part = await page.evaluate(async () => {
      const answer = await fetch('/downloads/archive.bin', { headers: { range: 'bytes=1000000-1000999' } });
      return {
        status: answer.status,
        range: answer.headers.get('content-range'),
        bytes: [...new Uint8Array(await answer.arrayBuffer())],
      };
    });

    assert.equal(sha256(whole), fileDigest);
    assert.equal(part.status, 206);
    assert.equal(part.range, `bytes 1000000-1000999/${file.length}`);
    assert.deepEqual(Buffer.from(part.bytes), file.subarray(1_000_000, 1_001_000));
    assert.deepEqual(chromium.takeErrors(), []);
  });

  test('noVNC shows a desktop over a WebSocket of its HTTP/2 connection, and keys reach it; signing out in another tab ends both', async () => {
    const page = await openSignedIn(addressOf('desktop', '/vnc_lite.html'));
    const inspector = await page.context().newCDPSession(page);
    await inspector.send('Network.enable');
    const answered = nextWebSocketAnswer(inspector);
    await page.reload();
    await page.getByText('Connected to One colour').waitFor();
    // Over HTTP/1.1 it would be 101 (RFC 8441 §5); for this, Chromium takes no connection but one that is there.
    assert.equal((await answered).status, 200);
    assert.equal(await page.evaluate(`performance.getEntriesByType('navigation')[0].nextHopProtocol`), 'h2');
    await page.waitForFunction(
      `document.querySelector('canvas').getContext('2d').getImageData(20, 20, 1, 1).data.join() === '15,107,92,255'`,
    );
    const key = once(desktop, 'key');
    await page.locator('canvas').click();
    await page.keyboard.press('k');
    assert.deepEqual(await key, ['k'.codePointAt(0)]);
    assert.deepEqual(chromium.takeErrors(), []);

    const closed = once(desktop, 'closed');
    const portal = await chromium.newPage();
    await portal.goto(addressOf('portal'));
    await portal.getByRole('button', { name: 'Sign out' }).click();
    await portal.getByRole('heading', { name: 'Signed out' }).waitFor();
    assert.deepEqual(await seriousViolations(portal), []);

    await closed;
    await page.locator('#status', { hasText: /Disconnected|connection is closed/ }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.match(await page.locator('.destination').innerText(), /desktop\.bed\.localhost/);
  });

  test('two tabs that ask to sign in at the same time both arrive', async () => {
    await chromium.context.clearCookies();
    const wanted = [addressOf('site', '/files/app/'), addressOf('desktop', '/vnc_lite.html')];
    const tabs = [await chromium.newPage(), await chromium.newPage()];

    await Promise.all(tabs.map((tab, index) => tab.goto(wanted[index]!)));
    for (const tab of tabs) await fillSignIn(tab);
    await Promise.all(tabs.map(submit));
    await Promise.all(tabs.map((tab, index) => tab.waitForURL(wanted[index]!)));

    await tabs[0]!.getByRole('heading', { name: /Index of/ }).waitFor();
    await tabs[1]!.getByText('Connected to One colour').waitFor();
  });

  test('a form that is sent after the session has ended leads through sign-in back to its page', async () => {
    const page = await openSignedIn(addressOf('site', '/files/app/'));
    await page.evaluate(`document.body.innerHTML =
      '<form method="post" action="/files/"><input name="text" value="kept by nobody"><button>Send</button></form>'`);
    await chromium.context.clearCookies();

    await page.getByRole('button', { name: 'Send' }).click();
    await fillSignIn(page);
    await submit(page);

    await page.waitForURL(addressOf('site', '/files/app/'));
    await page.getByRole('heading', { name: /Index of/ }).waitFor();
  });

  test('a script of a page whose session has ended is told so in JSON, and not redirected', async () => {
    const page = await openSignedIn(addressOf('site'));
    await chromium.context.clearCookies();

    const answer = await page.evaluate(async () => {
      const response = await fetch('/files/');
      return { status: response.status, redirected: response.redirected, text: await response.text() };
    });

    assert.equal(answer.status, 401);
    assert.equal(answer.redirected, false);
    const { error }: { error: { code: string; signIn: string } } = JSON.parse(answer.text);
    assert.equal(error.code, 'sign_in_required');
    assert.equal(error.signIn, addressOf('site', '/.postern/sign-in'));
  });

  const failures = [
    {
      title: 'an application that does not answer',
      application: 'stopped',
      status: 502,
      station: 'no answer',
    },
    { title: 'an application of others', application: 'others', status: 403, station: null },
    { title: 'an address that nobody has published', application: 'nothing', status: 404, station: null },
  ];
  for (const { title, application, status, station } of failures) {
    test(`${title} is explained in a page that everybody can read`, async () => {
      const page = await openSignedIn(addressOf('portal'));

      const answer = await page.goto(addressOf(application));

      assert.equal(answer?.status(), status);
      assert.deepEqual(await seriousViolations(page), []);
      // One connection serves all these hosts, as its certificate covers them.
      assert.equal(await page.locator('dd.host').innerText(), `${application}.${bed.domain}`);
      assert.deepEqual(
        await page.locator('li.failed .state').allInnerTexts(),
        station === null ? [] : [station],
      );
      // The browser itself notes the status; the page adds nothing, such as what its own policy forbids.
      assert.deepEqual(
        chromium.takeErrors().filter(error => !error.includes(`status of ${status}`)),
        [],
      );
    });
  }
});

/** What Chromium gets in answer to the next WebSocket that a page opens. */
function nextWebSocketAnswer(inspector: CDPSession): Promise<{ status: number }> {
  return new Promise(resolve => {
    inspector.once('Network.webSocketHandshakeResponseReceived', ({ response }) => resolve(response));
  });
}

function invitationLink(created: unknown): string {
  assert.ok(typeof created === 'object' && created !== null);
  const text = /https:[^"]+secret=[^"]+/.exec(JSON.stringify(created))?.[0];
  assert.ok(text !== undefined, JSON.stringify(created));
  return text;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
