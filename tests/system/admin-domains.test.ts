import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type Pebble, startPebble } from '@postern/server/acme/test-pebble';
import { TestAuthority } from '@postern/server/domains/test-authority';
import { startNameServer, type TestNameServer } from '@postern/server/domains/test-name-server';
import type { Page } from 'playwright-core';
import { AdminCenter, violations } from '../testbed/admin-center.ts';
import { freePorts } from '../testbed/testbed.ts';

let authority: TestAuthority;
let names: TestNameServer;
let pebble: Pebble;
let center: AdminCenter;

before(async () => {
  const [port, httpPort] = (await freePorts(2)) as [number, number];
  authority = new TestAuthority();
  names = await startNameServer();
  pebble = await startPebble({ nameServer: names.address, httpPort, tlsPort: port });
  center = await AdminCenter.start({
    applications: ['wiki', 'shop'].map(name => ({ name, internalUrl: 'http://127.0.0.1:1/' })),
    roots: authority.root + (await pebble.root()),
    port,
    httpPort,
    config: {
      domains: { nameServers: [names.address] },
      certificates: {
        acme: { directoryUrl: pebble.directoryUrl, caFile: pebble.caFile, termsAgreed: true },
      },
    },
  });
});

after(async () => {
  await center?.[Symbol.asyncDispose]();
  await pebble?.[Symbol.asyncDispose]();
  await names?.[Symbol.asyncDispose]();
  authority?.[Symbol.dispose]();
});

beforeEach(() => center.reset());

const host = 'wiki.contoso.test';

function file(name: string, content: string | Buffer) {
  return { name, mimeType: 'application/octet-stream', buffer: Buffer.from(content) };
}

/** The browser itself notes the status of each refusal. */
function assertRefused(status: number): void {
  for (const error of center.chromium.takeErrors()) assert.match(error, new RegExp(`status of ${status}`));
}

async function publish(name: string, externalUrl: string): Promise<void> {
  const { status, body } = await center.bed.api('PATCH', `/applications/${center.bed.applicationId(name)}`, {
    onPremisesPublishing: { externalUrl },
  });
  assert.equal(status, 204, JSON.stringify(body));
}

async function openUpload(page: Page) {
  await page.getByRole('button', { name: 'Upload a certificate' }).first().click();
  return page.getByRole('dialog');
}

