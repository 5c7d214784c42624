import assert from 'node:assert/strict';
import { createHmac, createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { outboundFrom } from '@postern/outbound/outbound';
import { pino } from 'pino';
import { parseConfig } from '../config/load.ts';
import type { ConfigInput } from '../config/schema.ts';
import { configurePublishing, createApplication } from '../directory/applications.ts';
import type { Directory } from '../directory/directory.ts';
import { type DirectoryForTests, openDirectoryForTests } from '../directory/directory-for-tests.ts';
import { createSegment } from '../directory/segments.ts';
import { uploadCertificate } from '../domains/certificates.ts';
import { createCustomDomain, deleteCustomDomain, markVerified } from '../domains/custom-domains.ts';
import { createNameServers } from '../domains/name-servers.ts';
import { TestAuthority } from '../domains/test-authority.ts';
import { startNameServer, type TestNameServer } from '../domains/test-name-server.ts';
import { answerChallenge, ChallengeListener } from '../edge/challenge-listener.ts';
import type { CertificateRecord, ChallengeRecord } from '../feed/messages.ts';
import type { SealedSecrets } from '../store/sealed-secrets.ts';
import { AutomaticCertificates } from './automatic-certificates.ts';
import { DnsWebhook } from './dns-webhook.ts';
import { type Pebble, startPebble } from './test-pebble.ts';
import { type AcmeTransport, createTransport } from './transport.ts';

const externalKey = Buffer.alloc(32, 9).toString('base64url');
const webhookSecret = 'a-secret-of-the-webhook';
const outbound = outboundFrom({ proxy: '' }, {});

let names: TestNameServer;
let http: Server;
let tlsServer: net.Server;
let webhook: Server;
let pebble: Pebble;
let strictPebble: Pebble;
/** What relays would answer. */
const challenges = new Map<string, ChallengeRecord>();
const seen: string[] = [];
const webhookCalls: { action: string; name: string }[] = [];

let opened: DirectoryForTests;
let folder: string;
let directory: Directory;
let secrets: SealedSecrets;
let clock: { now: number };
let served: Map<string, CertificateRecord>;
let events: { event?: string }[];

before(async () => {
  names = await startNameServer();
  http = createServer((request, answer) => {
    const plain = answerChallenge(
      challenges.values(),
      request.headers.host!.replace(/:\d+$/, ''),
      request.url!,
    );
    if (plain !== null) seen.push('http-01');
    answer.writeHead(plain?.status ?? 404, plain?.headers).end(plain?.body);
  });
  const listener = new ChallengeListener(() => challenges.values());
  tlsServer = net.createServer(socket => {
    seen.push('tls-alpn-01');
    socket.on('error', () => socket.destroy());
    listener.accept(socket, () => {});
  });
  webhook = createServer(async (request, answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const signed = `${String(request.headers['postern-timestamp'])}.${body}`;
    const expected = `sha256=${createHmac('sha256', webhookSecret).update(signed).digest('hex')}`;
    if (request.headers['postern-signature'] !== expected) return answer.writeHead(403).end();
    const { action, name, value } = JSON.parse(body) as { action: string; name: string; value: string };
    webhookCalls.push({ action, name });
    const others = (names.texts.get(name) ?? []).filter(text => text !== value);
    names.texts.set(name, action === 'create' ? [...others, value] : others);
    return answer.writeHead(204).end();
  });
  const [httpPort, tlsPort] = [await listen(http), await listen(tlsServer)];
  await listen(webhook);
  const options = { nameServer: names.address, httpPort, tlsPort };
  pebble = await startPebble(options);
  strictPebble = await startPebble({ ...options, externalAccounts: { 'key-1': externalKey } });
});
after(async () => {
  for (const server of [http, tlsServer, webhook]) server.close();
  http.closeAllConnections();
  webhook.closeAllConnections();
  await pebble[Symbol.asyncDispose]();
  await strictPebble[Symbol.asyncDispose]();
  await names[Symbol.asyncDispose]();
});
beforeEach(async () => {
  opened = await openDirectoryForTests({
    address: { domain: 'access.test', publicPort: 443 },
    now: Date.now(),
  });
  ({ folder, directory, secrets, clock } = opened);
  writeFileSync(path.join(folder, 'webhook.secret'), `${webhookSecret}\n`);
  writeFileSync(path.join(folder, 'external.key'), `${externalKey}\n`);
  served = new Map();
  events = [];
  for (const map of [names.texts, names.addresses]) map.clear();
  seen.length = 0;
  webhookCalls.length = 0;
});
afterEach(() => opened[Symbol.asyncDispose]());

async function listen(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port;
}

type AcmeInput = NonNullable<NonNullable<ConfigInput['certificates']>['acme']>;

interface StartOptions {
  readonly acme?: AcmeInput;
  /** Stands between the service and the authority. */
  readonly through?: (transport: AcmeTransport) => AcmeTransport;
}

/** As after a start of the service. */
function start({ acme = {}, through = transport => transport }: StartOptions = {}): AutomaticCertificates {
  const { caFile } = acme.directoryUrl === strictPebble.directoryUrl ? strictPebble : pebble;
  const config = parseConfig({
    domain: 'access.test',
    dataDir: folder,
    certificates: {
      acme: {
        directoryUrl: pebble.directoryUrl,
        termsAgreed: true,
        caFile,
        challenges: ['http-01'],
        ...acme,
      },
    },
  });
  const nameServers = createNameServers([names.address]);
  return new AutomaticCertificates({
    ...{ config, directory, secrets, nameServers },
    transport: through(createTransport(outbound, caFile)),
    board: {
      relayCount: 1,
      putChallenge: async challenge => void challenges.set(challenge.id, challenge),
      removeChallenge: id => void challenges.delete(id),
    },
    dnsWebhook: new DnsWebhook({
      settings: config.certificates.acme.dnsWebhook,
      ...{ outbound, nameServers, now: Date.now },
    }),
    // The service's own names have theirs in these tests, so that what is looked at is the custom one.
    coveredByFiles: hosts => hosts.filter(host => /^(login|portal|connect|portcheck)\./.test(host)),
    log: pino({ base: null }, { write: (line: string) => void events.push(JSON.parse(line)) }),
    random: () => 0.5,
  });
}

async function publish(host: string): Promise<void> {
  const { id } = await createApplication(directory, { displayName: host });
  await configurePublishing(directory, id, {
    internalUrl: 'http://wiki.corp.example/',
    externalUrl: `https://${host}/`,
  });
}

async function addVerified(domain: string): Promise<void> {
  await createCustomDomain(directory, domain, true);
  await markVerified(directory, domain, 'txt');
}

/** Names of what is served, after a look at each pair. */
function servedNames(): string[] {
  for (const change of opened.takeChanges()) {
    if (change.set !== 'certificates') continue;
    if ('put' in change) served.set(change.put.id, change.put as CertificateRecord);
    else served.delete(change.remove);
  }
  return [...served.values()]
    .map(({ names: found, certificate, privateKey }) => {
      const leaf = new X509Certificate(certificate);
      assert.ok(leaf.checkPrivateKey(createPrivateKey(privateKey)));
      return found.join(',');
    })
    .sort();
}

describe('a certificate by ACME', { timeout: 300_000 }, () => {
  for (const challenge of ['http-01', 'tls-alpn-01'] as const) {
    test(`is proved by ${challenge}, whatever nonces the authority refuses, and got once`, async () => {
      await addVerified('contoso.test');
      await publish('wiki.contoso.test');
      const manager = start({ acme: { challenges: [challenge] } });
      assert.equal((await manager.list())[0]!.status, 'waiting');

      await manager.run();
      await manager.run();

      const [state] = await manager.list();
      assert.equal(state!.error, null);
      assert.equal(state!.status, 'issued');
      assert.deepEqual(servedNames(), ['wiki.contoso.test']);
      assert.ok(seen.every(kind => kind === challenge) && seen.length > 0);
      assert.equal(challenges.size, 0, 'nothing is answered any more');
      assert.equal(events.filter(({ event }) => event === 'automatic_certificate_issued').length, 1);
    });
  }

  test('covers a domain and what is below it where a webhook makes records, for an external account', async () => {
    await addVerified('contoso.test');
    await publish('wiki.contoso.test');
    await publish('git.contoso.test');
    await publish('a.b.contoso.test');
    const { port } = webhook.address() as net.AddressInfo;
    const manager = start({
      acme: {
        directoryUrl: strictPebble.directoryUrl,
        challenges: ['dns-01'],
        externalAccountKeyId: 'key-1',
        externalAccountKeyFile: path.join(folder, 'external.key'),
        dnsWebhook: { url: `http://127.0.0.1:${port}/`, secretFile: path.join(folder, 'webhook.secret') },
      },
    });

    await manager.run();

    assert.deepEqual(
      (await manager.list()).map(({ status, error }) => [status, error]),
      [
        ['issued', null],
        ['issued', null],
      ],
    );
    assert.deepEqual(servedNames(), ['*.contoso.test,contoso.test', 'a.b.contoso.test']);
    assert.deepEqual(
      webhookCalls
        .filter(({ action }) => action === 'create')
        .map(({ name }) => name)
        .sort(),
      ['_acme-challenge.a.b.contoso.test', '_acme-challenge.contoso.test', '_acme-challenge.contoso.test'],
    );
    assert.deepEqual([...names.texts.values()].flat(), [], 'the records are gone');
  });

  test('without the external account that the authority demands is refused with what to set', async () => {
    await addVerified('contoso.test');
    await publish('wiki.contoso.test');
    const manager = start({ acme: { directoryUrl: strictPebble.directoryUrl } });

    await manager.run();

    const [state] = await manager.list();
    assert.equal(state!.status, 'failing');
    assert.match(state!.error!.remedy, /externalAccountKeyId/);
  });

  test('is renewed at two thirds of its life, and the one before serves until then', async () => {
    await addVerified('contoso.test');
    await publish('wiki.contoso.test');
    const manager = start();
    await manager.run();
    const [first] = (await manager.list()).map(({ certificate }) => certificate!);
    const lifeMs = first!.notAfter - first!.notBefore;

    clock.now = first!.renewAt! - 60_000;
    await manager.run();
    const [unchanged] = (await manager.list()).map(({ certificate }) => certificate!);
    clock.now = first!.renewAt! + 1;
    await manager.run();
    const [second] = (await manager.list()).map(({ certificate }) => certificate!);

    const part = (first!.renewAt! - first!.notBefore) / lifeMs;
    assert.ok(part > 0.6 && part <= 2 / 3, String(part));
    assert.equal(unchanged!.id, first!.id);
    assert.notEqual(second!.id, first!.id);
    assert.deepEqual(servedNames(), ['wiki.contoso.test'], 'in place of the first');
  });

  test('that cannot be got says why and what to do, is tried again later each time, and holds up no other', async () => {
    await addVerified('contoso.test');
    await publish('wiki.contoso.test');
    await publish('gone.contoso.test');
    names.addresses.set('gone.contoso.test', []);
    const manager = start();
    const pauses: number[] = [];

    for (let attempt = 0; attempt < 3; attempt++) {
      await manager.run();
      const state = (await manager.list()).find(({ names: wanted }) => wanted.includes('gone.contoso.test'))!;
      assert.equal(state.status, 'failing');
      assert.equal(state.failures, attempt + 1);
      assert.match(state.error!.message, /gone\.contoso\.test/);
      assert.match(state.error!.remedy, /postern domain check/);
      pauses.push((state.nextAttemptAt! - clock.now) / 60_000);
      await manager.run();
      clock.now = state.nextAttemptAt!;
    }
    names.addresses.clear();
    await manager.run();

    assert.deepEqual(pauses, [1, 5, 20]);
    assert.equal(events.filter(({ event }) => event === 'automatic_certificate_failed').length, 3);
    assert.deepEqual(servedNames(), ['gone.contoso.test', 'wiki.contoso.test']);
  });

  test('whose order gives none, or another one, is ordered anew at the next attempt', async () => {
    using authority = new TestAuthority();
    const other = authority.issue({ names: ['wiki.contoso.test'] }).certificate;
    const gone = '{"type":"urn:ietf:params:acme:error:malformed","detail":"Certificate not found"}';
    await addVerified('contoso.test');
    for (const [host, status, body] of [
      ['gone', 404, gone],
      ['wiki', 200, other],
      ['odd', 200, 'hello'],
    ] as const) {
      await publish(`${host}.contoso.test`);
      const asked = new Set<string>();
      const manager = start({
        through: transport => async (request, signal) => {
          const answer = await transport(request, signal);
          if (!request.url.includes('/certZ/')) return answer;
          asked.add(request.url);
          return asked.size > 1 ? answer : { ...answer, status, body };
        },
      });
      const stateOf = async () =>
        (await manager.list()).find(({ names: wanted }) => wanted.includes(`${host}.contoso.test`))!;

      await manager.run();
      const failed = await stateOf();
      clock.now = failed.nextAttemptAt!;
      await manager.run();

      assert.equal(failed.failures, 1);
      assert.equal(asked.size, 2, `${host}: one of another order`);
      assert.equal((await stateOf()).status, 'issued');
    }
  });

  test('survives a crash at any request, with one certificate in the end', async () => {
    await addVerified('contoso.test');
    await publish('wiki.contoso.test');
    const urls: string[] = [];
    let isDone = false;

    for (let fatal = 1; !isDone; fatal++) {
      // The whole process is gone while it waits for the answer to this request, which has arrived.
      const lives = { count: 0 };
      const { promise: reached, resolve } = Promise.withResolvers<void>();
      const manager = start({
        through: transport => async (request, signal) => {
          lives.count += 1;
          urls.push(request.url);
          const answer = await transport(request, signal);
          if (lives.count < fatal) return answer;
          resolve();
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
      });
      const run = manager.run();
      isDone = await Promise.race([run.then(() => true), reached.then(() => false)]);
      await manager.stop();
      challenges.clear();
      if (fatal > 60) throw new Error('it never comes to an end');
    }

    assert.deepEqual(servedNames(), ['wiki.contoso.test']);
    const orders = new Set(urls.filter(url => url.includes('/finalize-order/')));
    assert.equal(orders.size, 1, 'one order was handed in');
    const kept = await directory.db.selectFrom('sealedSecret').select('name').execute();
    assert.deepEqual(
      kept.map(({ name }) => name.split(':')[0]).sort(),
      ['acme-account', 'certificate-key'],
      'nothing of the order is left',
    );
  });

  test('is wanted for the segments of a complex application, and not for the wildcard that they are under', async () => {
    await addVerified('contoso.test');
    const { id } = await createApplication(directory, { displayName: 'shop' });
    await configurePublishing(directory, id, {
      internalUrl: 'http://*.corp.example/',
      externalUrl: 'https://*.shop.contoso.test/',
    });
    const manager = start();
    const wanted = async () => (await manager.list()).map(({ id: key }) => key);

    assert.deepEqual(await wanted(), ['*.shop.contoso.test']);
    await createSegment(directory, id, {
      externalUrl: 'https://web.shop.contoso.test/',
      internalUrl: 'http://web.corp.example/',
      corsConfigurations: [],
    });

    assert.deepEqual(await wanted(), ['web.shop.contoso.test'], 'nothing else is published');
    await assert.rejects(deleteCustomDomain(directory, 'contoso.test'), { code: 'conflict' });
  });

  test('is not wanted where another one covers the name, nor under a domain that says so', async () => {
    using authority = new TestAuthority();
    await addVerified('contoso.test');
    await createCustomDomain(directory, 'fabrikam.test', false);
    await markVerified(directory, 'fabrikam.test', 'txt');
    await publish('wiki.contoso.test');
    await publish('wiki.fabrikam.test');
    const { certificate, key } = authority.issue({ names: ['*.contoso.test'], days: 30 });
    clock.now += 60_000;
    await uploadCertificate(
      { directory, secrets },
      { certificate: `${certificate}${authority.intermediate}${authority.root}${key}` },
    );
    const manager = start();

    assert.deepEqual(await manager.list(), []);
    assert.equal(await manager.renewNow('wiki.contoso.test'), false);
    clock.now += 28 * 86_400_000;
    const [taken] = await manager.list();
    assert.deepEqual(taken!.names, ['wiki.contoso.test'], 'in time before the uploaded one ends');
  });
});
