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
      { name: 'spread', internalUrl: backend.url },
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
    await timeouts
      .getByLabel('Add from files')
      .setInputFiles({ name: 'ca.pem', mimeType: 'text/plain', buffer: Buffer.from(center.bed.ca) });
    await timeouts.getByText('Authorities of the backend, for everybody').waitFor();
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
    assert.match(String(publishing.backendCertificateAuthorities), /^-----BEGIN CERTIFICATE-----/);
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

  test('segments of an application with a wildcard are added, changed and removed', async () => {
    const { domain, port } = center.bed;
    const page = await center.openAs('ada', pageOf('spread', '/segments'));
    await page.getByText('Segments need a wildcard').waitFor();
    await center.arrive(page, 'spread');
    await publishWildcard('spread');
    await page.reload();
    await page.getByText('No segments', { exact: true }).waitFor();

    await page.getByRole('button', { name: 'Add a segment' }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('External URL').fill(`http://spread-web.${domain}/`);
    await dialog.getByLabel('Internal URL').fill(backend.url);
    await page.keyboard.press('Enter');
    await dialog.getByText('Must begin with https://').waitFor();
    assert.equal(await dialog.getByLabel('External URL').getAttribute('aria-invalid'), 'true');
    assert.deepEqual(await violations(page), []);
    await dialog.getByLabel('External URL').fill(`https://spread-web.${domain}/`);
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    const web = page.getByRole('row', { name: new RegExp(`https://spread-web.${domain}:${port}/`) });
    await web.waitFor();
    await page.getByRole('button', { name: 'Add a segment' }).click();
    await dialog.getByLabel('External URL').fill(`https://spread-api.${domain}/v0/`);
    await dialog.getByLabel('Internal URL').fill(backend.url);
    await dialog.getByRole('button', { name: 'Add' }).click();
    await page.getByRole('button', { name: /^Change .*v0/ }).click();
    await dialog.getByLabel('External URL').fill(`https://spread-api.${domain}/v1/`);
    await dialog.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('row', { name: /spread-api\S+\/v1\// }).waitFor();
    await page.getByRole('button', { name: /^Remove .*web/ }).click();
    assert.match(await dialog.innerText(), /spread-web\S+ stops answering/);
    assert.deepEqual(await violations(page), []);
    await dialog.getByRole('button', { name: 'Remove' }).click();
    await web.waitFor({ state: 'detached' });
  });

  test('rules for other origins are a form; what a preflight request is answered can be tried', async () => {
    const { domain, port } = center.bed;
    const page = await center.openAs('ada', pageOf('spread', '/cors'));
    const api = `https://spread-api.${domain}:${port}/v1/`;
    await center.arrive(page, 'spread');
    await page.getByRole('button', { name: `Add a rule for ${api}` }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Path').fill('/things');
    await dialog.getByLabel('Origins').fill('https://web.example.com/page');
    await dialog.getByRole('checkbox', { name: 'PUT' }).check();
    await dialog.getByLabel('Request headers').fill('X-My-*');
    await dialog.getByRole('button', { name: 'Add' }).click();
    await dialog.getByText('Must be an origin as browsers send it').waitFor();
    assert.equal(await dialog.getByLabel('Origins').getAttribute('aria-invalid'), 'true');
    assert.deepEqual(await violations(page), []);
    await dialog.getByLabel('Origins').fill('https://web.example.com');
    await dialog.getByRole('button', { name: 'Add' }).click();
    await page
      .getByRole('row', { name: /\/things https:\/\/web\.example\.com GET, HEAD, POST, PUT X-My-\*/ })
      .waitFor();

    const preview = page.getByRole('region', { name: 'Try a preflight request' });
    assert.equal(await preview.getByLabel('Address').inputValue(), `${api}things`);
    await preview.getByLabel('Method').selectOption('PUT');
    await preview.getByLabel('Request headers').fill('x-my-thing');
    await preview.getByText('Allowed', { exact: true }).waitFor();
    const shown = await preview.innerText();
    const host = `spread-api.${domain}`;
    const answer = await center.bed.exchange(
      host,
      `OPTIONS /v1/things HTTP/1.1\r\nHost: ${host}\r\nOrigin: https://web.example.com\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-my-thing\r\nConnection: close\r\n\r\n`,
    );
    const granted = answer.match(/^access-control-\S+: .*(?=\r$)/gm) ?? [];
    assert.equal(granted.length, 5);
    for (const line of granted)
      assert.match(shown, new RegExp(line.replace(': ', '\\s+').replaceAll('.', '\\.')));
    await preview.getByLabel('Method').selectOption('DELETE');
    await preview.getByText('does not allow the method DELETE').waitFor();
    assert.deepEqual(await violations(page), []);

    await page.getByRole('button', { name: 'Remove the rule for /things' }).click();
    await dialog.getByText('after it the backend decides').waitFor();
    await dialog.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('row', { name: /things/ }).waitFor({ state: 'detached' });
  });

  test('a program gets a credential, whose secret is shown once, and loses it', async () => {
    const page = await center.openAs('ada', pageOf('wiki', '/programs'));
    await page.getByText('No program has a credential').waitFor();
    await center.arrive(page, 'wiki');
    await page.getByRole('button', { name: 'Add a credential' }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Backup');
    await dialog.getByLabel('Works for').selectOption('90 days');
    await page.keyboard.press('Tab');
    await dialog.getByRole('button', { name: 'Add' }).click();
    // Nothing but its button closes it.
    const made = page.getByRole('alertdialog');
    await made.getByText('shown now and never again').waitFor();
    assert.deepEqual(await violations(page), []);
    const [clientId, secret] = await made.getByRole('definition').allInnerTexts();
    const ask = () => {
      const credentials = Buffer.from(`${clientId!.trim()}:${secret!.trim()}`).toString('base64');
      const host = center.bed.hostOf('wiki');
      return center.bed.exchange(
        host,
        `GET / HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Basic ${credentials}\r\nConnection: close\r\n\r\n`,
      );
    };
    assert.match(await ask(), /^HTTP\/1\.1 200 /);

    await made.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('row', { name: /Backup Works/ }).waitFor();
    assert.equal((await page.content()).includes(secret!.trim()), false);
    await page.getByRole('button', { name: 'Remove Backup' }).click();
    assert.match(await dialog.innerText(), /access tokens included/);
    await dialog.getByRole('button', { name: 'Remove' }).click();
    await page.getByText('No program has a credential').waitFor();
    assert.match(await ask(), /^HTTP\/1\.1 401 /);
  });

  test('backends are added with a weight, and taken away', async () => {
    const page = await center.openAs('ada', pageOf('wiki', '/backends'));
    await page.getByText('Weight 1, the internal URL').waitFor();
    await center.arrive(page, 'wiki');
    await page.getByRole('button', { name: 'Add a backend' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Address').fill('ftp://wiki-2.corp.example/');
    await dialog.getByLabel('Weight').fill('0');
    await dialog.getByText('A whole number from 1 to 1,000').waitFor();
    await dialog.getByLabel('Weight').fill('3');
    await dialog.getByRole('button', { name: 'Add' }).click();
    await dialog.locator('[aria-invalid=true]').waitFor();
    assert.deepEqual(await violations(page), []);
    await dialog.getByLabel('Address').fill('http://127.0.0.1:2');
    await dialog.getByRole('switch', { name: 'Backup' }).check();
    await dialog.getByRole('button', { name: 'Add' }).click();
    await page.getByText('Weight 3, backup').waitFor();

    await page.getByRole('button', { name: 'Remove http://127.0.0.1:2/' }).click();
    await dialog.getByRole('button', { name: 'Remove' }).click();
    await page.getByText('Weight 3, backup').waitFor({ state: 'detached' });
  });

  test('the way to an application is tested, station by station', async () => {
    const page = await center.openAs('ada', pageOf('wiki', '/test'));
    await center.arrive(page, 'wiki');
    await page.getByRole('button', { name: 'Test' }).focus();
    await page.keyboard.press('Enter');

    await page.getByText('It works: answers 200').waitFor();
    const stations = await page.getByRole('region', { name: 'The way of the request' }).innerText();
    assert.match(stations, /Admission[\s\S]*ms[\s\S]*Tunnel[\s\S]*First byte[\s\S]*Answer/);
    assert.deepEqual(await violations(page), []);
    await page.getByLabel('Path').fill('no path');
    await page.keyboard.press('Enter');
    await page.getByText('must be a path such as').waitFor();
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
    // The list is shown as it was until it has been read again.
    await page.getByRole('link', { name: 'scrap' }).waitFor({ state: 'detached' });
  });

  test('no page is wider than a phone or a tablet', async () => {
    const { bed } = center;
    const group = '/onPremisesPublishingProfiles/applicationProxy/connectorGroups';
    const { value } = (await bed.api('GET', group)).body as { value: { id: string }[] };
    const connector = `/admin/connectors/${bed.connectors[0]!.id}`;
    const paths = [
      ...['applications', 'applications/new', 'connectors', 'connector-groups'].map(name => `/admin/${name}`),
      ...['enrolment-tokens', 'requirements', 'users', 'certificate-authorities'].map(
        name => `/admin/${name}`,
      ),
      ...['', '/settings', '/users', '/segments', '/cors', '/programs', '/backends', '/test'].map(rest =>
        pageOf('wiki', rest),
      ),
      ...['/segments', '/cors'].map(rest => pageOf('spread', rest)),
      ...['', '/events', '/doctor'].map(rest => `${connector}${rest}`),
      `/admin/connector-groups/${value[0]!.id}`,
      `/admin/users/${bed.userId('bert')}/directory-role`,
    ];
    await center.fitsNarrowWindows(paths);
  });
});

/** With the wildcard that the testbed's certificate has. */
async function publishWildcard(name: string): Promise<void> {
  const { status, body } = await center.bed.api('PATCH', `/applications/${center.bed.applicationId(name)}`, {
    onPremisesPublishing: {
      externalUrl: `https://*.${center.bed.domain}/`,
      internalUrl: 'http://*.corp.example/',
    },
  });
  assert.equal(status, 204, JSON.stringify(body));
}

async function save(region: ReturnType<Page['getByRole']>): Promise<void> {
  await region.getByRole('button', { name: 'Save' }).click();
  await region.getByText('Saved.').waitFor();
}
