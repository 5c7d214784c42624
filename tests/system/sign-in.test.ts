import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { browserAt } from '../testbed/browser.ts';
import { RawBackend } from '../testbed/raw-backend.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

let backend: RawBackend;
let bed: Testbed;

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({ applications: [{ name: 'wiki', internalUrl: `http://${backend.authority}/` }] });
});
after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

describe('a person signs in', () => {
  test('from an address of the application to its page, through the sign-in page and the public port alone', async () => {
    const browser = browserAt(bed);
    const wanted = `https://${bed.hostOf('wiki')}:${bed.port}/page?x=1`;

    const page = await browser.follow(await browser.get(wanted, { 'sec-fetch-mode': 'navigate' }));
    const { name, password } = bed.administrator;
    const answer = await browser.follow(await browser.submitSignIn(page, name, password));

    assert.match(page.body, /to continue to/);
    assert.equal(answer.url.href, wanted);
    assert.equal(answer.status, 200);
    assert.match(backend.received, /^GET \/page\?x=1 HTTP\/1\.1\r\n/);
    assert.match(backend.received, new RegExp(`^X-Forwarded-User: ${name}\r$`, 'm'));
    assert.doesNotMatch(backend.received, /__Host-postern/);
  });

  test('and out again: the application asks anew, and the cookie that was kept opens nothing', async () => {
    const browser = browserAt(bed);
    const portal = `https://portal.${bed.domain}:${bed.port}/`;
    const page = await browser.follow(await browser.get(portal, { 'sec-fetch-mode': 'navigate' }));
    const { name, password } = bed.administrator;
    const myApps = await browser.follow(await browser.submitSignIn(page, name, password));
    const kept = browser.cookie(new URL(portal).hostname, '__Host-postern');

    const signedOut = await browser.follow(await browser.post(`${portal}.postern/sign-out`, {}));
    const again = await browserAt(bed).get(portal, {
      cookie: `__Host-postern=${kept}`,
      'sec-fetch-mode': 'navigate',
    });

    assert.match(myApps.body, /<h1>My Apps<\/h1>/);
    assert.match(signedOut.body, /Signed out/);
    assert.equal(again.location?.hostname, `login.${bed.domain}`);
  });
});
