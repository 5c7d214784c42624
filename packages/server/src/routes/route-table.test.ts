import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applicationRecord } from './record-for-tests.ts';
import { RouteTable } from './route-table.ts';

const options = { domain: 'example.com', portSuffix: '' };

describe('several applications on one host', () => {
  const table = new RouteTable(
    [
      applicationRecord('root', 'https://apps.example.com/'),
      applicationRecord('a', 'https://apps.example.com/a/'),
      applicationRecord('ab', 'https://apps.example.com/a/b/'),
      applicationRecord('cafe', 'https://apps.example.com/caf%C3%A9/'),
      applicationRecord('other', 'https://other.example.com/only/'),
    ],
    options,
  );
  const find = (host: string, path: string) => table.findHost(host)!.find(path)?.application.id;

  test('the longest published path that holds the request’s wins, segment by segment (threat B8)', () => {
    assert.equal(find('apps.example.com', '/'), 'root');
    assert.equal(find('apps.example.com', '/a/x'), 'a');
    assert.equal(find('apps.example.com', '/a'), 'a');
    assert.equal(find('apps.example.com', '/ab'), 'root');
    assert.equal(find('apps.example.com', '/a/b/c'), 'ab');
    assert.equal(find('apps.example.com', '/a/b'), 'ab');
    assert.equal(find('apps.example.com', '/a/bc'), 'a');
    assert.equal(find('apps.example.com', '/x/a/b/'), 'root');
  });

  test('a path with letters beyond ASCII is matched decoded', () => {
    assert.equal(find('apps.example.com', '/café/x'), 'cafe');
  });

  test('outside what is published at a host there is nothing', () => {
    assert.equal(find('other.example.com', '/'), undefined);
    assert.equal(find('other.example.com', '/onl'), undefined);
    assert.equal(find('other.example.com', '/only/x'), 'other');
    assert.equal(table.findHost('none.example.com'), undefined);
  });

  test('folded, paths meet what a backend would serve that ignores case', () => {
    const host = table.findHost('apps.example.com')!;
    assert.equal(host.find('/A/x')?.application.id, 'root');
    assert.equal(host.findFolded('/A/x')?.application.id, 'a');
    assert.equal(host.findFolded('/CAFÉ/')?.application.id, 'cafe');
  });

  test('the service’s own names are routes, and every host has the reserved one', () => {
    assert.equal(
      table.findHost('portal.example.com')!.find('/api/v1.0/me')?.application.preAuthentication,
      'passthrough',
    );
    assert.equal(
      table.findHost('portal.example.com')!.find('/')?.application.preAuthentication,
      'preAuthenticated',
    );
    assert.equal(table.findHost('login.example.com')!.find('/auth')?.backend, 'control');
    assert.equal(table.findHost('apps.example.com')!.reserved.backend, 'control');
  });
});

describe('wildcards', () => {
  const table = new RouteTable(
    [
      applicationRecord('short', 'https://*.example.com/', 'http://*.corp.example:8080/'),
      applicationRecord('long', 'https://*.finance.example.com/', 'https://*.fin.corp.example/'),
      applicationRecord('regular', 'https://a.finance.example.com/docs/'),
      applicationRecord('foreign', 'https://*.apps.partner.test/', 'http://*.lan/'),
    ],
    options,
  );
  const at = (host: string) => table.findHost(host)?.only;

  test('a regular host beats a wildcard, and a longer wildcard a shorter one', () => {
    assert.equal(at('wiki.example.com')?.application.id, 'short');
    assert.equal(at('b.finance.example.com')?.application.id, 'long');
    assert.equal(at('finance.example.com')?.application.id, 'short');
    const regular = table.findHost('a.finance.example.com')!;
    assert.equal(regular.find('/docs/')?.application.id, 'regular');
    assert.equal(regular.find('/'), undefined, 'a host belongs to whoever names it');
    assert.equal(at('x.apps.partner.test')?.application.id, 'foreign');
  });

  test('the labels go into the internal host, which alone may be dialled', () => {
    const route = at('wiki.example.com')!;
    assert.deepEqual(
      [route.dialHost, route.hostField, route.internalOrigin, route.externalOrigin],
      [
        'wiki.corp.example',
        'wiki.corp.example:8080',
        'http://wiki.corp.example:8080',
        'https://wiki.example.com',
      ],
    );
    assert.equal(route.backendKey, 'http://*.corp.example:8080 true');
    assert.equal(at('a.b.finance.example.com')!.dialHost, 'a.b.fin.corp.example');
  });

  test('each host has its own backend connections', () => {
    assert.notEqual(at('wiki.example.com')!.pool, at('shop.example.com')!.pool);
    assert.equal(at('wiki.example.com'), at('wiki.example.com'), 'a host is made ready once');
  });

  test('names of the service and what lies under them are nobody’s', () => {
    for (const host of [
      'connectorregistrationca.example.com',
      'x.login.example.com',
      'a.portal.example.com',
    ]) {
      assert.equal(table.findHost(host), undefined, host);
    }
    assert.equal(at('login.example.com')?.backend, 'control');
    assert.equal(at('wiki.example.com')?.application.id, 'short');
  });

  test('a host that is none stands for nothing', () => {
    for (const host of ['example.com', 'a_b.example.com', '-a.example.com', '[::1]', '10.0.0.1', 'com']) {
      assert.equal(table.findHost(host), undefined, host);
    }
  });

  test('more hosts than are kept ready are served all the same', () => {
    for (let n = 0; n < 2_500; n++) {
      assert.equal(at(`h${n}.example.com`)!.dialHost, `h${n}.corp.example`);
    }
  });

  test('what needs a certificate is named, wildcards as such', () => {
    const hosts = [...table.hosts()];
    assert.ok(hosts.includes('*.finance.example.com') && hosts.includes('a.finance.example.com'));
  });
});

