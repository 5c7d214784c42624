import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { accessTable } from './authorize.ts';
import { type AdminApiBench, openAdminApi, portalHost } from './testing.ts';

const someId = 'c56a4180-65aa-42ec-a945-5fd21dec0538';

const routes = Object.entries(accessTable).map(([row, access]) => {
  const [method, path] = row.split(' ') as ['GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE', string];
  return { method, access, url: path.slice(1).replace(/:\w+/g, someId), name: row };
});

describe('authorisation of the admin API (threats F1, F2, F3)', () => {
  let bench: AdminApiBench;
  before(async () => {
    bench = await openAdminApi();
  });
  after(() => bench[Symbol.asyncDispose]());

  test('every row of the access table is a route in both versions, and every other route is open to anybody', () => {
    const expected = Object.keys(accessTable).flatMap(row => {
      const [method, path] = row.split(' ');
      const names = method === 'GET' ? ['GET', 'HEAD'] : [method];
      return names.flatMap(each => [`${each} /api/v1.0${path}`, `${each} /api/beta${path}`]);
    });

    const restricted = [...bench.routes].filter(route => !/ \/api\/(openapi\.json|\*)$/.test(route));

    assert.deepEqual(restricted.sort(), expected.sort());
  });

  for (const { method, url, access, name } of routes) {
    test(`${name} refuses whoever may not call it`, async () => {
      const anonymous = await bench.call(null, method, url);
      const unknownToken = await bench.call('forged', method, url);
      const wrongScope = await bench.call('portal', method, url);
      const roleless = await bench.call('nobody', method, url);

      assert.equal(anonymous.statusCode, 401);
      assert.match(String(anonymous.headers['www-authenticate']), /^Bearer /);
      assert.equal(unknownToken.statusCode, 401);
      assert.equal(wrongScope.statusCode, 403);
      assert.match(wrongScope.json().error.message, /scope "api"/);
      if (access === 'signed-in') {
        assert.equal(roleless.statusCode, 200);
        return;
      }
      assert.equal(roleless.statusCode, 403);
      assert.match(
        roleless.json().error.message,
        new RegExp(`You hold no role; this needs ${access}. A Global Administrator can grant it.`),
      );
    });
  }

  test('an Application Administrator is refused exactly where a Global Administrator is needed', async () => {
    for (const { method, url, access, name } of routes) {
      const answer = await bench.call('application', method, url);

      assert.equal(answer.statusCode === 403, access === 'Global Administrator', name);
    }
  });

  test('a cookie proves nothing', async () => {
    const answer = await bench.call(null, 'GET', 'me', undefined, { cookie: '__Host-postern=global' });

    assert.equal(answer.statusCode, 401);
    assert.equal(answer.json().error.code, 'InvalidAuthenticationToken');
  });

  test('threat F7: a token in the address, where logs and histories keep it, proves nothing', async () => {
    const answer = await bench.call(null, 'GET', 'me?access_token=global');

    assert.equal(answer.statusCode, 401);
  });

  test("the relay's statement of who is signed in proves nothing", async () => {
    const { userId } = bench.tokens.get('global')!;

    const answer = await bench.call(null, 'GET', 'me', undefined, { 'x-postern-user-id': userId });

    assert.equal(answer.statusCode, 401);
  });

  test('a page of another origin is refused although it has a token', async () => {
    const foreign = await bench.call('global', 'GET', 'me', undefined, { origin: 'https://evil.example' });
    const own = await bench.call('global', 'GET', 'me', undefined, { origin: `https://${portalHost}` });

    assert.equal(foreign.statusCode, 403);
    assert.equal(own.statusCode, 200);
  });

  test('a name that leads to this machine but is not the portal’s finds no API (DNS rebinding)', async () => {
    const answer = await bench.call('global', 'GET', 'me', undefined, { host: 'rebound.evil.example' });

    assert.equal(answer.statusCode, 404);
  });

  test('other spellings of a path reach no other route', async () => {
    const { userId } = bench.tokens.get('nobody')!;
    for (const url of [
      '/api/v1.0/me/../users',
      '/api/v1.0//users',
      '/api/v1.0/%75sers',
      '/api/v1.0/users/',
      '/api/v1.0/USERS',
      `/api/v1.0/users%2F${userId}`,
      '/api/v1.0/me;/../users',
      '/api/v1.0/me%00',
      '/api/beta/users',
    ]) {
      const answer = await bench.call('nobody', 'GET', url);

      assert.ok([400, 403, 404].includes(answer.statusCode), `${url}: ${answer.statusCode}`);
    }
  });

  test('a disabled account is refused although its token still works', async () => {
    const { userId } = bench.tokens.get('application')!;
    await bench.call('global', 'PATCH', `users/${userId}`, { accountEnabled: false });

    const refused = await bench.call('application', 'GET', 'applications');
    await bench.call('global', 'PATCH', `users/${userId}`, { accountEnabled: true });

    assert.equal(refused.statusCode, 401);
    assert.equal((await bench.call('application', 'GET', 'applications')).statusCode, 200);
  });

  test('two Authorization fields are refused over a real connection', async () => {
    await bench.app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = bench.app.server.address() as AddressInfo;

    const status = await new Promise((resolve, reject) => {
      httpRequest({
        port,
        path: '/api/v1.0/me',
        headers: ['host', portalHost, 'authorization', 'Bearer forged', 'authorization', 'Bearer global'],
      })
        .on('error', reject)
        .on('response', response => {
          response.resume();
          resolve(response.statusCode);
        })
        .end();
    });

    // Node gives the first one; what matters is that a second one adds nothing.
    assert.equal(status, 401);
  });
});
