import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { pino } from 'pino';
import { Alerts } from '../alerts/alerts.ts';
import { watchPublicExpiry } from '../alerts/public-expiry-watch.ts';
import { configurePublishing, createApplication } from '../directory/applications.ts';
import type { Directory } from '../directory/directory.ts';
import { type DirectoryForTests, openDirectoryForTests } from '../directory/directory-for-tests.ts';
import type { CertificateRecord } from '../feed/messages.ts';
import type { SealedSecrets } from '../store/sealed-secrets.ts';
import { deleteCertificate, uploadCertificate } from './certificates.ts';
import { checkDomain, type DomainParts, serviceRecords, verificationRecords } from './check-domain.ts';
import {
  createCustomDomain,
  deleteCustomDomain,
  markVerified,
  verifyCustomDomain,
} from './custom-domains.ts';
import { createNameServers } from './name-servers.ts';
import { TestAuthority } from './test-authority.ts';
import { startNameServer, type TestNameServer } from './test-name-server.ts';

const internalUrl = 'http://wiki.corp.example/';
const day = 86_400_000;

let authority: TestAuthority;
let names: TestNameServer;
let opened: DirectoryForTests;
let directory: Directory;
let secrets: SealedSecrets;
let clock: { now: number };

before(async () => {
  authority = new TestAuthority();
  names = await startNameServer();
});
after(async () => {
  authority[Symbol.dispose]();
  await names[Symbol.asyncDispose]();
});
beforeEach(async () => {
  opened = await openDirectoryForTests({
    address: { domain: 'access.test', publicPort: 443 },
    // Certificates are made while the test runs, and are valid from that second on.
    now: Date.now() + 600_000,
  });
  ({ directory, secrets, clock } = opened);
  for (const map of [names.texts, names.addresses, names.silent]) map.clear();
});
afterEach(() => opened[Symbol.asyncDispose]());

function parts(): DomainParts {
  return { directory, nameServers: createNameServers([names.address]), coveredByFiles: () => [] };
}

/** What a PEM upload holds. */
function upload(hosts: readonly string[], days = 90) {
  const { certificate, key } = authority.issue({ names: hosts, days });
  return { certificate: `${certificate}${authority.intermediate}${authority.root}${key}` };
}

async function addVerified(name: string): Promise<void> {
  await createCustomDomain(directory, name, true);
  await markVerified(directory, name, 'txt');
}

async function publish(externalUrl: string, displayName = externalUrl): Promise<void> {
  const { id } = await createApplication(directory, { displayName });
  await configurePublishing(directory, id, { internalUrl, externalUrl });
}

/** What relays have been told of certificates since the last call: names by id, or null. */
function takeCertificates(): (readonly string[] | null)[] {
  const taken = opened.takeChanges().filter(change => change.set === 'certificates');
  return taken.map(change => ('put' in change ? (change.put as CertificateRecord).names : null));
}