describe('domains and certificates in the Admin center', { timeout: 600_000 }, () => {
  test('a domain is added by the keyboard, proved by the record that its page shows, and checked', async () => {
    const page = await center.openAs('ada', '/admin/domains');
    await center.arrive(page, 'Custom domains');
    await page.getByRole('button', { name: 'Add a domain' }).first().focus();
    await page.keyboard.press('Enter');
    await page.getByRole('textbox', { name: 'Domain' }).fill('https://contoso.test/');
    await page.keyboard.press('Enter');
    await page.getByText('is no domain name such as').waitFor();
    assert.equal(await page.getByRole('textbox', { name: 'Domain' }).getAttribute('aria-invalid'), 'true');
    assert.deepEqual(await violations(page), []);
    assertRefused(400);
    await page.getByRole('textbox', { name: 'Domain' }).fill('contoso.test');
    await page.getByRole('switch', { name: 'Get certificates automatically' }).focus();
    await page.keyboard.press('Space');
    await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click();

    await center.arrive(page, 'contoso.test');
    await page.getByText('Nothing can be published under it').waitFor();
    const proof = page.getByRole('region', { name: 'Prove that it is yours' });
    const record = proof.getByRole('row', { name: /_postern\.contoso\.test/ });
    assert.match(await record.innerText(), /TXT/);
    await proof.getByRole('button', { name: 'Check now' }).click();
    await proof.getByText('There is no such record yet').waitFor();
    assertRefused(409);
    const [text] = /postern-verification=\S+/.exec(await record.innerText()) ?? [];
    names.texts.set('_postern.contoso.test', [text!]);
    await proof.getByRole('button', { name: 'Check now' }).click();
    await page.getByText('Applications can be published at contoso.test').waitFor();
    assert.equal(await proof.count(), 0);

    const records = page.getByRole('region', { name: 'Records that lead people here' });
    await records.getByRole('button', { name: 'Check names and certificates' }).click();
    await records.getByRole('row', { name: /contoso\.test DNS OK/ }).waitFor();
    await records.getByRole('row', { name: /contoso\.test Certificate Failed/ }).waitFor();
    assert.deepEqual(await violations(page), []);
    await page.getByRole('link', { name: 'Custom domains' }).first().click();
    await page.getByRole('row', { name: /contoso\.test Verified None No 0/ }).waitFor();
    assert.deepEqual(center.chromium.takeErrors(), []);
  });

  test('a PFX file is refused at the field that is at fault, and taken with its password', async () => {
    const page = await center.openAs('ada', '/admin/domains/contoso.test');
    const dialog = await openUpload(page);
    const pfx = authority.pfx(authority.issue({ names: ['*.contoso.test'], days: 10 }), 'geheim');
    await dialog.getByLabel('PFX file').setInputFiles(file('any.pfx', 'no such thing'));
    await dialog.getByRole('button', { name: 'Upload' }).click();
    await dialog.getByText('no PFX file').waitFor();
    assert.equal(await dialog.getByLabel('PFX file').getAttribute('aria-invalid'), 'true');
    await dialog.getByLabel('PFX file').setInputFiles(file('any.pfx', Buffer.from(pfx, 'base64')));
    await dialog.getByLabel('Password').fill('falsch');
    await page.keyboard.press('Enter');
    await dialog.getByText('password is wrong').waitFor();
    assert.equal(await dialog.getByLabel('Password').getAttribute('aria-invalid'), 'true');
    assert.deepEqual(await violations(page), []);
    assertRefused(400);
    await dialog.getByLabel('Password').fill('geheim');
    await page.keyboard.press('Enter');

    await center.arrive(page, '*.contoso.test');
    await page.getByText('It expires soon. Upload the one that follows').waitFor();
    assert.match(await page.getByRole('main').innerText(), /10 days left[\s\S]*CN=Test intermediate/);
    assert.doesNotMatch(await page.content(), /geheim/);
  });

  test('PEM files are taken with chain and key, each fault at its field; the certificate names its applications', async () => {
    await publish('wiki', `https://${host}/`);
    const page = await center.openAs('ada', '/admin/certificates');
    await center.arrive(page, 'Certificates');
    await page.getByText('1 certificate that is in use expires').waitFor();
    await page.getByRole('row', { name: /\*\.contoso\.test 10 days left Uploaded wiki/ }).waitFor();

    const { certificate, key } = authority.issue({ names: [host, 'unknown.example'] });
    const dialog = await openUpload(page);
    await dialog.getByRole('radio', { name: /PEM/ }).check();
    const chain = [file('leaf.pem', certificate), file('chain.pem', authority.intermediate + authority.root)];
    await dialog.getByLabel('Certificate and chain').setInputFiles(chain[0]!);
    await dialog.getByLabel('Private key').setInputFiles(file('wiki.key', key));
    await dialog.getByRole('button', { name: 'Upload' }).click();
    await dialog.getByText('chain of the certificate is incomplete').waitFor();
    await dialog.getByLabel('Certificate and chain').setInputFiles(chain);
    await dialog
      .getByLabel('Private key')
      .setInputFiles(file('old.key', authority.issue({ names: [host] }).key));
    await dialog.getByRole('button', { name: 'Upload' }).click();
    await dialog.getByText('private key does not belong to the certificate').waitFor();
    assert.equal(await dialog.getByLabel('Private key').getAttribute('aria-invalid'), 'true');
    assertRefused(400);
    await dialog.getByLabel('Private key').setInputFiles(file('wiki.key', key));
    await dialog.getByRole('button', { name: 'Upload' }).click();

    await center.arrive(page, host);
    await page.getByText('no verified domain has them: unknown.example').waitFor();
    await page.getByRole('link', { name: 'wiki', exact: true }).waitFor();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByText(`Another certificate of the store takes over at ${host}`).waitFor();
    assert.deepEqual(await violations(page), []);
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.waitForURL(center.addressOf('/admin/certificates'));
    await page.getByRole('row', { name: /\*\.contoso\.test 10 days left Uploaded wiki/ }).waitFor();
    // The list is shown as it was until it has been read again.
    await page.getByRole('link', { name: host, exact: true }).waitFor({ state: 'detached' });
  });

  test('a certificate that could not be got says why, and is got by a click once that is mended', async () => {
    const [domain, shop] = ['contoso.example', 'shop.contoso.example'];
    names.addresses.set(shop, ['127.0.0.9']);
    await center.bed.api('POST', '/domains', { id: domain });
    const { body } = await center.bed.api('GET', `/domains/${domain}/verificationDnsRecords`);
    const { value } = body as { value: { label: string; text: string }[] };
    names.texts.set(value[0]!.label, [value[0]!.text]);
    await center.bed.api('POST', `/domains/${domain}/verify`);
    const from = center.bed.log.text.length;
    await publish('shop', `https://${shop}/`);
    await center.bed.log.until('automatic_certificate_failed', from);
    const page = await center.openAs('ada', `/admin/domains/${domain}`);
    await center.arrive(page, domain);
    const row = page.getByRole('row', { name: new RegExp(`${shop} Failed`) });
    await row.waitFor();
    assert.match(await row.innerText(), /refused[\s\S]*Tried again in/);

    names.addresses.set(shop, ['127.0.0.1']);
    await page.getByRole('button', { name: `Get now: ${shop}` }).focus();
    await page.keyboard.press('Enter');

    await page.getByRole('row', { name: new RegExp(`${shop} Got Renewed in`) }).waitFor();
    await page.getByRole('row', { name: new RegExp(`${shop} \\d+ days left By ACME shop`) }).waitFor();
    assert.deepEqual(await violations(page), []);
    await page.getByRole('link', { name: 'Certificates', exact: true }).click();
    await page.getByRole('region', { name: 'Got automatically' }).waitFor();
    await center.arrive(page, 'Certificates');
  });

  test('a domain in use is not removed, and says by what; one that is not is', async () => {
    const page = await center.openAs('ada', '/admin/domains/contoso.test');
    await page.getByRole('row', { name: /^wiki / }).waitFor();
    await page.getByRole('button', { name: 'Remove' }).click();
    assert.match(await page.getByRole('dialog').innerText(), /Only a domain without applications/);
    await page.getByRole('button', { name: 'Remove contoso.test' }).click();
    await page.getByRole('dialog').getByText('in use by the application wiki').waitFor();
    assert.deepEqual(await violations(page), []);
    assertRefused(409);
    await center.bed.api('POST', '/domains', { id: 'old.test', isAutomaticCertificateEnabled: false });
    await page.goto(center.addressOf('/admin/domains/old.test'));
    await page.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('button', { name: 'Remove old.test' }).click();
    await page.waitForURL(center.addressOf('/admin/domains'));
    await page.getByRole('row', { name: /contoso\.test Verified/ }).waitFor();
    await page.getByRole('link', { name: 'old.test' }).waitFor({ state: 'detached' });
  });

  test('no page is wider than a phone or a tablet', async () => {
    const path = '/onPremisesPublishingProfiles/applicationProxy/certificates';
    const { value } = (await center.bed.api('GET', path)).body as { value: { id: string }[] };
    await center.fitsNarrowWindows([
      '/admin/domains',
      '/admin/domains/contoso.test',
      '/admin/certificates',
      `/admin/certificates/${value[0]!.id}`,
    ]);
  });
});
