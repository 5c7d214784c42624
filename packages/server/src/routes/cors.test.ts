import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PreflightAnswer } from '@postern/protocol/admin/preflight';
import type { CorsConfiguration } from '../feed/messages.ts';
import { CorsRules } from './cors.ts';
import { applicationRecord } from './record-for-tests.ts';
import { RouteTable } from './route-table.ts';

const rule: CorsConfiguration = {
  resource: '/',
  allowedOrigins: ['https://web.example.com'],
  allowedMethods: ['GET', 'PUT'],
  allowedHeaders: ['X-Total', 'X-My-*'],
  maxAgeInSeconds: 300,
};

const rules = new CorsRules(
  [
    rule,
    { ...rule, resource: '/reports', allowedOrigins: ['https://reports.example.com'], allowedMethods: ['*'] },
    { ...rule, resource: '/reports', allowedOrigins: ['https://other.example.com'], allowedHeaders: ['*'] },
  ],
  '/v1/',
);

function ask(path: string, origin: string, method = 'GET', headers = ''): PreflightAnswer {
  return rules.answerPreflight({ origin, method, headers }, [path]);
}

const web = 'https://web.example.com';

describe('preflight requests (Fetch §4.8)', () => {
  test('are answered with what was asked for and nothing more', () => {
    const answer = ask('/v1/items', web, 'PUT', 'Content-Type, x-total,X-MY-own');

    assert.deepEqual(answer, {
      allowed: true,
      fields: {
        'access-control-allow-origin': web,
        'access-control-allow-credentials': 'true',
        'access-control-allow-methods': 'PUT',
        'access-control-allow-headers': 'content-type, x-total, x-my-own',
        'access-control-max-age': '300',
        vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
      },
    });
  });

  for (const [what, path, origin, method, headers, reason] of [
    ['another origin', '/v1/', 'https://evil.example.com', 'GET', '', 'allows the origin'],
    ['the origin in another case', '/v1/', 'https://WEB.example.com', 'GET', '', 'allows the origin'],
    ['the origin with another port', '/v1/', `${web}:444`, 'GET', '', 'allows the origin'],
    ['a null origin', '/v1/', 'null', 'GET', '', 'allows the origin'],
    ['another method', '/v1/', web, 'DELETE', '', 'the method DELETE'],
    ['a method in another case', '/v1/', web, 'put', '', 'the method put'],
    ['what is no method', '/v1/', web, 'PUT,DELETE', '', 'its method is none'],
    ['another field', '/v1/', web, 'GET', 'x-totals', 'the field x-totals'],
    ['a beginning alone', '/v1/', web, 'GET', 'x-my', 'the field x-my'],
    ['what is no name of a field', '/v1/', web, 'GET', 'x-my-a b', 'the field x-my-a b'],
    ['an origin of a rule that is less specific', '/v1/reports/7', web, 'GET', '', 'allows the origin'],
  ] as const) {
    test(`are refused for ${what}`, () => {
      const answer = ask(path, origin, method, headers);
      assert.ok(!answer.allowed && answer.reason.includes(reason), JSON.stringify(answer));
    });
  }

  test('are answered by the longest resource that holds the path, segment by segment', () => {
    assert.ok(ask('/v1/reports', 'https://reports.example.com', 'PATCH').allowed);
    assert.ok(ask('/v1/reports/', 'https://other.example.com', 'GET', 'anything').allowed);
    assert.ok(ask('/v1/reportsx', web).allowed);
    assert.ok(!ask('/v1/reportsx', 'https://reports.example.com').allowed);
  });

  test('are answered by each rule of a resource, wherever it stands between those of others as long', () => {
    const of = (resource: string, origin: string) => ({ ...rule, resource, allowedOrigins: [origin] });
    const mixed = new CorsRules(
      [of('/a/', 'https://one.example'), of('/b/', 'https://one.example'), of('/a/', 'https://two.example')],
      '/',
    );

    assert.ok(mixed.allows('https://two.example', ['/a/x']));
    assert.ok(!mixed.allows('https://two.example', ['/b/x']));
  });

  test('are refused where upper and lower case decide between rules: backends may not tell them apart', () => {
    for (const path of ['/v1/Reports/7', '/v1/REPORTS', '/v1/reportſ']) {
      assert.ok(!ask(path, web).allowed, path);
      assert.ok(!ask(path, 'https://reports.example.com').allowed, path);
    }
    assert.ok(ask('/v1/Items', web).allowed);
  });

  test('are answered below an external URL of other letters than ASCII', () => {
    const table = new RouteTable(
      [applicationRecord('cafe', 'https://apps.example.com/caf%C3%A9/', 'http://cafe/', { cors: [rule] })],
      { domain: 'example.com', portSuffix: '' },
    );
    const route = table.findHost('apps.example.com')!.find('/café/x')!;

    assert.ok(route.cors!.allows(web, ['/café/x']));
  });

  test('are refused where a path has readings that meet different rules', () => {
    const asked = { origin: web, method: 'GET', headers: '' };
    assert.ok(rules.answerPreflight(asked, ['/v1/a', '/v1/b']).allowed);
    assert.ok(!rules.answerPreflight(asked, ['/v1/a', '/v1/reports']).allowed);
  });
});

describe('answers', () => {
  const named = (list: readonly string[]) => list.filter((_, index) => index % 2 === 0);

  test('say that the origin may read them, where a rule does', () => {
    const grant = rules.grant(web, ['/v1/items']);
    assert.equal(
      grant.lines.toString(),
      `access-control-allow-origin: ${web}\r\naccess-control-allow-credentials: true\r\nvary: Origin\r\n`,
    );
    assert.equal(rules.grant(web, ['/v1/other']), grant);
  });

  test('say only that they depend on the origin, where none does', () => {
    for (const origin of [null, 'https://evil.example.com', 'null']) {
      assert.deepEqual(named(rules.grant(origin, ['/v1/items']).list), ['vary']);
    }
    assert.deepEqual(named(rules.grant(web, ['/v1/reports/']).list), ['vary']);
  });
});
