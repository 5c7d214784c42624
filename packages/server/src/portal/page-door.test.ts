import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type FastifyInstance, fastify, type InjectOptions } from 'fastify';
import { accessTable } from '../admin/authorize.ts';
import { type AdminApiBench, openAdminApi, portalHost } from '../admin/testing.ts';
import { updateUser } from '../directory/users.ts';
import { registerPageDoor } from './page-door.ts';

const origin = `https://${portalHost}`;

describe('the admin API for pages of the Admin center (threat F1)', () => {
  let bench: AdminApiBench;
  let app: FastifyInstance;
  const routes = new Set<string>();

  before(async () => {
    bench = await openAdminApi();
    app = fastify();
    app.addHook('onRoute', ({ method, url }) => {
      routes.add(`${method} ${url}`);
    });
    await registerPageDoor(app, bench.parts);
  });
  after(async () => {
    await app.close();
    await bench[Symbol.asyncDispose]();
  });

  const userIdOf = (name: string) => bench.tokens.get(name)!.userId;

  /** A request as the relay passes it on from a page of ours, with what a test changes; null leaves a field out. */
  function call(
    as: string,
    changes: Record<string, string | null> = {},
    method: NonNullable<InjectOptions['method']> = 'GET',
    url = 'users',
  ) {
    const fields = {
      host: portalHost,
      'x-postern-user-id': userIdOf(as),
      'sec-fetch-site': 'same-origin',
      'postern-admin-center': '1',
      ...(method === 'GET' ? {} : { origin, 'content-type': 'application/json' }),
      ...changes,
    };
    const headers = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
    return app.inject({
      method,
      url: `/admin/api/v1.0/${url}`,
      headers: headers as Record<string, string>,
      ...(method === 'POST' && { body: '{"userPrincipalName":"new","displayName":"New"}' }),
    });
  }

  test('has every route of the table, and no other', () => {
    const expected = Object.keys(accessTable).flatMap(row => {
      const [method, path] = row.split(' ');
      return (method === 'GET' ? ['GET', 'HEAD'] : [method]).map(each => `${each} /admin/api/v1.0${path}`);
    });

    assert.deepEqual([...routes].filter(route => !route.endsWith('/admin/api/*')).sort(), expected.sort());
  });

  test('a page of ours acts with the roles of whoever the relay says is signed in', async () => {
    assert.equal((await call('global')).statusCode, 200);
    assert.equal((await call('global', {}, 'POST')).statusCode, 201);
    assert.equal((await call('application', {}, 'POST')).statusCode, 403);
    const refused = await call('nobody');
    assert.equal(refused.statusCode, 403);
    assert.match(refused.json().error.message, /You hold no role; this needs Application Administrator/);
  });

  const forgeries: readonly [string, Record<string, string | null>][] = [
    ['a page of another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['an application beside us', { 'sec-fetch-site': 'same-site', origin: 'https://wiki.test.example' }],
    ['an address that was typed or followed', { 'sec-fetch-site': 'none' }],
    [
      'a form of another origin in a browser without Fetch Metadata',
      { 'sec-fetch-site': null, origin: 'null' },
    ],
    ['a script element, which sends no field of its own', { 'postern-admin-center': null }],
    ['a page of another origin that claims to be of ours', { origin: 'https://wiki.test.example' }],
  ];
  for (const [title, changes] of forgeries) {
    test(`refuses ${title}, whoever is signed in`, async () => {
      for (const method of ['GET', 'POST'] as const) {
        const answer = await call('global', changes, method);

        // Browsers send no Origin with a GET to their own origin, so one that differs is refused there as well.
        assert.equal(answer.statusCode, 403, method);
        assert.match(answer.json().error.message, /Only pages of the Admin center/);
      }
    });
  }

  test('answers no preflight, so that no other origin may send what ours sends', async () => {
    const answer = await app.inject({
      method: 'OPTIONS',
      url: '/admin/api/v1.0/users',
      headers: {
        host: portalHost,
        origin: 'https://wiki.test.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'postern-admin-center',
      },
    });

    assert.equal(answer.statusCode, 404);
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
  });

  test('nobody and a disabled account are nobody', async () => {
    assert.equal((await call('global', { 'x-postern-user-id': null })).statusCode, 401);
    await updateUser(bench.directory, userIdOf('application'), { accountEnabled: false });
    assert.equal((await call('application')).statusCode, 401);
  });

  test('an access token opens nothing here', async () => {
    const answer = await call('global', { 'x-postern-user-id': null, authorization: 'Bearer global' });

    assert.equal(answer.statusCode, 401);
  });

  test('nothing of it is kept by a cache or read as something else', async () => {
    const { headers } = await call('global');

    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-content-type-options'], 'nosniff');
  });
});
