import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Outbound } from '@postern/outbound/outbound';
import { type CheckResult, doctorReport } from '@postern/protocol/doctor';
import { formatFindings, formatLine } from '@postern/protocol/doctor/format-report';
import { domain, TestService } from '../../testing/test-service.ts';
import { machineFingerprint } from '../identity/machine-binding.ts';
import { trustSettingsFile, writeTrustSettings } from '../identity/trust-settings.ts';
import { registerConnector } from '../register.ts';
import { withConnectorChecks } from './check-table.ts';
import { type ContextOptions, createContext } from './context.ts';
import { checksByGroup, runDoctor } from './doctor.ts';
import { findLogFiles } from './log-files.ts';

const dayMs = 86_400_000;

let service: TestService;
let folders = 0;

before(async () => {
  service = await TestService.start();
});
after(() => service[Symbol.asyncDispose]());

async function register(): Promise<{ dataDir: string; thumbprint: string; stem: string }> {
  const dataDir = service.dataDir(`doctor-${folders++}`);
  const { thumbprint } = await registerConnector({
    service: `${domain}:${service.registrationPort}`,
    token: 'admin',
    dataDir,
    caFile: service.caFile,
    outbound: new Outbound(),
    machineName: 'srv-01',
    key: 'p384',
  });
  return { dataDir, thumbprint, stem: path.join(dataDir, 'certificates', 'machine', thumbprint) };
}

/** Runs the doctor and gives its results by id. The service of these tests has no more than registration and tunnels. */
async function examine(options: Partial<ContextOptions> & { dataDir: string }) {
  const context = await createContext({ environment: {}, ...options });
  const report = await runDoctor(context);
  return { report, results: new Map(report.results.map(result => [result.id, result])) };
}

function assertFailed(result: CheckResult | undefined, cause: RegExp, remedy: RegExp): void {
  assert.equal(result?.status, 'failed', JSON.stringify(result));
  assert.match(result.cause, cause);
  assert.match(result.remedy, remedy);
}

describe('the table of checks', () => {
  const all = Object.entries(checksByGroup).flatMap(([group, checks]) =>
    checks.map(check => ({ group, ...check })),
  );

  test('has at least 25, each with a stable id of its group and a text of what it is for', () => {
    assert.ok(all.length >= 25, `${all.length}`);
    assert.equal(new Set(all.map(check => check.id)).size, all.length);
    for (const check of all) {
      assert.match(check.id, new RegExp(`^${check.group}\\.[a-z0-9.-]+$`));
      assert.doesNotMatch(check.title, /\.$/);
      assert.match(check.otherwise, /\.$/);
    }
  });

  test('is in docs/troubleshooting.md (node packages/connector/src/doctor/write-check-table.ts)', () => {
    const document = readFileSync(new URL('../../../../docs/troubleshooting.md', import.meta.url), 'utf8');

    assert.equal(document, withConnectorChecks(document));
  });

  test('names needs that come before, in its own group or an earlier one', () => {
    const seen = new Set<string>();
    for (const check of all) {
      for (const need of check.needs ?? []) assert.ok(seen.has(need), `${check.id} needs ${need}`);
      seen.add(check.id);
    }
  });
});

describe('without a connector and without a service', () => {
  test('the first group fails, and nothing that needs the service reads passed', async t => {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'postern-doctor-'));
    t.after(() => rmSync(dataDir, { recursive: true }));

    const { report, results } = await examine({ dataDir });

    assert.equal(report.exitCode, 10);
    assertFailed(results.get('connectivity.service'), /not registered/, /--service/);
    for (const result of report.results) {
      if (result.group !== 'machine' && result.id !== 'connectivity.service') {
        assert.equal(result.status, 'not_run', result.id);
        assert.notEqual(result.cause, '', result.id);
      }
    }
    assert.equal(report.results.find(one => one.id === 'machine.data-folder')?.status, 'passed');
    assert.equal(report.restart, null);
    assert.deepEqual(doctorReport.parse(report), report);
  });
});

