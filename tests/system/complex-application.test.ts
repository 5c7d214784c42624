import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Chromium } from '../testbed/chromium.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const seen: string[] = [];
let web: http.Server;
let api: http.Server;
let bed: Testbed;
let chromium: Chromium;

before(async () => {
  web = await listen((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(request.url === '/' ? page : '<title>other</title>');
  });
  api = await listen((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers['x-forwarded-user'] ?? 'nobody'}`);
    // A backend's own word on who may read its answers must not stand beside ours.
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ method: request.method, field: request.headers['x-my-thing'] ?? null }));
  });
  bed = await startTestbed({ applications: [{ name: 'shop', internalUrl: urlOf(web) }] });
  const path = `/applications/${bed.applicationId('shop')}`;
  await expectStatus(204, 'PATCH', path, {
    onPremisesPublishing: {
      externalUrl: `https://*.${bed.domain}:${bed.port}/`,
      internalUrl: 'http://*.corp.localhost/',
    },
  });
  const segments = `${path}/onPremisesPublishing/segmentsConfiguration/microsoft.graph.webSegmentConfiguration/applicationSegments`;
  await expectStatus(201, 'POST', segments, { externalUrl: addressOf('web'), internalUrl: urlOf(web) });
  await expectStatus(201, 'POST', segments, {
    externalUrl: `${addressOf('api')}v1/`,
    internalUrl: urlOf(api),
    corsConfigurations: [
      {
        resource: '/things',
        allowedOrigins: [addressOf('web').slice(0, -1)],
        allowedMethods: ['GET', 'PUT'],
        allowedHeaders: ['X-My-*'],
        maxAgeInSeconds: 60,
      },
    ],
  });
  await expectStatus(201, 'POST', segments, { externalUrl: addressOf('third'), internalUrl: urlOf(web) });
  chromium = await Chromium.launch({ caFile: bed.caFile });
});

after(async () => {
  await chromium?.[Symbol.asyncDispose]();
  await bed?.[Symbol.asyncDispose]();
  for (const server of [web, api]) server?.close();
});

beforeEach(() => void seen.splice(0));

const page = `<!doctype html><title>web</title><script>
async function call(path, options) {
  try {
    const answer = await fetch('https://api.' + location.host.replace(/^[^.]*\\./, '') + path, { credentials: 'include', ...options });
    return answer.status + ' ' + (await answer.text());
  } catch (error) {
    return String(error);
  }
}
</script>`;

