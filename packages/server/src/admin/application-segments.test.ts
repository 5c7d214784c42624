import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type AdminApiBench, openAdminApi } from './testing.ts';

describe('segments in the admin API', () => {
  let bench: AdminApiBench;
  let path: string;

  before(async () => {
    bench = await openAdminApi();
    const created = await bench.call('application', 'POST', 'applications', { displayName: 'Shop' });
    const { id } = created.json();
    const published = await bench.call('application', 'PATCH', `applications/${id}`, {
      onPremisesPublishing: {
        externalUrl: 'https://*.shop.test.example/',
        internalUrl: 'http://*.corp.example/',
      },
    });
    assert.equal(published.statusCode, 204, published.body);
    path = `applications/${id}/onPremisesPublishing/segmentsConfiguration/microsoft.graph.webSegmentConfiguration/applicationSegments`;
  });
  after(() => bench[Symbol.asyncDispose]());

  test('are added, listed, shown, changed and removed, as in Microsoft Graph', async () => {
    const { call } = bench;
    const added = await call('application', 'POST', path, {
      externalUrl: 'https://web.shop.test.example/',
      internalUrl: 'http://web:8080/',
      corsConfigurations: [{ allowedOrigins: ['https://api.shop.test.example'] }],
    });
    assert.equal(added.statusCode, 201, added.body);
    const segment = added.json();
    const second = await call('application', 'POST', path, {
      externalUrl: 'https://api.shop.test.example/',
      internalUrl: 'http://api/',
    });
    assert.equal(second.statusCode, 201, second.body);

    const changed = await call('application', 'PATCH', `${path}/${segment.id}`, {
      internalUrl: 'http://web2/',
    });
    assert.equal(changed.statusCode, 204, changed.body);
    const shown = (await call('application', 'GET', `${path}/${segment.id}`)).json();
    assert.deepEqual(shown, {
      id: segment.id,
      externalUrl: 'https://web.shop.test.example/',
      internalUrl: 'http://web2/',
      corsConfigurations: [
        {
          resource: '/',
          allowedOrigins: ['https://api.shop.test.example'],
          allowedMethods: ['GET', 'HEAD', 'POST'],
          allowedHeaders: [],
          maxAgeInSeconds: 600,
        },
      ],
    });
    assert.equal((await call('application', 'GET', path)).json().value.length, 2);
    assert.equal((await call('application', 'DELETE', `${path}/${segment.id}`)).statusCode, 204);
    assert.equal((await call('application', 'GET', `${path}/${segment.id}`)).statusCode, 404);
  });

  for (const [what, rule, reason] of [
    ['an origin with a path', { allowedOrigins: ['https://a.example/x'] }, /must be an origin/],
    ['an origin in upper case', { allowedOrigins: ['https://A.example'] }, /must be an origin/],
    ['every origin', { allowedOrigins: ['*'] }, /each is named/],
    ['no origin', { allowedOrigins: [] }, /allowedOrigins/],
    ['a method in lower case', { allowedMethods: ['put'] }, /upper case/],
    ['a field with * in the middle', { allowedHeaders: ['X-*-Y'] }, /X-My-\*/],
    ['a resource without slash', { resource: 'api' }, /begins with/],
    ['a resource that is not plain', { resource: '/a/../b' }, /must not contain/],
    ['an endless age', { maxAgeInSeconds: 100_000 }, /maxAgeInSeconds/],
    ['a property that there is not', { allowCredentials: true }, /allowCredentials/],
  ] as const) {
    test(`a rule with ${what} is refused, with the reason`, async () => {
      const corsConfigurations = [{ allowedOrigins: ['https://a.example'], ...rule }];
      const answer = await bench.call('application', 'POST', path, {
        externalUrl: 'https://other.shop.test.example/',
        internalUrl: 'http://other/',
        corsConfigurations,
      });
      assert.equal(answer.statusCode, 400, answer.body);
      assert.match(answer.json().error.message, reason);
    });
  }
});