describe('a custom domain', { timeout: 120_000 }, () => {
  test('is proved by the TXT record that it says, and by no other', async () => {
    const row = await createCustomDomain(directory, 'Apps.Contoso.TEST.', true);
    const [record] = verificationRecords(row);
    const verify = () => verifyCustomDomain(directory, parts().nameServers, 'apps.contoso.test');

    await assert.rejects(verify(), { code: 'conflict', message: /There is no such record yet/ });
    names.texts.set('_postern.apps.contoso.test', ['postern-verification=somebody-else']);
    await assert.rejects(verify(), { code: 'conflict', message: /somebody-else/ });
    names.silent.add('_postern.apps.contoso.test');
    await assert.rejects(verify(), { code: 'conflict', message: /cannot be verified now/ });
    names.silent.clear();
    names.texts.set(record!.label, ['v=spf1', record!.text!]);
    const verified = await verify();

    assert.equal(row.name, 'apps.contoso.test');
    assert.equal(record!.label, '_postern.apps.contoso.test');
    assert.equal(verified.verifiedBy, 'txt');
  });

  test('has to be one, and not a part of the service’s own', async () => {
    for (const given of ['localhost', 'https://contoso.test', 'a..test', '10.0.0.1', '*.contoso.test', '']) {
      await assert.rejects(createCustomDomain(directory, given, true), { code: 'invalid', property: 'id' });
    }
    await assert.rejects(createCustomDomain(directory, 'wiki.access.test', true), { code: 'invalid' });
    await createCustomDomain(directory, 'bücher.test', true);
    await assert.rejects(createCustomDomain(directory, 'xn--bcher-kva.test', true), { code: 'conflict' });
  });

  test('that is not proved cannot be published under, and the error names the record to create', async () => {
    const { verificationToken } = await createCustomDomain(directory, 'contoso.test', true);

    await assert.rejects(publish('https://wiki.contoso.test/'), {
      code: 'invalid',
      property: 'externalUrl',
      message: new RegExp(
        `_postern\\.contoso\\.test with the text "postern-verification=${verificationToken}"`,
      ),
    });
    await assert.rejects(publish('https://wiki.fabrikam.test/'), { message: /postern domain add/ });
    await markVerified(directory, 'contoso.test', 'txt');
    await publish('https://wiki.contoso.test/');
    await publish('https://contoso.test/');
    await publish('https://a.b.contoso.test/');
    await assert.rejects(publish('https://wiki.notcontoso.test/'), { code: 'invalid' });
  });

  test('that an ACME server has looked at is proved for that very name only', async () => {
    await createCustomDomain(directory, 'wiki.contoso.test', true);
    await markVerified(directory, 'wiki.contoso.test', 'acme');

    await publish('https://wiki.contoso.test/');
    await assert.rejects(publish('https://other.wiki.contoso.test/'), {
      message: /Only wiki\.contoso\.test/,
    });
    const child = await createCustomDomain(directory, 'sub.wiki.contoso.test', true);
    assert.equal(child.verifiedAt, null);
  });

  test('under one that is proved is proved', async () => {
    await addVerified('contoso.test');

    assert.equal((await createCustomDomain(directory, 'apps.contoso.test', true)).verifiedBy, 'parent');
  });

  test('in use cannot be removed; one that is removed takes its certificates out of service', async () => {
    await addVerified('contoso.test');
    await uploadCertificate({ directory, secrets }, upload(['wiki.contoso.test']));
    await publish('https://wiki.contoso.test/', 'Wiki');
    await addVerified('fabrikam.test');
    await uploadCertificate({ directory, secrets }, upload(['wiki.fabrikam.test']));
    takeCertificates();

    await assert.rejects(deleteCustomDomain(directory, 'contoso.test'), {
      code: 'conflict',
      message: /Wiki/,
    });
    await deleteCustomDomain(directory, 'fabrikam.test');

    assert.deepEqual(new Set(takeCertificates().map(String)), new Set(['wiki.contoso.test', 'null']));
  });

  test('says which records lead here, and whether they do', async () => {
    await addVerified('contoso.test');
    const row = (await directory.db.selectFrom('customDomain').selectAll().executeTakeFirst())!;
    await publish('https://wiki.contoso.test/');
    await publish('https://contoso.test/');
    names.addresses.set('connect.access.test', ['192.0.2.1']);
    names.addresses.set('wiki.contoso.test', ['198.51.100.7']);
    names.addresses.set('contoso.test', []);

    const records = await serviceRecords(parts(), row);
    const before = await checkDomain(parts(), 'contoso.test');
    names.addresses.set('wiki.contoso.test', ['192.0.2.1']);
    names.addresses.set('contoso.test', ['192.0.2.1']);
    await uploadCertificate({ directory, secrets }, upload(['contoso.test', '*.contoso.test']));
    const afterwards = await checkDomain(parts(), 'contoso.test');

    assert.deepEqual(
      records.map(({ label, recordType, canonicalName, ipAddress }) => [
        label,
        recordType,
        canonicalName ?? ipAddress,
      ]),
      [
        ['contoso.test', 'A', '192.0.2.1'],
        ['wiki.contoso.test', 'CName', 'connect.access.test'],
      ],
    );
    assert.deepEqual(
      before.map(({ status }) => status),
      ['failed', 'failed', 'failed', 'failed'],
    );
    assert.match(before[0]!.remedy!, /A \(and AAAA\) records/);
    assert.match(before[2]!.remedy!, /wiki\.contoso\.test CNAME connect\.access\.test/);
    assert.deepEqual(
      afterwards.map(({ status }) => status),
      ['ok', 'ok', 'ok', 'ok'],
    );
  });
});

