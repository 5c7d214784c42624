import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ApplicationRecord, Change } from '../feed/messages.ts';
import { configurePublishing, createApplication, updateApplication } from './applications.ts';
import type { Directory } from './directory.ts';
import { openDirectoryForTests } from './directory-for-tests.ts';
import { createSegment, deleteSegment, segmentsOf, updateSegment } from './segments.ts';

async function publish(directory: Directory, name: string, externalUrl: string, internalUrl: string) {
  const { id } = await createApplication(directory, { displayName: name });
  await configurePublishing(directory, id, { externalUrl, internalUrl });
  return id;
}

const shop = ['https://*.shop.example.test/', 'http://*.corp.example/'] as const;

function lastRecord(changes: readonly Change[]): ApplicationRecord {
  const last = changes.findLast(change => change.set === 'applications' && 'put' in change);
  assert.ok(last !== undefined && 'put' in last);
  return last.put as ApplicationRecord;
}

describe('segments', () => {
  test('are kept in order, and told to relays with their rules', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const id = await publish(directory, 'Shop', ...shop);
    const cors = {
      resource: '/api',
      allowedOrigins: ['https://web.shop.example.test:8443'],
      allowedMethods: ['GET'],
      allowedHeaders: [],
      maxAgeInSeconds: 60,
    };

    const web = await createSegment(directory, id, {
      externalUrl: 'https://Web.shop.example.test',
      internalUrl: 'http://web:8080/',
      corsConfigurations: [],
    });
    await createSegment(directory, id, {
      externalUrl: 'https://api.shop.example.test/v1',
      internalUrl: 'https://api/',
      corsConfigurations: [cors],
    });

    assert.equal(web.segment.externalUrl, 'https://web.shop.example.test:8443/');
    const { segments } = lastRecord(opened.takeChanges());
    assert.deepEqual(
      segments?.map(({ externalUrl, internalUrl, cors: rules }) => [externalUrl, internalUrl, rules]),
      [
        ['https://web.shop.example.test:8443/', 'http://web:8080/', undefined],
        ['https://api.shop.example.test:8443/v1/', 'https://api/', [cors]],
      ],
    );
    await updateSegment(directory, id, web.segment.id, { internalUrl: 'http://web2/' });
    assert.equal(lastRecord(opened.takeChanges()).segments?.[0]?.internalUrl, 'http://web2/');

    const row = await deleteSegment(directory, id, web.segment.id);
    assert.equal(segmentsOf(row, directory.address).length, 1);
    await deleteSegment(directory, id, segmentsOf(row, directory.address)[0]!.id);
    assert.equal(lastRecord(opened.takeChanges()).segments, undefined, 'a plain wildcard again');
  });

  test('lie under their application’s wildcard, and stay there', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const id = await publish(directory, 'Shop', ...shop);
    const plain = await publish(directory, 'Wiki', 'https://wiki.example.test/', 'http://wiki/');
    const segment = (externalUrl: string, internalUrl = 'http://web/') =>
      createSegment(directory, id, { externalUrl, internalUrl, corsConfigurations: [] });

    await assert.rejects(segment('https://web.example.test/'), { code: 'invalid', property: 'externalUrl' });
    await assert.rejects(segment('https://*.shop.example.test/'), { property: 'externalUrl' });
    await assert.rejects(segment('https://a.shop.example.test/', 'http://*.corp.example/'), {
      property: 'internalUrl',
    });
    await assert.rejects(
      createSegment(directory, plain, {
        externalUrl: 'https://a.wiki.example.test/',
        internalUrl: 'http://a/',
        corsConfigurations: [],
      }),
      { code: 'conflict', message: /parts of an application with a wildcard/ },
    );
    await segment('https://web.shop.example.test/');
    await assert.rejects(
      configurePublishing(directory, id, { externalUrl: 'https://*.store.example.test/' }),
      { code: 'invalid', property: 'externalUrl', message: /web\.shop\.example\.test/ },
    );
    await assert.rejects(updateSegment(directory, id, 'none', {}), { code: 'not_found' });
    await assert.rejects(deleteSegment(directory, id, 'none'), { code: 'not_found' });
  });
});

describe('external URLs are unique', () => {
  test('across applications, segments and alternate URLs, whatever the case of their paths', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const id = await publish(directory, 'Shop', ...shop);
    const segment = (externalUrl: string) =>
      createSegment(directory, id, { externalUrl, internalUrl: 'http://web/', corsConfigurations: [] });
    await publish(directory, 'Docs', 'https://docs.shop.example.test/Guide/', 'http://docs/');
    const first = await segment('https://web.shop.example.test/');
    const wiki = await publish(directory, 'Wiki', 'https://wiki.example.test/', 'http://wiki/');
    await configurePublishing(directory, wiki, { alternateUrl: 'https://anywhere.shop.example.test/' });

    for (const [url, whose] of [
      ['https://docs.shop.example.test/guide/', /the application Docs/],
      ['https://web.shop.example.test/', /a segment of the application Shop/],
      ['https://anywhere.shop.example.test/', /the application Wiki as its alternate URL/],
    ] as const) {
      await assert.rejects(segment(url), { code: 'conflict', property: 'externalUrl', message: whose });
      await assert.rejects(publish(directory, 'Other', url, 'http://x/'), {
        code: 'conflict',
        message: whose,
      });
      await assert.rejects(
        configurePublishing(
          directory,
          await publish(directory, `N${url.length}`, `https://n${url.length}.example.test/`, 'http://x/'),
          {
            alternateUrl: url,
          },
        ),
        { code: 'conflict', property: 'alternateUrl', message: whose },
      );
    }
    await assert.rejects(
      configurePublishing(directory, wiki, { alternateUrl: 'https://wiki.example.test/' }),
      {
        property: 'alternateUrl',
      },
    );
    // What is one's own already is no conflict.
    await updateSegment(directory, id, first.segment.id, { externalUrl: 'https://web.shop.example.test/' });
    await configurePublishing(directory, wiki, {
      externalUrl: 'https://wiki.example.test/',
      alternateUrl: 'https://anywhere.shop.example.test/',
    });
  });

  test('an alternate URL is checked like an external one', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const wiki = await publish(directory, 'Wiki', 'https://wiki.example.test/', 'http://wiki/');
    for (const alternateUrl of [
      'https://elsewhere.test/',
      'https://*.example.test/',
      'https://login.example.test/',
    ]) {
      await assert.rejects(configurePublishing(directory, wiki, { alternateUrl }), {
        property: 'alternateUrl',
      });
    }
    const shopId = await publish(directory, 'Shop', ...shop);
    await assert.rejects(
      configurePublishing(directory, shopId, { alternateUrl: 'https://anywhere.example.test/' }),
      { property: 'alternateUrl' },
    );
  });
});

test('the home page of a wildcard is at any of its hosts, of a complex application at one of its segments', async () => {
  await using opened = await openDirectoryForTests();
  const { directory } = opened;
  const id = await publish(directory, 'Shop', ...shop);
  const home = (homePageUrl: string) => updateApplication(directory, id, { homePageUrl });

  await home('https://start.shop.example.test:8443/welcome');
  await assert.rejects(home('https://shop.example.test:8443/'), { property: 'homePageUrl' });
  await createSegment(directory, id, {
    externalUrl: 'https://web.shop.example.test/app/',
    internalUrl: 'http://web/',
    corsConfigurations: [],
  });
  await home('https://web.shop.example.test:8443/app/start');
  await assert.rejects(home('https://start.shop.example.test:8443/welcome'), { property: 'homePageUrl' });
});
