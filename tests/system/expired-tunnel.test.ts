/** A trust certificate expires, by the service's clock, while tunnels that it opened are up and carry requests. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { storeFolder } from '@postern/connector/identity/certificate-store';
import { registerConnector } from '@postern/connector/register';
import { ageIdentity } from '../testbed/age-identity.ts';
import { ShiftedClock } from '../testbed/fake-time.ts';
import { answerEveryRequest, type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { upgradeAccepted, upgradeFields } from '../testbed/raw-websocket.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const minutesLeft = 30;
const laterMinutes = 40;
const hasExpired = 'the trust certificate of a tunnel has expired';
const firstPart = 'the first part';

const clock = new ShiftedClock();
let backend: RawBackend;
let bed: Testbed;

before(async () => {
  backend = await RawBackend.start();
  backend.onConnection = answerInPartsOrUpgrade;
  bed = await startTestbed({
    applications: [{ name: 'open', internalUrl: backend.url, passthrough: true }],
    config: { drainMs: 8_000, limits: { waitForConnectorMs: 5_000 } },
    environment: clock.environment,
  });
});
after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
  clock[Symbol.dispose]();
});

/** Upgrades who asks for it, and begins answers to `/download` that a test ends; everything else is answered. */
function answerInPartsOrUpgrade(connection: BackendConnectionLog): void {
  connection.socket.once('data', () => {
    if (/^upgrade:/im.test(connection.received)) return connection.send(`${upgradeAccepted}\x81\x05hello`);
    if (connection.received.startsWith('GET /download')) {
      return connection.send(
        `HTTP/1.1 200 OK\r\nContent-Length: ${2 * firstPart.length}\r\n\r\n${firstPart}`,
      );
    }
  });
  answerEveryRequest(connection, received => /^(GET \/download|upgrade:)/im.test(received));
}

/** Leaves the connector with a certificate that has minutes to live, and that it cannot renew. */
async function startWithOldCertificate(): Promise<void> {
  const connector = bed.connectors[0]!;
  await ageIdentity(bed, connector, 180 - minutesLeft / (24 * 60));
  // In the place of a folder: a renewed certificate cannot be written.
  writeFileSync(storeFolder(connector.dataDir, 'user'), '');
  await connector.restart();
  await connector.log.until('"certificate_renewal_failed"');
}

/** Opens a connection that carries one request until the test ends it. */
async function begin(target: string, wanted: string, fields = ''): Promise<RawClient> {
  const host = bed.hostOf('open');
  const client = new RawClient(await bed.connect(host));
  client.send(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`);
  await client.until(wanted);
  return client;
}

function requestTo(target: string): BackendConnectionLog {
  return backend.connections.find(one => one.received.startsWith(`GET ${target} `))!;
}

async function statusOfPage(): Promise<string> {
  const host = bed.hostOf('open');
  const answer = await bed.exchange(host, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  return answer.slice(9, 12);
}

async function stateOfConnector(): Promise<string> {
  const { body } = await bed.api(
    'GET',
    `/onPremisesPublishingProfiles/applicationProxy/connectors/${bed.connectors[0]!.id}`,
  );
  return (body as { status: string }).status;
}

const countOf = (text: string, part: string) => text.split(part).length - 1;

test('a connector with a new certificate loses no request when the one before expires', async () => {
  const connector = bed.connectors[0]!;
  await startWithOldCertificate();
  const download = await begin('/download', firstPart);
  const upBefore = countOf(connector.log.text, '"tunnel_connected"');
  const from = bed.log.text.length;

  await registerConnector({
    service: `${bed.domain}:${bed.port}`,
    token: () => bed.token(),
    dataDir: connector.dataDir,
    machineName: 'connector-0',
    caFile: bed.caFile,
    key: 'p384',
  });
  await connector.log.until('"identity_changed"');
  let isOver = false;
  const statuses = (async () => {
    const seen = new Set<string>();
    while (!isOver) seen.add(await statusOfPage());
    return [...seen];
  })();
  while (countOf(connector.log.text, '"tunnel_connected"') < upBefore + 2) {
    await new Promise(resolve => setImmediate(resolve));
  }
  clock.set(laterMinutes * 60);
  // Its tunnel with the certificate before still carries the download.
  await bed.log.until(hasExpired, from);
  const atExpiry = bed.log.text.length;
  requestTo('/download').send(firstPart);
  await download.until(firstPart.repeat(2));
  await bed.log.until('"tunnel down"', atExpiry);
  isOver = true;

  assert.deepEqual(await statuses, ['200']);
  assert.equal(await stateOfConnector(), 'active');
  assert.doesNotMatch(connector.log.text, /"id":1000|"tunnel_refused"|"tunnel_lost"/);
  download.destroy();
});

test('one that has no other is told so and cut: what is in flight has its time, and no more', async () => {
  const connector = bed.connectors[0]!;
  clock.set(0);
  await startWithOldCertificate();
  await backend.reset();
  backend.onConnection = answerInPartsOrUpgrade;
  const [ends, lasts, socket] = await Promise.all([
    begin('/download?ends', firstPart),
    begin('/download?lasts', firstPart),
    begin('/socket', '\x81\x05hello', upgradeFields),
  ]);
  const from = bed.log.text.length;

  clock.set(laterMinutes * 60);
  await bed.log.until(hasExpired, from);
  await connector.log.until('"id":1000');
  requestTo('/download?ends').send(firstPart);

  await ends.until(firstPart.repeat(2));
  // FIN, opcode close, the length, then the code: 1008.
  assert.match(await socket.closed(), /\x81\x05hello\x88[\x02-\x7d]\x03\xf0/);
  assert.match(await lasts.closed(), /the first part$/);
  await bed.log.until('its trust certificate has expired"', from);
  assert.match(connector.log.text, /out of use, because the trust certificate expired on /);
  assert.equal(await statusOfPage(), '503');
  assert.equal(await stateOfConnector(), 'expired');
  ends.destroy();
});
