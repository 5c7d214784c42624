import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { TestAuthority } from '@postern/server/domains/test-authority';
import { startNameServer, type TestNameServer } from '@postern/server/domains/test-name-server';
import { browserAt } from '../testbed/browser.ts';
import { CommandLine } from '../testbed/command-line.ts';
import { RawBackend } from '../testbed/raw-backend.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const host = 'wiki.contoso.test';

let folder: string;
let authority: TestAuthority;
let names: TestNameServer;
let backend: RawBackend;
let bed: Testbed;
let postern: CommandLine;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'postern-custom-domains-'));
  authority = new TestAuthority();
  names = await startNameServer();
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [{ name: 'wiki', internalUrl: `http://${backend.authority}/` }],
    roots: authority.root,
    config: { domains: { nameServers: [names.address] } },
  });
  postern = await CommandLine.signIn(bed);
});
after(async () => {
  postern?.[Symbol.dispose]();
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
  await names?.[Symbol.asyncDispose]();
  authority?.[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** A PFX file with a certificate of the authority. */
function pfxFile(hosts: readonly string[], kind: 'modern' | 'legacy' = 'modern'): string {
  const file = path.join(folder, `${hosts[0]!.replace('*', 'any')}-${Math.random()}.pfx`);
  writeFileSync(
    file,
    Buffer.from(authority.pfx(authority.issue({ names: hosts }), 'geheim', kind), 'base64'),
  );
  return file;
}

function uploadPfx(hosts: readonly string[], kind?: 'modern' | 'legacy'): Promise<unknown> {
  return postern.run(['certificate', 'upload', pfxFile(hosts, kind), '--password-stdin'], 'geheim\n');
}

/** DNS names of the certificate that a host shows, which has to be the authority's. */
async function shownAt(name: string): Promise<string> {
  const socket = tls.connect({ host: '127.0.0.1', port: bed.port, servername: name, ca: authority.root });
  await once(socket, 'secureConnect');
  const { subjectaltname = '' } = socket.getPeerCertificate();
  socket.destroy();
  return subjectaltname;
}

describe('a custom domain, from the first command to the page', { timeout: 300_000 }, () => {
  test('is added, proved, given a certificate and published under; people sign in and stay on it', async () => {
    const added = (await postern.run(['domain', 'add', 'contoso.test'])) as {
      verificationDnsRecords: { label: string; text: string }[];
    };
    const [record] = added.verificationDnsRecords;
    const publish = ['app', 'update', 'wiki', '--external-url', `https://${host}/`];

    await assert.rejects(postern.run(publish), new RegExp(record!.text));
    await assert.rejects(postern.run(['domain', 'verify', 'contoso.test']), /no such record yet/);
    names.texts.set(record!.label, [record!.text]);
    const verified = await postern.print(['domain', 'verify', 'contoso.test']);
    await uploadPfx(['*.contoso.test']);
    await postern.run(publish);

    assert.match(verified, /contoso\.test is verified/);
    assert.match(
      await postern.print(['domain', 'show', 'contoso.test']),
      /wiki\.contoso\.test +CNAME +connect\./,
    );
    assert.match(await postern.print(['domain', 'check', 'contoso.test']), /✔ wiki\.contoso\.test {2}dns/);
    const browser = browserAt(bed);
    const wanted = `https://${host}:${bed.port}/page?x=1`;
    const page = await browser.follow(await browser.get(wanted, { 'sec-fetch-mode': 'navigate' }));
    const { name, password } = bed.administrator;
    const answer = await browser.follow(await browser.submitSignIn(page, name, password));
    assert.equal(page.url.hostname, `login.${bed.domain}`);
    assert.equal(answer.url.href, wanted);
    assert.equal(answer.status, 200);
    assert.notEqual(browser.cookie(host, '__Host-postern'), undefined);
    assert.match(backend.received, /^GET \/page\?x=1 HTTP\/1\.1\r\n/);
  });

  test('gets the certificate with its very name before the wildcard, at once and without cutting a connection', async () => {
    assert.equal(await shownAt(host), 'DNS:*.contoso.test');
    const open = await bed.connect(host);
    const before = open.getPeerCertificate().subjectaltname;

    await uploadPfx([host, 'git.contoso.test'], 'legacy');
    const exact = await shownAt(host);
    await uploadPfx(['*.contoso.test', 'contoso.test']);
    const stillExact = await shownAt(host);
    const other = await shownAt('other.contoso.test');
    let answer = '';
    open.setEncoding('latin1').on('data', (text: unknown) => (answer += String(text)));
    open.write(`GET /after HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    await once(open, 'close');

    assert.equal(before, 'DNS:*.contoso.test');
    assert.equal(exact, `DNS:${host}, DNS:git.contoso.test`);
    assert.equal(stillExact, exact);
    assert.equal(other, 'DNS:*.contoso.test, DNS:contoso.test', 'in place of the wildcard alone');
    assert.match(answer, /^HTTP\/1\.1 401 /, 'on the connection that was there before');
    await bed.restartService();
    assert.equal(await shownAt(host), exact, 'after a start anew');
  });

  test('takes a certificate as scripts for Entra bring it, and refuses what does not fit with its reason', async () => {
    const id = bed.applicationId('wiki');
    const patch = (pfx: string, password: string) =>
      bed.api('PATCH', `/applications/${id}`, {
        onPremisesPublishing: {
          verifiedCustomDomainKeyCredential: { type: 'X509CertAndPassword', value: pfx },
          verifiedCustomDomainPasswordCredential: { value: password },
        },
      });
    const pfx = authority.pfx(authority.issue({ names: [host] }), 'geheim');

    const wrong = await patch(pfx, 'falsch');
    const elsewhere = await patch(authority.pfx(authority.issue({ names: ['a.contoso.test'] }), 'x'), 'x');
    const right = await patch(pfx, 'geheim');

    assert.equal(wrong.status, 400);
    assert.match(JSON.stringify(wrong.body), /password is wrong/);
    assert.equal(elsewhere.status, 400);
    assert.match(JSON.stringify(elsewhere.body), /not for wiki\.contoso\.test/);
    assert.equal(right.status, 204);
    const { body } = await bed.api('GET', `/applications/${id}/onPremisesPublishing`);
    const { verifiedCustomDomainCertificatesMetadata: shown } = body as {
      verifiedCustomDomainCertificatesMetadata: { subjectName: string; issuerName: string };
    };
    assert.equal(shown.subjectName, `CN=${host}`);
    assert.equal(shown.issuerName, 'CN=Test intermediate');
    assert.doesNotMatch(JSON.stringify(body), /geheim|KeyCredential/);
    assert.doesNotMatch(bed.serviceLog(), /geheim|falsch|PRIVATE KEY/);
  });

  test('is not removed while it is in use; removed, its certificates serve no longer', async () => {
    await assert.rejects(postern.run(['domain', 'remove', 'contoso.test']), /in use by the application wiki/);
    await postern.run(['app', 'update', 'wiki', '--external-url', `https://${bed.hostOf('wiki')}/`]);

    await postern.run(['domain', 'remove', 'contoso.test']);

    await assert.rejects(shownAt(host));
    const list = (await postern.run(['certificate', 'list'])) as {
      certificates: { id: string; servedNames: string[] }[];
    };
    assert.deepEqual(
      list.certificates.flatMap(({ servedNames }) => servedNames),
      [],
    );
    for (const { id } of list.certificates) await postern.run(['certificate', 'remove', id]);
    assert.match(await postern.print(['certificate', 'list']), /There is no certificate/);
  });
});