describe('the files of a registered connector', () => {
  test('in order', async () => {
    const { dataDir, thumbprint } = await register();

    const { results } = await examine({ dataDir });

    for (const id of [
      'trust.settings',
      'trust.store',
      'trust.key',
      'trust.permissions',
      'trust.validity',
      'trust.issuer',
    ]) {
      assert.equal(results.get(id)?.status, 'passed', JSON.stringify(results.get(id)));
    }
    assert.match(results.get('trust.settings')!.seen, new RegExp(thumbprint));
    assert.equal(results.get('trust.tunnel')?.status, 'not_run');
    assertFailed(results.get('machine.process'), /registered and not running/, /connector start/);
  });

  test('a thumbprint that names no certificate', async () => {
    const { dataDir } = await register();
    await writeTrustSettings(dataDir, { thumbprint: 'AB'.repeat(20), isInUserStore: false });

    const { results } = await examine({ dataDir });

    assertFailed(
      results.get('trust.store'),
      /Neither store holds the certificate ABAB/,
      /connector certificates/,
    );
    assert.equal(results.get('trust.key')?.status, 'not_run');
    assert.match(results.get('trust.key')!.cause, /trust\.store/);
  });

  test('a certificate in the other store', async () => {
    const { dataDir, thumbprint } = await register();
    await writeTrustSettings(dataDir, { thumbprint, isInUserStore: true });

    const { results } = await examine({ dataDir });

    assertFailed(
      results.get('trust.store'),
      /IsInUserStore true, and the certificate is in the machine store/,
      /Set IsInUserStore to false/,
    );
  });

  test('trust settings that are no XML', async () => {
    const { dataDir } = await register();
    writeFileSync(trustSettingsFile(dataDir), '<broken');

    const { results } = await examine({ dataDir });

    assertFailed(results.get('trust.settings'), /TrustSettings\.xml cannot be used/, /register/);
  });

  test('a key of another certificate', async () => {
    const { dataDir, stem } = await register();
    const other = await register();
    writeFileSync(`${stem}.key`, readFileSync(`${other.stem}.key`));

    const { results } = await examine({ dataDir });

    assertFailed(results.get('trust.key'), /not that of the certificate/, /backup/);
  });

  test('a lost key', async () => {
    const { dataDir, stem } = await register();
    renameSync(`${stem}.key`, `${stem}.away`);

    const { results } = await examine({ dataDir });

    assertFailed(results.get('trust.key'), /is missing/, /register/);
    assert.equal(results.get('trust.permissions')?.status, 'passed', 'nobody may read what is not there');
  });

  test('settings of the service that are cut off, whether or not the service is named', async () => {
    const { dataDir } = await register();
    writeFileSync(path.join(dataDir, 'Config', 'service.json'), '{"connectorId": "c-1", "anch');

    const [unnamed, named] = [
      await examine({ dataDir }),
      await examine({ dataDir, service: `${domain}:${service.tunnelPort}` }),
    ];

    assert.equal(unnamed.report.exitCode, 10);
    assertFailed(
      unnamed.results.get('connectivity.service'),
      /service\.json cannot be used/,
      /Put back the file from a backup/,
    );
    assert.notEqual(named.report.exitCode, 0);
    assertFailed(
      named.results.get('machine.process'),
      /does not start: .*service\.json cannot be used/,
      /Put back the file from a backup/,
    );
  });

  test('a key that others may read', async () => {
    const { dataDir, stem } = await register();
    chmodSync(`${stem}.key`, 0o644);

    const { results } = await examine({ dataDir });

    assertFailed(results.get('trust.permissions'), /permissions 644/, /chmod 600/);
  });

  test('an expired certificate, by a clock 181 days later', async () => {
    const { dataDir } = await register();

    const { results } = await examine({ dataDir, now: () => Date.now() + 181 * dayMs });

    assertFailed(
      results.get('trust.validity'),
      /expired on .* \(event 1000\)/,
      /`postern connector register`/,
    );
  });

  test('a certificate whose renewal is overdue, by a clock 160 days later', async () => {
    const { dataDir } = await register();

    const { results } = await examine({ dataDir, now: () => Date.now() + 160 * dayMs });

    assert.equal(results.get('trust.validity')?.status, 'warning');
    assert.match(results.get('trust.validity')!.cause, /renewal has been due/);
  });

  test('of another machine, and of none', async () => {
    const { dataDir } = await register();
    const file = path.join(dataDir, 'Config', 'machine.json');

    const here = (await examine({ dataDir })).results.get('trust.machine');
    writeFileSync(file, '{"machine":"another"}');
    const elsewhere = (await examine({ dataDir })).results.get('trust.machine');
    rmSync(file);
    const unknown = (await examine({ dataDir })).results.get('trust.machine');

    // Where the machine has no id that lasts, as in most containers, the doctor says that the check is off.
    if (machineFingerprint() === null) {
      for (const one of [here, elsewhere, unknown]) {
        assert.equal(one?.status, 'not_run');
        assert.match(one.cause, /check of the machine is off: this machine has no id that lasts/);
      }
      return;
    }
    assert.equal(here?.status, 'passed');
    assertFailed(elsewhere, /registered on another machine/, /postern connector register/);
    assert.equal(unknown?.status, 'not_run');
    assert.match(unknown.cause, /remembers no machine/);
  });

  test('a certificate of another service', async () => {
    const { dataDir } = await register();
    const file = path.join(dataDir, 'Config', 'service.json');
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(domain, 'other.localhost'));

    const { results } = await examine({ dataDir });

    assertFailed(results.get('trust.issuer'), /not by connectorregistrationca\.other\.localhost/, /register/);
  });
});

