import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { type Pebble, startPebble } from '@postern/server/acme/test-pebble';
import { startNameServer, type TestNameServer } from '@postern/server/domains/test-name-server';
import { parse, stringify } from 'yaml';
import { browserAt } from '../testbed/browser.ts';
import { RawBackend } from '../testbed/raw-backend.ts';
import { freePorts, startTestbed, type Testbed } from '../testbed/testbed.ts';

const automaticPath = '/onPremisesPublishingProfiles/applicationProxy/automaticCertificates';

let names: TestNameServer;
let pebble: Pebble;
let backend: RawBackend;
let bed: Testbed;

before(async () => {
  const [port, httpPort] = await freePorts(2);
  names = await startNameServer();
  pebble = await startPebble({ nameServer: names.address, httpPort: httpPort!, tlsPort: port! });
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [{ name: 'wiki', internalUrl: `http://${backend.authority}/`, passthrough: true }],
    roots: await pebble.root(),
    port: port!,
    httpPort: httpPort!,
    config: {
      domains: { nameServers: [names.address] },
      certificates: {
        acme: { directoryUrl: pebble.directoryUrl, caFile: pebble.caFile, termsAgreed: true },
      },
    },
  });
});
after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
  await pebble?.[Symbol.asyncDispose]();
  await names?.[Symbol.asyncDispose]();
});

/** The handshake of somebody who trusts the authority alone. */
async function connect(host: string): Promise<tls.PeerCertificate> {
  const ca = await pebble.root();
  const socket = tls.connect({ host: '127.0.0.1', port: bed.port, servername: host, ca });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}

async function states(): Promise<{ names: string[]; status: string; error: unknown }[]> {
  const { body } = await bed.api('GET', automaticPath);
  return (body as { value: { names: string[]; status: string; error: unknown }[] }).value;
}

/** Waits until the log has told of an event so many times since an offset. */
async function until(event: string, times = 1, from = 0): Promise<void> {
  for (let offset = from; times > 0; times--) {
    await bed.log.until(`"${event}"`, offset);
    offset = bed.log.text.indexOf(`"${event}"`, offset) + 1;
  }
}

describe('certificates by ACME', { timeout: 300_000 }, () => {
  test('come for the service’s own names and for what is published, one for each name', async () => {
    const wanted = [
      ...['login', 'portal', 'connect', 'portcheck'].map(label => `${label}.${bed.domain}`),
      bed.hostOf('wiki'),
    ];
    await until('automatic_certificate_issued', wanted.length);

    for (const host of wanted) assert.equal((await connect(host)).subjectaltname, `DNS:${host}`);
    assert.deepEqual(
      (await states()).map(({ status }) => status),
      wanted.map(() => 'issued'),
    );
  });

  test('come for a custom domain, which they prove, and people sign in there', async () => {
    const host = 'wiki.contoso.test';
    const from = bed.log.text.length;
    const domains = await bed.api('POST', '/domains', { id: host });
    assert.equal(domains.status, 201);
    const publish = { internalUrl: `http://${backend.authority}/`, externalUrl: `https://${host}/` };
    const id = bed.applicationId('wiki');

    const refused = await bed.api('PATCH', `/applications/${id}`, { onPremisesPublishing: publish });
    assert.equal(refused.status, 400);
    assert.match(JSON.stringify(refused.body), /TXT record _postern\.wiki\.contoso\.test/);
    await until('automatic_certificate_issued', 1, from);
    const accepted = await bed.api('PATCH', `/applications/${id}`, {
      onPremisesPublishing: { ...publish, externalAuthenticationType: 'aadPreAuthentication' },
    });

    assert.equal(accepted.status, 204, JSON.stringify(accepted.body));
    assert.equal((await connect(host)).subjectaltname, `DNS:${host}`);
    const browser = browserAt(bed);
    const wanted = `https://${host}:${bed.port}/page?x=1`;
    const page = await browser.follow(await browser.get(wanted, { 'sec-fetch-mode': 'navigate' }));
    const { name, password } = bed.administrator;
    const answer = await browser.follow(await browser.submitSignIn(page, name, password));
    assert.equal(page.url.hostname, `login.${bed.domain}`);
    assert.equal(answer.url.href, wanted);
    assert.match(backend.received, /^GET \/page\?x=1 HTTP\/1\.1\r\n/);
  });

  test('come by TLS alone, through the port that everybody uses, where plain HTTP is not to be had', async () => {
    const text = readFileSync(bed.configFile, 'utf8');
    const document = parse(text) as { certificates: { acme: object } };
    const acme = { ...document.certificates.acme, challenges: ['tls-alpn-01'] };
    writeFileSync(
      bed.configFile,
      stringify({ ...document, certificates: { ...document.certificates, acme } }),
    );
    await bed.restartService();
    const from = bed.log.text.length;
    const host = 'git.contoso.test';

    await bed.api('POST', '/domains', { id: host });
    await until('automatic_certificate_issued', 1, from);

    assert.equal((await connect(host)).subjectaltname, `DNS:${host}`);
    const nobody = tls.connect({
      host: '127.0.0.1',
      port: bed.port,
      servername: host,
      ALPNProtocols: ['acme-tls/1'],
    });
    const [error] = (await once(nobody, 'error')) as [NodeJS.ErrnoException];
    assert.match(
      error.code ?? '',
      /NO_APPLICATION_PROTOCOL/,
      'nothing is answered when there is no challenge',
    );
  });
});