describe('segments', () => {
  const table = new RouteTable(
    [
      applicationRecord('plain', 'https://*.example.com/', 'http://*.corp.example/'),
      applicationRecord('complex', 'https://*.shop.example.com/', 'http://*.corp.example/', {
        segments: [
          { id: 's1', externalUrl: 'https://web.shop.example.com/', internalUrl: 'http://web:8080/' },
          { id: 's2', externalUrl: 'https://api.shop.example.com/v1/', internalUrl: 'https://api/' },
          { id: 's3', externalUrl: 'https://api.shop.example.com/v2/', internalUrl: 'https://api/two/' },
        ],
      }),
    ],
    options,
  );

  test('are the only ones that are served: the wildcard is theirs, and nobody else’s', () => {
    assert.equal(table.findHost('web.shop.example.com')!.only!.application.id, 'complex');
    assert.equal(table.findHost('other.shop.example.com'), undefined);
    assert.equal(table.findHost('api.shop.example.com')!.find('/v3/'), undefined);
    assert.equal(table.findHost('wiki.example.com')!.only!.application.id, 'plain');
    assert.ok(![...table.hosts()].includes('*.shop.example.com'), 'their hosts are known');
  });

  test('have backends of their own', () => {
    const one = table.findHost('api.shop.example.com')!.find('/v1/')!;
    const two = table.findHost('api.shop.example.com')!.find('/v2/')!;
    assert.deepEqual([one.backendId, two.backendId], ['complex/s2', 'complex/s3']);
    assert.deepEqual(
      [one.backendKey, one.dialHost, two.internalPath],
      ['https://api:443 true', null, '/two/'],
    );
    assert.notEqual(one.pool, two.pool);
  });
});

describe('an alternate URL', () => {
  const alternate = (isKept: boolean) =>
    new RouteTable(
      [
        applicationRecord('wiki', 'https://wiki.example.com/', 'http://wiki/', {
          alternateUrl: { url: 'https://wiki-anywhere.example.com/', isKept },
        }),
      ],
      options,
    ).findHost('wiki-anywhere.example.com')!.only!;

  test('leads to the same application, and answers name the external URL', () => {
    assert.equal(alternate(false).application.id, 'wiki');
    assert.equal(alternate(false).externalOrigin, 'https://wiki.example.com');
  });

  test('is kept where that is asked for', () => {
    assert.equal(alternate(true).externalOrigin, 'https://wiki-anywhere.example.com');
  });
});

describe('a table that follows another', () => {
  test('takes over what has not changed, and knows its own requests again', () => {
    const wiki = applicationRecord('wiki', 'https://wiki.example.com/');
    const before = new RouteTable([wiki, applicationRecord('shop', 'https://shop.example.com/')], options);
    const changed = applicationRecord('shop', 'https://shop.example.com/', 'http://10.0.0.6/');

    const after = new RouteTable([wiki, changed], { ...options, previous: before });

    assert.equal(after.findHost('wiki.example.com')!.only, before.findHost('wiki.example.com')!.only);
    const [old, made] = [before, after].map(table => table.findHost('shop.example.com')!.only!);
    assert.notEqual(old!.internalOrigin, made!.internalOrigin);
    assert.equal(old!.loopTag, made!.loopTag);
    assert.notEqual(made!.loopTag, after.findHost('wiki.example.com')!.only!.loopTag);
  });
});
