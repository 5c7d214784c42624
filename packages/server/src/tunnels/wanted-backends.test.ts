import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applicationRecord } from '../routes/record-for-tests.ts';
import { WantedBackends } from './wanted-backends.ts';

describe('what connectors may dial', () => {
  test('is the backend of each application of their group, a wildcard as such', () => {
    const wanted = new WantedBackends().update([
      applicationRecord('wiki', 'https://wiki.example.com/', 'http://wiki:8080/app/'),
      applicationRecord('any', 'https://*.apps.example.com/', 'https://*.corp.example/'),
      applicationRecord('other', 'https://other.example.com/', 'http://other/', {
        connectorGroupId: 'branch',
      }),
    ]);

    assert.deepEqual(
      wanted.get('default')!.map(({ applicationId, host, port, tls }) => [applicationId, host, port, tls]),
      [
        ['wiki', 'wiki', 8080, false],
        ['any', '*.corp.example', 443, true],
      ],
    );
    assert.equal(wanted.get('branch')!.length, 1);
  });

  test('is every backend of an application that has several, with the same trust', () => {
    const wanted = new WantedBackends().update([
      applicationRecord('wiki', 'https://wiki.example.com/', 'https://wiki-1/app/', {
        backendAuthorities: 'PEM',
        validateBackendCertificate: false,
        backends: {
          internalUrlWeight: 1,
          further: [
            { origin: 'https://wiki-2:8443', weight: 5, isBackup: false },
            { origin: 'http://[fd00::1]', weight: 1, isBackup: true },
          ],
        },
      }),
    ]);

    const trust = { validateCertificate: false };
    assert.deepEqual(wanted.get('default'), [
      { applicationId: 'wiki', host: 'wiki-1', port: 443, tls: true, ...trust, authorities: 'PEM' },
      {
        applicationId: 'wiki https://wiki-2:8443',
        ...{ host: 'wiki-2', port: 8443, tls: true, ...trust, authorities: 'PEM' },
      },
      { applicationId: 'wiki http://[fd00::1]', host: 'fd00::1', port: 80, tls: false, ...trust },
    ]);
  });

  test('is of a complex application its segments alone', () => {
    const wanted = new WantedBackends().update([
      applicationRecord('shop', 'https://*.shop.example.com/', 'http://*.corp.example/', {
        segments: [
          { id: 's1', externalUrl: 'https://a.shop.example.com/', internalUrl: 'http://one/' },
          { id: 's2', externalUrl: 'https://b.shop.example.com/', internalUrl: 'http://two/' },
        ],
      }),
    ]);

    const seen = wanted.get('default')!.map(({ applicationId, host }) => [applicationId, host]);
    assert.deepEqual(seen, [
      ['shop/s1', 'one'],
      ['shop/s2', 'two'],
    ]);
  });

  test('is the same list until one of its backends changes', () => {
    const backends = new WantedBackends();
    const wiki = applicationRecord('wiki', 'https://wiki.example.com/', 'http://wiki/');
    const other = applicationRecord('other', 'https://o.example.com/', 'http://o/', {
      connectorGroupId: 'branch',
    });
    const before = backends.update([wiki, other]);

    const renamed = { ...wiki, displayName: 'The wiki' };
    assert.equal(backends.update([renamed, other]).get('default'), before.get('default'));
    const moved = backends.update([{ ...renamed, internalUrl: 'http://new/' }, other]);
    assert.equal(moved.get('default')![0]!.host, 'new');
    assert.equal(moved.get('branch'), before.get('branch'));
  });
});
