import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { AdminCenter, violations } from '../testbed/admin-center.ts';
import { RawBackend } from '../testbed/raw-backend.ts';

let backend: RawBackend;
let center: AdminCenter;

before(async () => {
  backend = await RawBackend.start();
  center = await AdminCenter.start({
    applications: [
      { name: 'wiki', internalUrl: backend.url },
      { name: 'stock', internalUrl: backend.url },
      { name: 'scrap', internalUrl: backend.url },
    ],
    users: ['bert', 'cleo'],
  });
});

after(async () => {
  await center?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

beforeEach(() => center.reset());

const pageOf = (name: string, rest = '') => `/admin/applications/${center.bed.applicationId(name)}${rest}`;

describe('applications in the Admin center', { timeout: 600_000 }, () => {
  test('an application is published by the keyboard alone, assigned, and answers', async () => {
    const page = await center.openAs('ada', '/admin/applications');
    await center.arrive(page, 'Applications');
    await page.getByRole('row', { name: /wiki Published/ }).waitFor();

    await page.getByRole('link', { name: 'Publish an application' }).focus();
    await page.keyboard.press('Enter');
    await center.arrive(page, 'Publish an application');
    await page.getByLabel('Name').focus();
    await page.keyboard.type('Time sheets');
    await page.keyboard.press('Tab');
    await page.keyboard.type('ftp://times.corp.example/');
    await page.keyboard.press('Enter');
    const internalUrl = page.getByLabel('Internal URL');
    await page.getByText('Must be an http or https address').waitFor();
    assert.equal(await internalUrl.getAttribute('aria-invalid'), 'true');
    assert.deepEqual(await violations(page), []);
    // The browser itself notes the status of the refusal.
    assert.match(center.chromium.takeErrors().join(), /status of 400/);
    assert.equal(
      await page.getByLabel('External URL').inputValue(),
      `https://time-sheets.${center.bed.domain}:${center.bed.port}/`,
    );
    await internalUrl.focus();
    await page.keyboard.press('Control+A');
    await page.keyboard.type(backend.url);
    await page.keyboard.press('Enter');

    await center.arrive(page, 'Time sheets');
    await page.getByText('Nobody is assigned to the application yet').waitFor();
    await page.getByRole('link', { name: 'Users and groups' }).first().click();
    await page.getByText('Nobody is assigned', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Assign users and groups' }).click();
    await page.getByLabel('Search for users and groups').fill('DA');
    assert.deepEqual(await violations(page), []);
    await page.getByRole('button', { name: 'Assign to ada' }).click();
    await page.getByRole('button', { name: 'Assigned to ada' }).waitFor();
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('row', { name: /ada User/ }).waitFor();
    assert.deepEqual(await violations(page), []);

    const answer = await page.goto(`https://time-sheets.${center.bed.domain}:${center.bed.port}/`);
    assert.equal(answer?.status(), 200);
    assert.match(await page.content(), /answer/);
  });

  test('an external URL that is taken is refused beside its field, and leaves nothing behind', async () => {
    const page = await center.openAs('ada', '/admin/applications/new');
    await page.getByLabel('Name').fill('Second wiki');
    await page.getByLabel('Internal URL').fill(backend.url);
    await page.getByLabel('External URL').fill(`https://wiki.${center.bed.domain}/`);
    await page.getByRole('button', { name: 'Publish' }).click();

    await page.getByText('belongs to the application wiki').waitFor();
    assert.equal(await page.getByLabel('External URL').getAttribute('aria-invalid'), 'true');
    assert.equal(await page.getByLabel('Name').inputValue(), 'Second wiki');
    const { body } = await center.bed.api('GET', '/applications');
    assert.doesNotMatch(JSON.stringify(body), /Second wiki/);
  });

  test('settings are saved group by group, and are in effect', async () => {
    const page = await center.openAs('ada', pageOf('stock', '/settings'));
    await center.arrive(page, 'stock');
    // Whatever the service has, the page knows by name: a new setting is an entry in the portal's publishing-settings.ts.
    const others = page.getByRole('region', { name: 'Other settings' });
    assert.deepEqual(await others.allInnerTexts(), []);

    const addresses = page.getByRole('region', { name: 'Addresses' });
    await addresses.getByLabel('Pre-authentication').selectOption('passthru');
    await addresses.getByText('Changes Pre-authentication, for everybody').waitFor();
    await save(addresses);
    const answer = await center.bed.exchange(
      center.bed.hostOf('stock'),
      `GET / HTTP/1.1\r\nHost: ${center.bed.hostOf('stock')}\r\nConnection: close\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 200 /);

    const timeouts = page.getByRole('region', { name: 'Backend', exact: true });
    await timeouts.getByLabel('Backend application timeout').selectOption({ label: 'Another time' });
    await timeouts.getByLabel('Seconds').fill('soon');
    await timeouts.getByText('A whole number').waitFor();
    assert.equal(await timeouts.getByRole('button', { name: 'Save' }).isDisabled(), true);
    await timeouts.getByLabel('Seconds').fill('240');
    await save(timeouts);
    const access = page.getByRole('region', { name: 'Access', exact: true });
    await access.getByRole('switch', { name: 'Enabled for users' }).focus();
    await page.keyboard.press('Space');
    await save(access);
    await page.getByText('Disabled · Nobody is let in').waitFor();
    assert.deepEqual(await violations(page), []);

    const { body } = await center.bed.api('GET', `/applications/${center.bed.applicationId('stock')}`);
    const { onPremisesPublishing: publishing } = body as { onPremisesPublishing: Record<string, unknown> };
    assert.equal(publishing.externalAuthenticationType, 'passthru');
    assert.equal(publishing.applicationServerTimeout, 240);
    assert.equal(publishing.isOnPremPublishingEnabled, false);
    assert.deepEqual(center.chromium.takeErrors(), []);
  });

  test('headers and limits are checked where they are entered, and each changes alone', async () => {
    const page = await center.openAs('ada', pageOf('stock', '/settings'));
    const headers = page.getByRole('region', { name: 'Headers', exact: true });
    await headers.getByLabel('Set in requests').fill('X-Remote-User');
    await headers.getByText('Not “Name: value”: X-Remote-User').waitFor();
    await headers.getByLabel('Set in requests').fill('X-Remote-User: {user.id}\nX-Place: Graz');
    await save(headers);

    const limits = page.getByRole('region', { name: 'Limits' });
    await limits.getByLabel('Requests at a time', { exact: true }).fill('50');
    await limits.getByLabel('Allowed addresses').fill('10.0.0.0/8\n10.0.0.0/64');
    await limits.getByRole('button', { name: 'Save' }).click();
    await limits.getByText('Must be an address or a network such as').waitFor();
    assert.equal(await limits.getByLabel('Allowed addresses').getAttribute('aria-invalid'), 'true');
    assert.deepEqual(await violations(page), []);
    await limits.getByLabel('Allowed addresses').fill('10.0.0.0/8');
    await save(limits);

    const { body } = await center.bed.api('GET', `/applications/${center.bed.applicationId('stock')}`);
    const { onPremisesPublishing: publishing } = body as { onPremisesPublishing: Record<string, unknown> };
    assert.deepEqual((publishing.customHeaders as { setRequestHeaders: unknown }).setRequestHeaders, [
      { name: 'X-Remote-User', value: '{user.id}' },
      { name: 'X-Place', value: 'Graz' },
    ]);
    const { openRequests, allowedNetworks, requestsPerMinute } = publishing.limits as Record<string, unknown>;
    assert.deepEqual([openRequests, allowedNetworks, requestsPerMinute], [50, ['10.0.0.0/8'], 0]);
  });

  test('what somebody else has changed meanwhile is shown, and not undone unseen', async () => {
    const page = await center.openAs('ada', pageOf('wiki', '/settings'));
    const names = page.getByRole('region', { name: 'Name and home page' });
    await names.getByLabel('Name').fill('Wiki of ada');
    const path = `/applications/${center.bed.applicationId('wiki')}`;
    const other = await center.bed.api('PATCH', path, { displayName: 'Wiki of bert' });
    assert.equal(other.status, 204);

    await names.getByRole('button', { name: 'Save' }).click();
    await names.getByText('Somebody else has changed this application').waitFor();
    assert.match(JSON.stringify((await center.bed.api('GET', path)).body), /Wiki of bert/);
    await names.getByRole('button', { name: 'Show what is there now' }).click();
    await names.getByText('Somebody else has set it to “Wiki of bert”').waitFor();
    assert.equal(await names.getByLabel('Name').inputValue(), 'Wiki of ada');
    assert.deepEqual(await violations(page), []);
    await save(names);

    await page.getByRole('heading', { level: 1, name: 'Wiki of ada' }).waitFor();
  });

  test('an application whose group has no active connector says so, everywhere', async () => {
    const { body } = await center.bed.api(
      'POST',
      '/onPremisesPublishingProfiles/applicationProxy/connectorGroups',
      { name: 'Graz' },
    );
    const page = await center.openAs('ada', pageOf('scrap', '/settings'));
    const group = page.getByRole('region', { name: 'Connector group' });
    await group.getByLabel('Group').selectOption({ label: 'Graz' });
    await save(group);

    await page.getByRole('link', { name: 'Overview' }).click();
    await page.getByText('Graz has no active connector').waitFor();
    await center.arrive(page, 'scrap');
    await page.getByRole('link', { name: 'Applications', exact: true }).click();
    await page.getByLabel('Search').fill('graz');
    await page.getByRole('row', { name: /scrap No active connector/ }).waitFor();
    assert.equal(await page.getByRole('table', { name: 'Applications' }).getByRole('row').count(), 2);
    await page.goto(center.addressOf(`/admin/connector-groups/${(body as { id: string }).id}`));
    await page.getByRole('row', { name: /scrap No active connector/ }).waitFor();
  });

  test('an assignment is taken away, and an application deleted, after a question', async () => {
    const page = await center.openAs('ada', pageOf('scrap', '/users'));
    await page.getByRole('button', { name: 'Remove ada' }).click();
    assert.match(await page.getByRole('dialog').innerText(), /ada can no longer use scrap/);
    assert.deepEqual(await violations(page), []);
    await page.getByRole('dialog').getByRole('button', { name: 'Remove ada' }).click();
    await page.getByText('Nobody is assigned', { exact: true }).waitFor();

    await page.getByRole('button', { name: 'Delete' }).click();
    assert.match(await page.getByRole('dialog').innerText(), /scrap\.\S+ stops answering/);
    assert.deepEqual(await violations(page), []);
    await page.getByRole('button', { name: 'Delete scrap' }).click();
    await page.waitForURL(center.addressOf('/admin/applications'));
    await page.getByRole('row', { name: /stock/ }).waitFor();
    assert.equal(await page.getByRole('link', { name: 'scrap' }).count(), 0);
  });

  test('no page is wider than a phone or a tablet', async () => {
    const { bed } = center;
    const group = '/onPremisesPublishingProfiles/applicationProxy/connectorGroups';
    const { value } = (await bed.api('GET', group)).body as { value: { id: string }[] };
    const connector = `/admin/connectors/${bed.connectors[0]!.id}`;
    const paths = [
      ...['applications', 'applications/new', 'connectors', 'connector-groups'].map(name => `/admin/${name}`),
      ...['enrolment-tokens', 'requirements', 'users'].map(name => `/admin/${name}`),
      ...['', '/settings', '/users'].map(rest => pageOf('wiki', rest)),
      ...['', '/events', '/doctor'].map(rest => `${connector}${rest}`),
      `/admin/connector-groups/${value[0]!.id}`,
      `/admin/users/${bed.userId('bert')}/directory-role`,
    ];
    const page = await center.openAs('ada', '/admin/applications');
    for (const width of [390, 768]) {
      await page.setViewportSize({ width, height: 800 });
      for (const path of paths) {
        await page.goto(center.addressOf(path));
        await page.getByRole('heading', { level: 1 }).waitFor();
        await page.getByText('Loading').waitFor({ state: 'hidden' });
        const over = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        assert.ok(Number(over) <= 0, `${path} is ${over} px wider than ${width}`);
      }
    }
  });
});

async function save(region: ReturnType<Page['getByRole']>): Promise<void> {
  await region.getByRole('button', { name: 'Save' }).click();
  await region.getByText('Saved.').waitFor();
}
