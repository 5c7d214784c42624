import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { sha256Of, splitCertificates } from '@postern/protocol/x509/certificate';
import type { Alert } from '../alerts/alert.ts';
import { watchLocalAuthority } from '../alerts/local-authority-watch.ts';
import { parseConfig } from '../config/load.ts';
import { dataPaths } from '../config/names.ts';
import { createServiceContext } from '../doctor/context.ts';
import { keyChecks } from '../doctor/keys.ts';
import { openData } from '../operate/open-data.ts';
import { type Authorities, openAuthorities } from './authorities.ts';
import { readFirstContact } from './first-contact.ts';
import { type LocalCertificateFiles, writeLocalCertificates } from './local-certificates.ts';
import { Rotation } from './rotation.ts';

const dayMs = 86_400_000;
const yearMs = 365 * dayMs;
/** The real one, which the TLS library goes by: nine years and some after the authority was made. */
const today = Date.now();
const domain = 'x.localhost';

type Data = Awaited<ReturnType<typeof openData>>;

describe('the local authority is exchanged before it ends, with people who have to trust the next one', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-local-rotation-'));
  const config = parseConfig({ domain, dataDir: folder, certificates: { local: true } });
  const steps: string[] = [];
  let now = today - 10 * yearMs + 270 * dayMs;
  let data: Data;
  let authorities: Authorities;
  let rotation: Rotation;
  let files: LocalCertificateFiles;
  let first: string;

  before(async () => {
    data = await openData(config, {});
    await open();
    first = authorities.local.certificate;
    files = await write();
  });
  after(async () => {
    await data[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  const write = () => writeLocalCertificates(authorities.rotating.local, domain, folder, now);

  /** As at a start of the service. */
  async function open(): Promise<void> {
    const { db, secrets } = data;
    authorities = await openAuthorities({ secrets, domain, now: () => now });
    rotation = new Rotation({
      ...{ db, authorities, refreshTrust: async () => true, writeLocalCertificates: write },
      record: ({ authority, step }) => void (authority === 'local' && steps.push(step)),
      now: () => now,
    });
  }

  async function advanceTo(time: number): Promise<void> {
    now = time;
    await rotation.advance();
    await write();
  }

  const local = async () => (await rotation.list()).filter(({ name }) => name === 'local');
  const states = async () => (await local()).map(({ state }) => state);
  const trusted = () => splitCertificates(readFileSync(files.authorityFile, 'utf8'));
  const leaf = () => new X509Certificate(readFileSync(files.certificateFile));
  const isOf = (authority: string) => leaf().verify(new X509Certificate(authority).publicKey);

  /** What is said to administrators at a time. */
  async function alertsAt(time: number): Promise<Record<string, Omit<Alert, 'id' | 'createdAt'>>> {
    const raised: Record<string, Omit<Alert, 'id' | 'createdAt'>> = {};
    const raise = async (subject: string, alert: Omit<Alert, 'id' | 'createdAt'>) => {
      raised[subject.split(':')[2]!] = alert;
      return true;
    };
    await watchLocalAuthority(await rotation.list(), { raise }, files.authorityFile, time);
    return raised;
  }

  function examine() {
    const configFile = path.join(folder, 'postern.yaml');
    const about = { config, configFile, environment: {}, running: null, runningProblem: '' };
    const context = createServiceContext({ ...about, now: () => now });
    return keyChecks.find(({ id }) => id === 'keys.local')!.run(context, new AbortController().signal);
  }

  test('nothing happens while it is valid for more than a year', async () => {
    await advanceTo(today - 96 * dayMs);

    assert.deepEqual(await states(), ['signing']);
    assert.deepEqual(await alertsAt(now), {});
    assert.equal((await examine()).status, 'passed');
  });

  test('then the next one stands in the file that people import, 90 days before it signs', async () => {
    await advanceTo(today - 94 * dayMs);

    assert.deepEqual(await states(), ['signing', 'announced']);
    assert.deepEqual(
      trusted(),
      authorities.rotating.local.all.map(one => one.certificate),
    );
    assert.equal(trusted().length, 2);
    assert.ok(isOf(first));
    assert.equal((await local())[1]!.signsAt, today - 4 * dayMs);
  });

  test('administrators are told of the day, the file and the fingerprint, and again as it comes near', async () => {
    const sha256 = sha256Of((await local())[1]!.certificate);
    const signsAt = today - 4 * dayMs;
    const daysBefore = async (days: number) => Object.keys(await alertsAt(signsAt - days * dayMs));

    const { announced } = await alertsAt(now);
    assert.equal(announced!.title, "The service's local certificate authority changes in 90 days");
    for (const part of [files.authorityFile, sha256, new Date(signsAt).toISOString()]) {
      assert.ok(announced!.text.includes(part), part);
    }
    assert.deepEqual(
      [
        await daysBefore(31),
        await daysBefore(30),
        await daysBefore(14),
        await daysBefore(7),
        await daysBefore(1),
      ],
      [['announced'], ['30'], ['14'], ['7'], ['1']],
    );
    const { status, ...said } = await examine();
    assert.equal(status, 'warning');
    assert.match(
      JSON.stringify(said),
      new RegExp(`${new Date(signsAt).toISOString().slice(0, 10)}.*local-ca\\.pem`),
    );
  });

  test('a restart of the service in between changes nothing', async () => {
    await open();
    await advanceTo(today - 5 * dayMs);

    assert.deepEqual(await states(), ['signing', 'announced']);
    assert.ok(isOf(first));
    assert.deepEqual(steps, ['announced']);
  });

  test('when it signs, those who trust the former one, the next one or both accept it', async () => {
    await advanceTo(today);

    assert.deepEqual(await states(), ['former', 'signing']);
    const second = authorities.local.certificate;
    assert.notEqual(second, first);
    assert.ok(isOf(second));
    const server = tls.createServer({
      cert: readFileSync(files.certificateFile),
      key: readFileSync(files.keyFile),
    });
    server.on('secureConnection', socket => socket.end());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      for (const ca of [first, second, readFileSync(files.authorityFile, 'utf8')]) {
        const socket = tls.connect({ port, host: '127.0.0.1', servername: `wiki.${domain}`, ca });
        await once(socket, 'secureConnect');
        assert.ok(socket.authorized);
        socket.destroy();
      }
    } finally {
      server.close();
    }
  });

  test('an enrolment token names an authority that is in the chain', () => {
    const { rootSha256 } = readFirstContact(config);

    const chain = splitCertificates(readFileSync(files.certificateFile, 'utf8'));
    assert.equal(rootSha256, sha256Of(new X509Certificate(chain.at(-1)!)));
    assert.ok(trusted().includes(chain.at(-1)!));
  });

  test('its leaf renews itself as before', async () => {
    const before = leaf().serialNumber;

    await advanceTo(today + 59 * dayMs);
    assert.equal(leaf().serialNumber, before);
    await advanceTo(today + 61 * dayMs);

    assert.notEqual(leaf().serialNumber, before);
  });

  test('the former one is forgotten at its end', async () => {
    await advanceTo(today + 269 * dayMs);
    assert.equal(trusted().length, 2);
    await advanceTo(today + 270 * dayMs);

    assert.deepEqual(await states(), ['signing']);
    assert.deepEqual(trusted(), [authorities.local.certificate]);
    assert.equal(splitCertificates(readFileSync(files.certificateFile, 'utf8')).length, 2);
    assert.deepEqual(steps, ['announced', 'signing', 'retired']);
    assert.equal((await examine()).status, 'passed');
    assert.equal(dataPaths(config).localAuthority, files.authorityFile);
  });
});

test('a service with other certificates has no local authority to exchange', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-local-rotation-'));
  const config = parseConfig({ domain, dataDir: folder, certificates: { local: true } });
  {
    await using data = await openData(config, {});
    const { db, secrets } = data;
    let now = today;
    const authorities = await openAuthorities({ secrets, domain, now: () => now });
    const about = { db, authorities, refreshTrust: async () => true, writeLocalCertificates: null };
    const rotation = new Rotation({ ...about, record: () => {}, now: () => now });
    now += 9.5 * yearMs;

    await rotation.advance();

    assert.equal(rotation.uses('local'), false);
    assert.ok((await rotation.list()).every(({ name }) => name !== 'local'));
    assert.equal(authorities.rotating.local.next, null);
  }
  rmSync(folder, { recursive: true });
});
