import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { plainHttpPort } from '@postern/server/config/names';
import type { Page } from 'playwright-core';
import { AdminCenter, violations } from '../testbed/admin-center.ts';
import { freePorts } from '../testbed/testbed.ts';

let center: AdminCenter;

before(async () => {
  const [httpPort] = (await freePorts(1)) as [number];
  center = await AdminCenter.start({
    httpPort,
    applications: [{ name: 'wiki', internalUrl: 'http://127.0.0.1:1/' }],
    users: ['bert', 'cleo'],
    connectors: 2,
  });
});

after(() => center?.[Symbol.asyncDispose]());

beforeEach(() => center.reset());

describe('the Admin center in a real browser', { timeout: 600_000 }, () => {
  test('an administrator goes from My Apps to the connectors, to one of them and to its group', async () => {
    const page = await center.openAs('ada', '/');

    await page.getByRole('link', { name: 'Admin center' }).click();
    await center.arrive(page, 'Connectors');
    const table = page.getByRole('table', { name: 'Connectors' });
    await table.getByRole('row', { name: /connector-0 Active/ }).waitFor();
    assert.equal(await table.getByRole('row').count(), 3);
    await page.getByLabel('Search').fill('connector-1');
    assert.equal(await table.getByRole('row').count(), 2);

    await page.getByRole('link', { name: 'connector-1' }).click();
    await center.arrive(page, 'connector-1');
    // The title has the focus, so that a reader of the screen hears that the page has changed.
    assert.equal(await page.evaluate('document.activeElement.textContent'), 'connector-1');
    await page.getByText('Other active connectors').waitFor();
    await page.getByRole('link', { name: 'Default' }).click();
    await center.arrive(page, 'Default');
    await page.getByRole('row', { name: /wiki/ }).waitFor();
  });

  test('a group is made, renamed, filled and emptied, and removed; the default group stays', async () => {
    const page = await center.openAs('ada', '/admin/connector-groups');
    await center.arrive(page, 'Connector groups');
    await page.getByRole('button', { name: 'Create a group' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Default');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await dialog.getByRole('alert').waitFor();
    assert.deepEqual(await violations(page), []);
    // The browser itself notes the status of the refusal.
    assert.match(center.chromium.takeErrors().join(), /status of 409/);
    await dialog.getByLabel('Name').fill('Graz');
    await dialog.getByRole('button', { name: 'Create' }).click();

    await page.getByRole('link', { name: 'Graz' }).click();
    await center.arrive(page, 'Graz');
    await page.getByRole('button', { name: 'Rename' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill('Linz');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await center.arrive(page, 'Linz');

    await moveConnector(page, 'connector-1', 'Linz');
    await page.getByRole('link', { name: 'Linz' }).click();
    await page.getByRole('row', { name: /connector-1/ }).waitFor();
    await page.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('button', { name: 'Remove Linz' }).click();
    await page.getByRole('dialog').getByRole('alert').waitFor();
    await page.keyboard.press('Escape');
    await moveConnector(page, 'connector-1', 'Default');
    await page.goto(center.addressOf('/admin/connector-groups'));
    await page.getByRole('link', { name: 'Linz' }).click();
    await page.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('button', { name: 'Remove Linz' }).click();
    await page.getByRole('heading', { level: 1, name: 'Connector groups' }).waitFor();
    await page.getByRole('link', { name: 'Linz' }).waitFor({ state: 'detached' });
    await page.getByRole('link', { name: 'Default' }).click();
    await page.getByRole('heading', { level: 1, name: 'Default' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Remove' }).count(), 0);
  });

  test('an enrolment token is shown once with its command, and revoked', async () => {
    const page = await center.openAs('ada', '/admin/enrolment-tokens');
    await center.arrive(page, 'Enrolment tokens');
    await page.getByRole('button', { name: 'Create a token' }).first().click();
    await page.getByLabel('Purpose').fill('Machine in the hall');
    assert.deepEqual(await violations(page), []);
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();

    const command = page.getByRole('region', { name: 'the command' });
    await command.waitFor();
    assert.match(await command.innerText(), /^sudo postern connector install .*\npostern_enrolment_/);
    assert.deepEqual(await violations(page), []);
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('row', { name: /Machine in the hall Usable/ }).waitFor();
    assert.doesNotMatch(await page.content(), /postern_enrolment_/);
    await page.getByRole('button', { name: 'Revoke Machine in the hall' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('row', { name: /Machine in the hall Revoked/ }).waitFor();
    assert.deepEqual(center.chromium.takeErrors(), []);
  });

  test('a connector shows its certificate, what happened to it, and what its doctor finds', async () => {
    const page = await center.openAs('ada', `/admin/connectors/${center.bed.connectors[0]!.id}`);
    await center.arrive(page, 'connector-0');
    const certificate = page.getByRole('region', { name: 'Trust certificate' });
    assert.match(await certificate.innerText(), /in 180 days[\s\S]*Thumbprint[\s\S]*[0-9A-F]{40}/);

    await page.getByRole('link', { name: 'Events' }).click();
    await page.getByRole('row', { name: /Information connector-0 registered/ }).waitFor();
    assert.deepEqual(await violations(page), []);

    await page.getByRole('link', { name: 'Doctor' }).click();
    await page.getByRole('button', { name: 'Run the doctor' }).click();
    const backends = page.getByRole('region', { name: 'Backends' });
    await backends.waitFor();
    // Nothing listens where the application is said to be; nobody has signed in where the connector runs.
    const failed = backends.getByRole('listitem').filter({ hasText: 'Failed' }).first();
    assert.match(await failed.innerText(), /Cause[\s\S]*ECONNREFUSED[\s\S]*Do this[\s\S]*Check\s+backend\./);
    await failed.getByRole('region', { name: 'the command that repeats it by hand' }).waitFor();
    const administrator = page.getByRole('region', { name: 'Authentication of the administrator' });
    assert.match(await administrator.innerText(), /^.*\s+3 not run/);
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(center.chromium.takeErrors(), []);
  });

  test('a connector is drained, and used again', async () => {
    const page = await center.openAs('ada', `/admin/connectors/${center.bed.connectors[1]!.id}`);
    await center.arrive(page, 'connector-1');

    await page.getByRole('button', { name: 'Drain' }).click();
    assert.match(await page.getByRole('dialog').innerText(), /those in flight are finished/);
    assert.deepEqual(await violations(page), []);
    await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click();
    await page.getByText('It is drained').waitFor();
    await page.getByRole('link', { name: 'Connectors', exact: true }).click();
    await page.getByRole('row', { name: /connector-1 Active ?, drained/ }).waitFor();

    await page.getByRole('link', { name: 'connector-1' }).click();
    await page.getByRole('button', { name: 'Use again' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Use it again' }).click();
    await page.getByText('It answers the service through its tunnel').waitFor();
    assert.deepEqual(center.chromium.takeErrors(), []);
  });

  test('a connector and a group are given a region', async () => {
    const page = await center.openAs('ada', `/admin/connectors/${center.bed.connectors[1]!.id}`);
    await page.getByRole('button', { name: 'Region' }).click();
    await page.getByRole('dialog').getByLabel('Region').fill('eu-north');
    assert.deepEqual(await violations(page), []);
    await page.keyboard.press('Enter');
    await page.getByText('eu-north', { exact: true }).waitFor();

    await page.getByRole('link', { name: 'Default' }).click();
    await page.getByRole('button', { name: 'Region' }).click();
    await page.getByRole('dialog').getByLabel('Region').fill('eu-north');
    await page.keyboard.press('Enter');
    await page.getByText('Connectors in eu-north are preferred').waitFor();
    assert.deepEqual(center.chromium.takeErrors(), []);
  });

  test('an authority is rotated after its stages were read, and nobody has to register again', async () => {
    const page = await center.openAs('ada', '/admin/certificate-authorities');
    await center.arrive(page, 'Certificate authorities');
    const registration = page.getByRole('region', { name: 'Registration authority' });
    await registration.getByRole('row', { name: /Current: signs/ }).waitFor();
    await registration.getByRole('button', { name: 'Rotate' }).focus();
    await page.keyboard.press('Enter');
    assert.match(
      await page.getByRole('dialog').innerText(),
      /Nobody has to register again[\s\S]*signs nothing any more/,
    );
    assert.deepEqual(await violations(page), []);

    await page.getByRole('dialog').getByRole('button', { name: 'Rotate' }).click();

    await registration.getByRole('row', { name: /Retired: trusted for a while/ }).waitFor();
    assert.equal(await registration.getByRole('row', { name: /Current: signs/ }).count(), 1);
    assert.deepEqual(center.chromium.takeErrors(), []);
    await page.getByRole('link', { name: 'All connectors' }).click();
    await page.getByRole('row', { name: /connector-1 Active/ }).waitFor();
  });

  test('the names and ports for a firewall are there before anything is installed', async () => {
    const page = await center.openAs('ada', '/admin/requirements');
    await center.arrive(page, 'Names and ports');

    await page.getByRole('row', { name: `connect.${center.bed.domain} TCP ${center.bed.port}` }).waitFor();
    const ticket = await page.getByRole('region', { name: 'the text for a firewall ticket' }).innerText();
    assert.match(ticket, new RegExp(`\\*\\.${center.bed.domain}`));
    assert.match(
      ticket,
      new RegExp(`portcheck\\.${center.bed.domain}  TCP ${plainHttpPort(center.bed.config)}`),
    );
  });

  test('Users → All users → an account → Directory role gives the role, and takes it away', async () => {
    const page = await center.openAs('ada', '/admin');
    await center.arrive(page, 'Connectors');

    await page.getByRole('link', { name: 'All users' }).click();
    await center.arrive(page, 'All users');
    await page.getByLabel('Search').fill('ERT');
    await page.getByRole('link', { name: 'cleo' }).waitFor({ state: 'detached' });
    await page.getByRole('link', { name: 'bert' }).click();
    await center.arrive(page, 'bert');
    await page.getByRole('link', { name: 'Directory role' }).click();
    await page.getByText('bert holds no role').waitFor();
    assert.equal(page.url(), center.addressOf(`/admin/users/${center.bed.userId('bert')}/directory-role`));
    assert.deepEqual(await violations(page), []);
    const role = page.getByRole('switch', { name: 'Application Administrator' });
    for (const [confirm, sentence] of [
      ['Give', 'bert can register connectors'],
      ['Take away', 'bert cannot register connectors'],
    ] as const) {
      // By the keyboard alone.
      await role.focus();
      await page.keyboard.press('Space');
      await page.getByRole('dialog').getByRole('button', { name: confirm }).waitFor();
      assert.deepEqual(await violations(page), []);
      await page.getByRole('dialog').getByRole('button', { name: confirm }).focus();
      await page.keyboard.press('Enter');
      await page.getByText(sentence).waitFor();
    }
    assert.deepEqual(center.chromium.takeErrors(), []);
  });

  test('names of every length leave what stands beside them in sight', async () => {
    const long = 'W'.repeat(64);
    const userPrincipalName = `${'w'.repeat(64)}@example.com`;
    await center.bed.api('POST', '/users', { userPrincipalName, displayName: long, accountEnabled: true });
    const page = await center.openAs('ada', '/admin/users');
    await page.setViewportSize({ width: 1280, height: 800 });
    const table = page.getByRole('table', { name: 'Users' });
    await table.getByText(userPrincipalName).waitFor();
    assert.ok(await table.locator('..').evaluate(isWhole), 'the table is wider than its frame');

    await page.goto(center.addressOf('/admin/connector-groups'));
    await page.getByRole('button', { name: 'Create a group' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill(long);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: long }).click();
    await center.arrive(page, long);
    for (const width of [1280, 380]) {
      await page.setViewportSize({ width, height: 800 });
      await page.getByRole('button', { name: 'Remove' }).click();
      await page.getByRole('dialog').waitFor();
      // Which waits until the dialog has its size.
      assert.deepEqual(await violations(page), []);
      const dialog = await page.getByRole('dialog').boundingBox();
      const confirm = page.getByRole('button', { name: `Remove ${long}` });
      const button = await confirm.boundingBox();
      assert.ok(dialog && button && button.x > dialog.x && button.x + button.width < dialog.x + dialog.width);
      assert.ok(await confirm.evaluate(isWhole), `the name is cut off at ${width}`);
      await page.keyboard.press('Escape');
    }

    await page.goto(center.addressOf('/admin/enrolment-tokens'));
    await page.getByRole('button', { name: 'Create a token' }).first().click();
    const groups = page.getByRole('dialog').getByLabel('Connector group');
    await groups.locator('option', { hasText: long }).waitFor({ state: 'attached' });
    assert.deepEqual(await violations(page), []);
    const [choice, field] = [await groups.boundingBox(), await page.getByLabel('Purpose').boundingBox()];
    assert.ok(choice && field && choice.width <= field.width + 24, 'the list of groups leaves the dialog');
    await page.keyboard.press('Escape');

    await page.setViewportSize({ width: 320, height: 800 });
    assert.ok(await page.getByRole('link', { name: 'My Apps' }).evaluate(isWhole));
    assert.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'));
  });

  test('on a phone Escape closes the navigation and gives the focus back to its button', async () => {
    const page = await center.openAs('ada', '/admin/connectors');
    await page.setViewportSize({ width: 380, height: 800 });
    const button = page.getByRole('button', { name: 'Navigation' });
    const link = page.getByRole('link', { name: 'All users' });
    await button.focus();
    await page.keyboard.press('Enter');
    await link.focus();
    await page.keyboard.press('Escape');
    await link.waitFor({ state: 'hidden' });
    assert.equal(await page.evaluate("document.activeElement.getAttribute('aria-label')"), 'Navigation');

    await page.keyboard.press('Enter');
    await link.waitFor();
    await page.keyboard.press('Escape');
    await link.waitFor({ state: 'hidden' });
    assert.equal(await button.getAttribute('aria-expanded'), 'false');
  });

  test('a key that is held down asks, and does not answer at once', async () => {
    await center.bed.api('POST', '/onPremisesPublishingProfiles/applicationProxy/connectorGroups', {
      name: 'Villach',
    });
    const page = await center.openAs('ada', '/admin/connector-groups');
    await page.getByRole('link', { name: 'Villach' }).click();
    await center.arrive(page, 'Villach');
    await page.getByRole('button', { name: 'Remove' }).focus();
    await page.keyboard.down('Enter');
    const confirm = page.getByRole('button', { name: 'Remove Villach' });
    await confirm.waitFor();
    await page.waitForFunction("document.activeElement?.textContent === 'Remove Villach'");
    await page.keyboard.down('Enter');
    await page.keyboard.up('Enter');
    assert.equal(await confirm.innerText(), 'Remove Villach');

    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Villach' }).waitFor({ state: 'detached' });
    await center.arrive(page, 'Connector groups');
  });

  test('somebody without a role reads which one is held, which is needed and who can grant it', async () => {
    const page = await center.openAs('bert', '/');
    assert.equal(await page.getByRole('link', { name: 'Admin center' }).count(), 0);

    await page.goto(center.addressOf('/admin/connectors'));
    await center.arrive(page, 'You do not have the role for this page');
    const text = await page.getByRole('main').innerText();
    assert.match(text, /Role you hold\s+None/);
    assert.match(text, /Role needed\s+Application Administrator/);
    assert.match(text, /Who can grant it\s+A Global Administrator/);

    // Whoever follows the link in the request arrives where the role is given.
    const address = /https:\S+directory-role/.exec(text)?.[0];
    const granting = await center.openAs('ada', address!.slice(center.addressOf('').length));
    await granting.getByText('bert holds no role').waitFor();
  });

  test('a revoked connector is shown as revoked, and its tunnels are gone', async () => {
    const page = await center.openAs('ada', `/admin/connectors/${center.bed.connectors[0]!.id}`);
    await center.arrive(page, 'connector-0');

    await page.getByRole('button', { name: 'Revoke' }).click();
    assert.match(await page.getByRole('dialog').innerText(), /cannot be undone/);
    assert.deepEqual(await violations(page), []);
    await page.getByRole('button', { name: 'Revoke connector-0' }).click();

    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByText('Its certificate is refused for good').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Revoke' }).count(), 0);
    assert.deepEqual(center.chromium.takeErrors(), []);
  });

  test('an application of the same site cannot use the session of an administrator (threat F1)', async () => {
    const page = await center.openAs('ada', '/admin/connectors');
    await center.arrive(page, 'Connectors');
    const api = center.addressOf('/admin/api/v1.0/me');

    // A page of a host beside the portal, to which the cookie of the portal goes along.
    await page.goto(`https://login.${center.bed.domain}:${center.bed.port}/.well-known/openid-configuration`);
    const outcomes = await page.evaluate(async address => {
      const outcome = (promise: Promise<Response>) =>
        promise.then(
          response => `${response.type} ${response.status}`,
          () => 'refused by the browser',
        );
      return [
        await outcome(fetch(address, { credentials: 'include', headers: { 'postern-admin-center': '1' } })),
        await outcome(fetch(address, { credentials: 'include' })),
      ];
    }, api);

    assert.deepEqual(outcomes, ['refused by the browser', 'refused by the browser']);
    // A navigation carries the cookie and is answered with a refusal.
    const followed = await page.goto(api);
    assert.equal(followed?.status(), 403);
  });
});

async function moveConnector(page: Page, name: string, group: string): Promise<void> {
  await page.goto(center.addressOf('/admin/connectors'));
  await page.getByRole('link', { name }).click();
  await page.getByRole('button', { name: 'Move to another group' }).click();
  await page.getByLabel('New group').selectOption({ label: group });
  await page.getByRole('dialog').getByRole('button', { name: 'Move' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByRole('link', { name: group, exact: true }).waitFor();
}

/** Whether an element shows all that is in it. */
function isWhole({ scrollWidth, clientWidth }: { scrollWidth: number; clientWidth: number }): boolean {
  return scrollWidth <= clientWidth;
}
