import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { Chromium, seriousViolations } from '../testbed/chromium.ts';
import { freePorts, startTestbed, type Testbed } from '../testbed/testbed.ts';

// Outside of localhost: there browsers trust whatever they load, http included, and forbid nothing of what is tested.
const domains = ['one.test', 'two.test'] as const;

let one: Testbed;
let two: Testbed;
let onePlain: number;
let twoPlain: number;
let silent: net.Server;
let chromium: Chromium;

before(async () => {
  const [oneHttps, oneHttp, twoHttps, twoHttp, closed] = (await freePorts(5)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  onePlain = oneHttp;
  twoPlain = twoHttp;
  // What a firewall that drops looks like from a browser: nothing ever comes back.
  silent = net.createServer(socket => socket.on('error', () => {}));
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const { port: silentPort } = silent.address() as net.AddressInfo;
  const host = `portcheck.${domains[0]}`;
  const twoHost = `portcheck.${domains[1]}`;
  two = await startTestbed({
    domain: domains[1],
    port: twoHttps,
    httpPort: twoHttp,
    applications: [],
    connectors: 0,
    config: {
      portCheck: { regions: [{ name: 'Sydney', host, httpsPort: oneHttps, httpPort: silentPort }] },
    },
  });
  one = await startTestbed({
    domain: domains[0],
    port: oneHttps,
    httpPort: oneHttp,
    applications: [],
    connectors: 0,
    config: {
      portCheck: {
        regions: [
          { name: 'Frankfurt', host, httpsPort: oneHttps, httpPort: oneHttp },
          { name: 'Dallas', host: twoHost, httpsPort: twoHttps, httpPort: twoHttp },
          { name: 'Singapore', host: twoHost, httpsPort: twoHttps, httpPort: closed },
        ],
      },
    },
  });
  chromium = await Chromium.launch({ caFile: [one.caFile, two.caFile], loopbackDomains: domains });
});

after(async () => {
  await chromium?.[Symbol.asyncDispose]();
  await one?.[Symbol.asyncDispose]();
  await two?.[Symbol.asyncDispose]();
  silent?.close();
});

const overHttps = () => `https://portcheck.${domains[0]}:${one.port}/`;
const inTheClear = () => `http://portcheck.${domains[0]}:${onePlain}/`;

/** The table as words, once everything was tested. */
async function results(page: Page): Promise<string[][]> {
  await page.locator('#again:enabled').waitFor();
  const rows = await page.locator('table').first().locator('tbody tr').all();
  return Promise.all(
    rows.map(async row => [
      await row.locator('.name').innerText(),
      ...(await row.locator('.result').allInnerTexts()).map(text => text.trim()),
    ]),
  );
}

describe('the port check page in a real browser', { timeout: 300_000 }, () => {
  test('in the clear shows both ports of every region, and red where one is closed', async () => {
    const page = await chromium.newPage();
    await page.goto(inTheClear());

    assert.deepEqual(await results(page), [
      ['Frankfurt', 'Open', 'Open'],
      ['Dallas', 'Open', 'Open'],
      ['Singapore', 'Open', 'Blocked'],
    ]);
    assert.equal(await page.locator('[data-state="open"] svg').count(), 5);
    assert.match(
      await page.getByRole('status').innerText(),
      /^Blocked: port \d+ of Singapore\. A connector works/,
    );
    assert.deepEqual(await seriousViolations(page), []);
    // The browser itself notes what could not be reached; the page adds nothing, such as what its own policy forbids.
    const own = chromium.takeErrors().filter(error => !/net::ERR_|due to access control|CORS/.test(error));
    assert.deepEqual(own, []);
  });

  test('sees red, and gives up in time, where what is sent to a port is dropped', async () => {
    const page = await chromium.newPage();
    await page.goto(`http://portcheck.${domains[1]}:${twoPlain}/`);

    assert.deepEqual(await results(page), [['Sydney', 'Open', 'Blocked']]);
    chromium.takeErrors();
  });

  test('over https tests what browsers allow there, and leads to the copy that tests both', async () => {
    const page = await chromium.newPage();
    await page.goto(overHttps());

    assert.deepEqual(
      await results(page),
      ['Frankfurt', 'Dallas', 'Singapore'].map(name => [name, 'Open', 'Not tested here']),
    );
    assert.match(await page.getByRole('status').innerText(), /^All that was tested is open\./);
    assert.deepEqual(await seriousViolations(page), []);
    assert.deepEqual(chromium.takeErrors(), []);

    await page.getByRole('link', { name: /^Test port \d+, too$/ }).click();
    await page.waitForURL(`${inTheClear()}plain`);
    assert.equal((await results(page))[1]?.[2], 'Open');
    chromium.takeErrors();
  });

  test('sees the service go away, and come back', async () => {
    const page = await chromium.newPage();
    await page.goto(inTheClear());
    await results(page);

    await page.route(`https://portcheck.${domains[0]}:${one.port}/**`, route =>
      route.abort('connectionrefused'),
    );
    await page.getByRole('button', { name: 'Test again' }).click();
    assert.deepEqual((await results(page))[0], ['Frankfurt', 'Blocked', 'Open']);
    assert.match(
      await page.getByRole('status').innerText(),
      /^Blocked: port \d+ of Frankfurt, port \d+ of Singapore\. A connector in this network cannot/,
    );

    await page.unroute(`https://portcheck.${domains[0]}:${one.port}/**`);
    await page.getByRole('button', { name: 'Test again' }).click();
    assert.deepEqual((await results(page))[0], ['Frankfurt', 'Open', 'Open']);
    chromium.takeErrors();
  });

  test('lists what to open, also without JavaScript', async () => {
    await using plain = await Chromium.launch({
      caFile: one.caFile,
      loopbackDomains: domains,
      javaScriptEnabled: false,
    });
    const page = await plain.newPage();
    await page.goto(overHttps());

    const text = await page.locator('main').innerText();
    for (const label of ['connect', 'login', 'portal', 'portcheck']) {
      assert.match(text, new RegExp(`${label}\\.one\\.test\\s+TCP ${one.port}\\s`));
    }
    assert.match(text, new RegExp(`\\*\\.one\\.test, TCP ${one.port} and ${onePlain}, outbound`));
    assert.match(text, /The test needs JavaScript/);
  });
});
