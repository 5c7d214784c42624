import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { onPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import { backendDefaults } from '@postern/protocol/admin/publishing-backends';
import { configurePublishing, createApplication } from './applications.ts';
import { openDirectoryForTests } from './directory-for-tests.ts';
import { type GivenBackend, parseBackends } from './publishing-backends.ts';

const internalUrl = 'http://wiki-1.corp.example:8080/app/';

describe('backends beside the internal URL', () => {
  test('are stored in one form, with their defaults', () => {
    const given = [{ url: 'http://WIKI-2.corp.example:8080' }, { url: 'https://[FD00::1]/', weight: 5 }];

    assert.deepEqual(parseBackends([...given, { url: 'http://10.0.0.9/', isBackup: true }], internalUrl), [
      { url: 'http://wiki-2.corp.example:8080/', weight: 1, isBackup: false },
      { url: 'https://[fd00::1]/', weight: 5, isBackup: false },
      { url: 'http://10.0.0.9/', weight: 1, isBackup: true },
    ]);
  });

  for (const [what, given, expected] of [
    [
      'twice',
      [{ url: 'http://a/' }, { url: 'http://A:80' }],
      /http:\/\/a is there twice.*Example: http:\/\//,
    ],
    ['the internal URL once more', [{ url: 'http://wiki-1.corp.example:8080/' }], /is there twice/],
    ['a path', [{ url: 'http://a/app/' }], /has a path; the path is that of the internal URL/],
    ['a wildcard', [{ url: 'http://*.corp.example/' }], /wildcard/],
    ['credentials', [{ url: 'http://u:p@a/' }], /must be an http or https address.*Example/],
    ['another scheme', [{ url: 'ftp://a/' }], /must be an http or https address/],
    ['no address of an application', [{ url: 'http://169.254.169.254/' }], /must not lead to 169\.254/],
    ['port 0', [{ url: 'http://a:0/' }], /port 0/],
  ] satisfies [string, GivenBackend[], RegExp][]) {
    test(`are refused: ${what}`, () => {
      assert.throws(() => parseBackends(given, internalUrl), {
        code: 'invalid',
        property: 'backends',
        message: expected,
      });
    });
  }

  test('do not go with a wildcard', () => {
    assert.throws(() => parseBackends([{ url: 'http://a/' }], 'http://*.corp.example/'), {
      property: 'backends',
      message: /wildcard has one backend for each host/,
    });
  });

  test('are refused with the field, the reason and an example', () => {
    for (const [update, path, message] of [
      [{ backends: [{ url: 'http://a/', weight: 0 }] }, 'backends.0.weight', /at least 1.*such as 1/],
      [{ backends: [{ url: 'http://a/', weight: 2.5 }] }, 'backends.0.weight', /whole number.*such as 1/],
      [{ internalUrlWeight: 1_001 }, 'internalUrlWeight', /at most 1000, such as 10/],
      [
        { backends: Array.from({ length: 33 }, (_, at) => ({ url: `http://${at}/` })) },
        'backends',
        /at most 32/,
      ],
      [{ healthProbe: { path: 'healthz' } }, 'healthProbe.path', /must begin with \/.*such as \/healthz/],
      [{ healthProbe: { path: '/a b' } }, 'healthProbe.path', /without spaces/],
      [{ healthProbe: { intervalSeconds: 0 } }, 'healthProbe.intervalSeconds', /at least 1 second/],
      [
        { healthProbe: { expectedStatuses: ['2xx'] } },
        'healthProbe.expectedStatuses.0',
        /such as 204 or 200-399/,
      ],
      [
        { healthProbe: { expectedStatuses: ['400-200'] } },
        'healthProbe.expectedStatuses.0',
        /smaller status/,
      ],
      [{ healthProbe: { expectedStatuses: [] } }, 'healthProbe.expectedStatuses', /such as 200-399/],
    ] as const) {
      const [issue] = onPremisesPublishingUpdate.safeParse(update).error?.issues ?? [];
      assert.equal(issue?.path.join('.'), path);
      assert.match(issue!.message, message);
    }
  });
});

test('backends and probes reach the relays, and an application without them says nothing of them', async () => {
  await using opened = await openDirectoryForTests();
  const { directory } = opened;
  const { id } = await createApplication(directory, { displayName: 'Wiki' });
  const recordAfter = async (update: Parameters<typeof configurePublishing>[2]) => {
    await configurePublishing(directory, id, update);
    const [change] = opened.takeChanges();
    assert.ok(change !== undefined && 'put' in change && change.set === 'applications');
    return change.put;
  };
  opened.takeChanges();

  const plain = await recordAfter({ internalUrl });
  assert.equal('backends' in plain || 'healthProbe' in plain, false);
  const both = await recordAfter({
    internalUrlWeight: 9,
    backends: [{ url: 'http://wiki-2.corp.example:8080', isBackup: true }],
    healthProbe: { isEnabled: true, path: '/healthz' },
  });
  assert.deepEqual(both.backends, {
    internalUrlWeight: 9,
    further: [{ origin: 'http://wiki-2.corp.example:8080', weight: 1, isBackup: true }],
  });
  assert.deepEqual(both.healthProbe, {
    ...backendDefaults.healthProbe,
    isEnabled: true,
    path: '/healthz',
  });

  await assert.rejects(
    configurePublishing(directory, id, { internalUrl: 'http://wiki-2.corp.example:8080/' }),
    { property: 'backends', message: /there twice/ },
  );
  const off = await recordAfter({ backends: [], healthProbe: { isEnabled: false } });
  assert.equal('backends' in off || 'healthProbe' in off, false);
});