describe('an uploaded certificate', { timeout: 120_000 }, () => {
  test('goes to the relays with its key, and its key lies sealed in the store', async () => {
    await addVerified('contoso.test');
    const input = upload(['*.contoso.test', 'wiki.fabrikam.test']);

    const row = await uploadCertificate({ directory, secrets }, input);
    const again = await uploadCertificate({ directory, secrets }, input);

    const [change] = opened.takeChanges().filter(each => each.set === 'certificates');
    const record = (change as { put: CertificateRecord }).put;
    assert.equal(again.id, row.id);
    assert.deepEqual(record.names, ['*.contoso.test'], 'not the name whose domain is not ours');
    assert.match(record.privateKey, /BEGIN PRIVATE KEY/);
    const sealed = await directory.db.selectFrom('sealedSecret').selectAll().executeTakeFirstOrThrow();
    assert.equal(sealed.name, `certificate-key:${row.id}`);
    const stored = JSON.stringify([
      row,
      sealed,
      await directory.db.selectFrom('publicCertificate').selectAll().execute(),
    ]);
    assert.doesNotMatch(stored, /PRIVATE KEY/);
  });

  test('takes the place of those whose names it has all, and of no others', async () => {
    await addVerified('contoso.test');
    const put = (hosts: readonly string[]) => uploadCertificate({ directory, secrets }, upload(hosts));
    await put(['wiki.contoso.test']);
    await put(['*.contoso.test']);
    const last = await put(['*.contoso.test', 'contoso.test']);

    const rows = await directory.db.selectFrom('publicCertificate').select('namesJson').execute();
    assert.deepEqual(rows.map(({ namesJson }) => namesJson).sort(), [
      '["*.contoso.test","contoso.test"]',
      '["wiki.contoso.test"]',
    ]);
    await deleteCertificate({ directory, secrets }, last.id);
    assert.equal((await directory.db.selectFrom('sealedSecret').select('name').execute()).length, 1);
  });

  test('for names that are not proved, or the service’s own, is refused', async () => {
    await createCustomDomain(directory, 'contoso.test', true);
    await assert.rejects(uploadCertificate({ directory, secrets }, upload(['wiki.contoso.test'])), {
      code: 'domain_not_verified',
      remedy: /postern domain verify contoso\.test/,
    });
    await assert.rejects(uploadCertificate({ directory, secrets }, upload(['login.access.test'])), {
      code: 'domain_not_verified',
      remedy: /postern domain add/,
    });
    await markVerified(directory, 'contoso.test', 'txt');
    await assert.rejects(
      uploadCertificate({ directory, secrets }, upload(['*.contoso.test']), 'a.b.contoso.test'),
      { code: 'host_not_covered' },
    );
    await uploadCertificate({ directory, secrets }, upload(['wiki.contoso.test', 'login.access.test']));
    assert.deepEqual(takeCertificates().at(-1), ['wiki.contoso.test'], 'nobody uploads the sign-in page');
  });

  test('that expires is warned of 30, 14, 7 and 1 days before and at its end, unless another has its place', async () => {
    await addVerified('contoso.test');
    await uploadCertificate({ directory, secrets }, upload(['wiki.contoso.test'], 60));
    await uploadCertificate({ directory, secrets }, upload(['old.contoso.test'], 60));
    await uploadCertificate({ directory, secrets }, upload(['old.contoso.test'], 3_000));
    const begin = clock.now;
    const alerts = new Alerts({
      db: directory.db,
      channels: [],
      log: pino({ enabled: false }),
      now: () => clock.now,
    });

    for (; clock.now < begin + 62 * day; clock.now += day / 4) {
      await watchPublicExpiry(directory.db, alerts, 'access.test', clock.now);
    }

    const raised = await directory.db.selectFrom('alert').selectAll().orderBy('createdAt').execute();
    const described = raised.map(({ alertJson }) => JSON.parse(alertJson));
    assert.deepEqual(
      described.map(({ details }) => details.expiresInDays),
      [30, 14, 7, 1, 0],
    );
    assert.match(described[0].title, /^Certificate of wiki\.contoso\.test expires in 30 days$/);
    assert.match(described[0].text, /postern certificate upload/);
    assert.match(described[4].title, /has expired/);
  });
});
