import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { CheckResult, DoctorReport } from '@postern/protocol/doctor';
import type { FastifyInstance } from 'fastify';
import type { Kysely } from 'kysely';
import { pino } from 'pino';
import { createTestCertificate } from '../alerts/test-receivers.ts';
import { parseConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { createControlServer } from '../control-server.ts';
import { prepareSocketPath } from '../feed/publisher.ts';
import { openStore } from '../store/open.ts';
import type { Database } from '../store/schema.ts';
import { withServiceChecks } from './check-table.ts';
import { clockChecks } from './clock.ts';
import { askRunningService, createServiceContext, type ServiceCheck } from './context.ts';
import { serviceChecks } from './doctor.ts';
import { registerDoctorRoutes } from './internal-routes.ts';
import { nameChecks } from './names.ts';
import { portChecks } from './ports.ts';

const all = serviceChecks.flatMap(({ group, checks }) => checks.map(check => ({ group, ...check })));

describe('the table of the service’s checks', () => {
  test('has stable ids of its groups, and exit codes in their order', () => {
    assert.equal(new Set(all.map(check => check.id)).size, all.length);
    for (const check of all) {
      assert.match(check.id, new RegExp(`^${check.group}\\.[a-z0-9-]+$`));
      assert.doesNotMatch(check.title, /\.$/);
      assert.match(check.otherwise, /\.$/);
    }
    assert.deepEqual(
      serviceChecks.map(one => one.exitCode),
      [10, 20, 30, 40, 50, 60, 70],
    );
  });

  test('is in docs/troubleshooting.md (node packages/server/src/doctor/write-check-table.ts)', () => {
    const document = readFileSync(new URL('../../../../docs/troubleshooting.md', import.meta.url), 'utf8');

    assert.equal(document, withServiceChecks(document));
  });

  test('names needs that come before', () => {
    const seen = new Set<string>();
    for (const check of all) {
      for (const need of check.needs ?? []) assert.ok(seen.has(need), `${check.id} needs ${need}`);
      seen.add(check.id);
    }
  });
});

describe('what a connector on another machine sees', () => {
  let folder: string;
  let config: Config;
  let app: FastifyInstance;
  let connectors: { id: string; machineName: string; externalIp: string }[];
  let report: DoctorReport | null;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'postern-service-doctor-'));
    config = parseConfig({
      domain: 'access.example.test',
      dataDir: folder,
      certificates: { local: true },
      listen: { https: ['127.0.0.1:9'], http: [], private: [] },
    });
    app = createControlServer({
      log: pino({ level: 'silent' }),
      checkHealth: async () => {},
      renderMetrics: async () => ({ contentType: 'text/plain', text: '' }),
    });
    registerDoctorRoutes(app, {
      processId: process.pid,
      liveConnectors: async () => connectors,
      examineConnector: async () => report,
    });
    const socketPath = path.join(folder, 'run', 'control.sock');
    prepareSocketPath(socketPath);
    await app.listen({ path: socketPath });
  });
  after(async () => {
    await app.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    connectors = [
      { id: 'one', machineName: 'here', externalIp: '::ffff:127.0.0.1' },
      { id: 'two', machineName: 'srv-01', externalIp: '203.0.113.7' },
    ];
    report = reportOf([]);
  });

  const reportOf = (results: Partial<CheckResult>[], at = Date.now()): DoctorReport => ({
    at,
    version: '1.0.0',
    service: '',
    restart: null,
    exitCode: 0,
    results: results.map(one => ({
      id: '',
      group: 'connectivity',
      title: '',
      status: 'passed',
      tried: 'TCP 443',
      seen: 'connected',
      cause: '',
      remedy: '',
      command: '',
      durationMs: 1,
      ...one,
    })),
  });

  async function outcome(checks: readonly ServiceCheck[], id: string) {
    const asked = await askRunningService(config);
    assert.equal(asked.runningProblem, '');
    const context = createServiceContext({ config, configFile: '', environment: {}, ...asked });
    return checks.find(check => check.id === id)!.run(context, new AbortController().signal);
  }

  test('is what the check says, with the name of the connector', async () => {
    report = reportOf([{ id: 'connectivity.tcp-443' }]);

    const { status, tried } = await outcome(portChecks, 'ports.outside-443');

    assert.equal(status, 'passed');
    assert.equal(tried, 'TCP 443, by the connector srv-01 (203.0.113.7)');
  });

  test('that a firewall drops the public port is a failure, and port 80 a warning', async () => {
    const refused = { status: 'failed', cause: 'It is dropped.', remedy: 'Open it.' } as const;
    report = reportOf([
      { id: 'connectivity.tcp-443', ...refused },
      { id: 'connectivity.tcp-80', ...refused, status: 'warning' },
    ]);

    const https = await outcome(portChecks, 'ports.outside-443');
    const http = await outcome(portChecks, 'ports.outside-80');

    assert.equal(https.status, 'failed');
    assert.equal(https.cause, 'Seen from srv-01: It is dropped.');
    assert.match(https.remedy, /firewall before this service.*there: Open it\.$/);
    assert.equal(http.status, 'warning');
  });

  test('is not run where no connector can look, and the check by hand is named', async () => {
    for (const [given, expected] of [
      [[], /No connector is connected/],
      [[connectors[0]!], /\(here\) runs on this machine/],
    ] as const) {
      connectors = [...given];
      const { status, cause } = await outcome(portChecks, 'ports.outside-443');
      assert.equal(status, 'not_run');
      assert.match(cause, expected);
      assert.match(cause, /curl -v https:\/\/login\.access\.example\.test\//);
    }
  });

  test('is not run where the connector does not answer, or could not look', async () => {
    report = null;
    assert.match((await outcome(portChecks, 'ports.outside-443')).cause, /srv-01 did not answer/);
    report = reportOf([{ id: 'connectivity.tcp-443', status: 'not_run', cause: 'Too late.' }]);
    assert.match((await outcome(portChecks, 'ports.outside-443')).cause, /could not look: Too late\./);
  });

  test('of names: a listener that does not answer is not taken for one without certificates', async () => {
    const { status, cause, remedy } = await outcome(nameChecks, 'names.certificates');

    assert.equal(status, 'failed');
    assert.match(cause, /^Nothing is shown for [\s\S]*ECONNREFUSED/);
    assert.match(remedy, /group ports/);
  });

  test('of the clock: minutes are a warning, days a failure', async () => {
    const minute = 60_000;
    for (const [offMs, expected] of [
      [0, 'passed'],
      [30 * minute, 'warning'],
      [-4 * 24 * 60 * minute, 'failed'],
    ] as const) {
      report = reportOf([], Date.now() + offMs);
      const { status, remedy } = await outcome(clockChecks, 'clock.connectors');
      assert.equal(status, expected);
      if (expected !== 'passed') assert.match(remedy, /timedatectl/);
    }
  });
});