async function listen(handler: http.RequestListener): Promise<http.Server> {
  const server = http.createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function urlOf(server: http.Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function addressOf(name: string): string {
  return `https://${name}.${bed.domain}:${bed.port}/`;
}

async function expectStatus(status: number, method: string, path: string, body?: object): Promise<void> {
  const answer = await bed.api(method, path, body);
  assert.equal(answer.status, status, JSON.stringify(answer.body));
}

function ask(name: string, line: string, fields = ''): Promise<string> {
  const host = `${name}.${bed.domain}`;
  return bed.exchange(host, `${line} HTTP/1.1\r\nHost: ${host}\r\n${fields}Connection: close\r\n\r\n`);
}

function preflight(path: string, origin: string, method: string, headers = ''): Promise<string> {
  const names = headers === '' ? '' : `Access-Control-Request-Headers: ${headers}\r\n`;
  const fields = `Origin: ${origin}\r\nAccess-Control-Request-Method: ${method}\r\n${names}`;
  return ask('api', `OPTIONS ${path}`, fields);
}

describe('a complex application in a real browser', () => {
  test('is signed in to once: a script of one segment uses another that was never opened', async () => {
    const tab = await chromium.newPage();
    await tab.goto(addressOf('web'));
    await tab.getByLabel('Name').fill(bed.administrator.name);
    await tab.getByLabel('Password').fill(bed.administrator.password);
    await tab.getByRole('button', { name: 'Sign in' }).click();
    await tab.waitForURL(addressOf('web'));

    const call = (path: string, options: object) =>
      tab.evaluate(
        ([target, init]) =>
          (globalThis as unknown as { call: (...all: unknown[]) => Promise<string> }).call(target, init),
        [path, options] as const,
      );
    assert.equal(await call('/v1/things/7', {}), '200 {"method":"GET","field":null}');
    assert.equal(
      await call('/v1/things/7', { method: 'PUT', headers: { 'X-My-Thing': 'mine' } }),
      '200 {"method":"PUT","field":"mine"}',
    );
    assert.match(await call('/v1/things/7', { method: 'DELETE' }), /TypeError/);
    assert.match(await call('/v1/others', {}), /TypeError/, 'no rule is for this path');
    const { name } = bed.administrator;
    assert.deepEqual(seen, [`GET /things/7 ${name}`, `PUT /things/7 ${name}`, `GET /others ${name}`]);

    await tab.goto(addressOf('third'));
    assert.equal(await tab.title(), 'web', 'nobody asks again');
    chromium.takeErrors();
  });
});

describe('preflight requests', () => {
  const web = () => addressOf('web').slice(0, -1);

  test('are answered at the edge, signed in or not, and reach no backend', async () => {
    const answer = await preflight('/v1/things/7', web(), 'PUT', 'X-My-Thing, content-type');

    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.match(answer, new RegExp(`^access-control-allow-origin: ${web()}\\r$`, 'm'));
    assert.match(answer, /^access-control-allow-methods: PUT\r$/m);
    assert.match(answer, /^access-control-allow-headers: x-my-thing, content-type\r$/m);
    assert.match(answer, /^access-control-max-age: 60\r$/m);
    assert.doesNotMatch(answer, /sign-in|location:/i);
    assert.deepEqual(seen, []);
  });

  test('that the rules do not allow are refused in words, never with a sign-in page', async () => {
    for (const [path, origin, method, headers, reason] of [
      ['/v1/things', 'https://evil.example', 'GET', '', 'the origin https://evil.example'],
      ['/v1/things', web(), 'DELETE', '', 'the method DELETE'],
      ['/v1/things', web(), 'GET', 'x-other', 'the field x-other'],
      ['/v1/else', web(), 'GET', '', 'no rule for this path'],
    ] as const) {
      const answer = await preflight(path, origin, method, headers);
      assert.match(answer, /^HTTP\/1\.1 403 /);
      assert.ok(answer.includes(reason), answer);
      assert.doesNotMatch(answer, /^access-control-allow-origin/m);
    }
    assert.deepEqual(seen, []);
  });

  test('of a segment without rules are told to sign in, not taken to a page', async () => {
    const answer = await ask(
      'web',
      'OPTIONS /',
      `Origin: ${web()}\r\nAccess-Control-Request-Method: PUT\r\n`,
    );

    assert.match(answer, /^HTTP\/1\.1 401 /);
    assert.match(answer, /"code":"sign_in_required"/);
  });
});

describe('answers to requests of other origins', () => {
  test('are readable by the origin even where they say that nobody is signed in', async () => {
    const answer = await ask('api', 'GET /v1/things', `Origin: ${addressOf('web').slice(0, -1)}\r\n`);

    assert.match(answer, /^HTTP\/1\.1 401 /);
    assert.match(answer, /^access-control-allow-origin: https:\/\/web\./m);
    assert.match(answer, /^access-control-allow-credentials: true\r$/m);
  });

  test('say nothing to another origin, but that they depend on it', async () => {
    const answer = await ask('api', 'GET /v1/things', 'Origin: https://evil.example\r\n');

    assert.doesNotMatch(answer, /^access-control-/m);
    assert.match(answer, /^vary: Origin\r$/m);
  });
});

describe('a segment that is removed', () => {
  test('is not published any more, and the others are', async () => {
    const path = `/applications/${bed.applicationId('shop')}/onPremisesPublishing/segmentsConfiguration/microsoft.graph.webSegmentConfiguration/applicationSegments`;
    const { body } = await bed.api('GET', path);
    const { value } = body as { value: { id: string; externalUrl: string }[] };
    const { id } = value.find(one => one.externalUrl.includes('third'))!;

    await expectStatus(204, 'DELETE', `${path}/${id}`);

    assert.match(await ask('third', 'GET /'), /^HTTP\/1\.1 404 /);
    assert.match(await ask('web', 'GET /'), /^HTTP\/1\.1 401 /);
  });
});

describe('what is no segment', () => {
  test('is not published, though the wildcard stands for it', async () => {
    for (const [host, target] of [
      ['none', '/'],
      ['api', '/'],
      ['api', '/v2/things'],
    ] as const) {
      assert.match(await ask(host, `GET ${target}`), /^HTTP\/1\.1 404 /, `${host}${target}`);
    }
  });
});