describe('the settings of this machine', () => {
  test('a proxy that is no HTTP proxy', async t => {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'postern-doctor-'));
    t.after(() => rmSync(dataDir, { recursive: true }));
    mkdirSync(path.join(dataDir, 'Config'));
    writeFileSync(
      path.join(dataDir, 'Config', 'connector.json'),
      '{"outboundProxy": "socks5://10.0.0.1:1080"}',
    );

    const { report, results } = await examine({ dataDir, service: 'postern.localhost' });

    assertFailed(results.get('connectivity.proxy-settings'), /socks5/, /Correct the setting/);
    assert.equal(results.get('connectivity.names')?.status, 'not_run');
    assert.equal(report.exitCode, 10);
  });

  test('certificate checks that are switched off', async t => {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'postern-doctor-'));
    t.after(() => rmSync(dataDir, { recursive: true }));

    const { results } = await examine({ dataDir, environment: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } });

    assertFailed(
      results.get('machine.certificate-checks'),
      /switches off every check/,
      /Take the variable out/,
    );
  });

  test('a shell whose proxy is another than the service has, without its password', async t => {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'postern-doctor-'));
    t.after(() => rmSync(dataDir, { recursive: true }));

    const { report, results } = await examine({
      dataDir,
      shellEnvironment: { HTTPS_PROXY: 'http://ada:secret@10.0.0.1:3128' },
    });

    assert.equal(results.get('machine.environment')?.status, 'warning');
    assert.match(
      results.get('machine.environment')!.seen,
      /not set in the service, http:\/\/…@10\.0\.0\.1:3128 in this shell/,
    );
    assert.doesNotMatch(JSON.stringify(report), /secret/);
  });

  test('an end of support', async t => {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'postern-doctor-'));
    t.after(() => rmSync(dataDir, { recursive: true }));

    const { results } = await examine({ dataDir, now: () => Date.parse('2040-01-01') });

    assert.equal(results.get('machine.node')?.status, 'warning');
    assert.match(results.get('machine.node')!.cause, /no security updates since 2028/);
  });
});

test('what is printed names the first group that failed, the cause, the remedy and the command', async t => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'postern-doctor-'));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const { report } = await examine({ dataDir });

  const lines = report.results.map(formatLine);
  const findings = formatFindings(report);

  assert.match(lines[0]!, /^FAILED +\d+ ms {2}connectivity\.service/);
  assert.match(lines[1]!, /^not run .*It needs connectivity\.service/);
  assert.match(findings, /first group in which something failed is "connectivity" \(exit code 10\)/);
  assert.match(findings, /do this {2}Name the service/);
});

test('where something failed, the logs of the commands and of the connector are named, the newest of each', t => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-logs-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(path.join(folder, 'logs'));
  const names = [
    'postern-connector-register-20260101T000000Z.log',
    'postern-connector-install-20260301T000000Z.log',
    'postern-connector-register-20260201T000000Z.log',
    'postern-connector-evil-20260201T000000Z.log',
    'postern-connector-install-20260301T000000Z.log.gz',
  ];
  for (const name of [...names, 'logs/admin.jsonl']) writeFileSync(path.join(folder, name), '');

  const logFiles = findLogFiles(folder, folder);
  const report = {
    at: 0,
    version: '',
    service: '',
    restart: null,
    exitCode: 0,
    logFiles,
  };
  const failure = {
    id: 'trust.key',
    group: 'trust',
    title: '',
    status: 'failed',
    tried: '',
    seen: '',
    cause: '',
    remedy: '',
    command: '',
    durationMs: 0,
  } as const;

  assert.deepEqual(logFiles, [
    path.join(folder, names[1]!),
    path.join(folder, names[2]!),
    path.join(folder, 'logs', 'admin.jsonl'),
  ]);
  assert.doesNotMatch(formatFindings({ ...report, results: [] }), /admin\.jsonl/);
  assert.match(formatFindings({ ...report, results: [failure] }), /in these files:\n {2}.*install-20260301/);
});