describe('certificates in the database, while the service does not run', () => {
  let folder: string;
  let config: Config;
  let db: Kysely<Database>;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'postern-service-doctor-'));
    config = parseConfig({ domain: 'access.example.test', dataDir: folder, certificates: { local: true } });
    db = await openStore(path.join(folder, 'postern.db'));
  });
  after(async () => {
    await db.destroy();
    rmSync(folder, { recursive: true });
  });

  async function outcome(id: string, now = Date.now()) {
    const asked = await askRunningService(config);
    const context = createServiceContext({
      config,
      configFile: '',
      environment: {},
      ...asked,
      now: () => now,
    });
    return nameChecks.find(check => check.id === id)!.run(context, new AbortController().signal);
  }

  test('cover names beside the files, and end', async () => {
    assert.equal((await outcome('names.certificates')).status, 'failed');
    const { cert } = await createTestCertificate(['*.access.example.test']);
    const { validToDate } = new X509Certificate(cert);
    const row = { id: 'one', source: 'uploaded', namesJson: '[]', pem: cert, sha256: '', thumbprint: '' };
    const dates = { notBefore: 0, notAfter: validToDate.getTime(), renewAt: null, createdAt: 0 };
    await db
      .insertInto('publicCertificate')
      .values({ ...row, ...dates })
      .execute();

    assert.equal((await outcome('names.certificates')).status, 'passed');
    assert.equal((await outcome('names.expiry')).status, 'passed');
    const dayMs = 86_400_000;
    assert.equal((await outcome('names.expiry', validToDate.getTime() - 5 * dayMs)).status, 'warning');
    const over = await outcome('names.expiry', validToDate.getTime() + dayMs);
    assert.equal(over.status, 'failed');
    assert.match(over.remedy, /clock/);
  });

  test('that the service could not get are a warning, with the reason and the remedy that were noted', async () => {
    assert.equal((await outcome('names.automatic')).status, 'not_run');
    await db
      .insertInto('automaticCertificate')
      .values({
        key: 'wiki.example.test',
        namesJson: '["wiki.example.test"]',
        orderUrl: null,
        failures: 2,
        lastAttemptAt: 0,
        nextAttemptAt: 0,
        lastError: 'The authority could not reach port 80.',
        lastRemedy: 'Let port 80 in.',
      })
      .execute();

    const { status, cause, remedy } = await outcome('names.automatic');

    assert.equal(status, 'warning');
    assert.match(cause, /wiki\.example\.test: The authority could not reach port 80\./);
    assert.equal(remedy, 'Let port 80 in.');
  });
});
