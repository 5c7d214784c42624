/**
 * The system services, under a real systemd as process 1: one machine with the service, one in the private network with a
 * connector, each installed from its packages.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ServiceState } from '@postern/connector/installation/service-state';
import type { DoctorReport } from '@postern/protocol/doctor';
import { buildPackages, packPackages } from '../../scripts/build.ts';
import { installPackages } from '../testbed/install-packages.ts';
import { ip } from '../testbed/machine.ts';
import { RestlessClient } from '../testbed/restless-client.ts';
import { cable, SystemdMachine } from '../testbed/systemd-machine.ts';

const domain = 'access.example.com';
const serviceAddress = '203.0.113.10';
const connectorAddress = '203.0.113.20';
const password = 'four words make sense';
/** Of `systemd-analyze security`: 0 is nothing that could be done without, 10 everything. */
const mostExposure = 2;
const connectorUnit = 'postern-connector.service';
const dataDir = '/var/lib/postern-connector';
/** What `postern connector status` ends with. */
const notConnected = 1;
/** A private site, in the network of the machine with the connector. */
const backendProgram = `require('http').createServer((_, answer) => answer.end('private'))
  .listen(8080, '${connectorAddress}', () => console.log('ready'))`;
const hosts = Object.fromEntries(
  ['login', 'portal', 'connect', 'wiki'].map(name => [`${name}.${domain}`, serviceAddress]),
);

describe('under systemd', { timeout: 1_200_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-systemd-'));
  const outside = new SystemdMachine({ parent: folder, name: `ps${process.pid}a`, hosts });
  const inside = new SystemdMachine({ parent: folder, name: `ps${process.pid}b`, hosts });
  const authority = path.join(folder, 'ca.pem');
  let backend: ChildProcess | null = null;
  let setUpLink = '';

  before(async () => {
    const packed = path.join(folder, 'packed');
    mkdirSync(packed);
    const tarballs = packPackages(await buildPackages(path.join(folder, 'built')), packed);
    await Promise.all([outside.make(), inside.make()]);
    installPackages(outside, tarballs, /-(cli|server)-/);
    installPackages(inside, tarballs, /-cli-/);
    cable(outside, serviceAddress, inside, connectorAddress);
    await Promise.all([outside.boot(), inside.boot()]);
  });

  after(async () => {
    backend?.kill();
    await Promise.all([outside.remove(), inside.remove()]);
    rmSync(folder, { recursive: true, force: true });
  });

  test('the service is enabled, on its ports, as its own user, and allowed no more than it needs', async () => {
    const setUp = await outside.run(`postern init --domain ${domain} --certificates local`);
    await outside.run('postern service install');

    const units = ['postern.socket', 'postern.service'];
    assert.equal(await outside.run(`systemctl is-enabled ${units.join(' ')}`), 'enabled\nenabled\n');
    assert.equal(await outside.run(`systemctl is-active ${units.join(' ')}`), 'active\nactive\n');
    const listening = inNetworkOf(outside, 'ss', '-Hltn');
    for (const port of [443, 80]) assert.match(listening, new RegExp(`0\\.0\\.0\\.0:${port}\\s`));
    assert.equal(await userOf(outside, 'postern.service'), 'postern');
    for (const unit of units) await assertSound(outside, unit);

    copyFileSync(path.join(outside.root, 'var/lib/postern/certificates/local-ca.pem'), authority);
    setUpLink = /https:\S+set-up\S+/.exec(setUp)?.[0] ?? '';
    assert.match(choosePassword(password), /Password saved/);
  });

  test('a restart of the service refuses no connection', async context => {
    const clients = ['a', 'b'].map(
      name => new RestlessClient(inside.name, `http://${name}.${domain}/`, serviceAddress),
    );
    context.after(() => Promise.all(clients.map(client => client.end())));
    await Promise.all(clients.map(client => client.untilAnswered(10)));

    await outside.run('systemctl restart postern.service');

    await Promise.all(clients.map(client => client.untilAnswered(10)));
    for (const client of clients) assert.deepEqual(await client.end(), []);
  });

  test('the link of the set-up is used up, also after a restart of the service (threat F9)', () => {
    assert.throws(() => choosePassword('some other words'), /410/);
  });

  test('one command makes a connector of a machine: registered, hardened, as its own user, in a folder of its own', async () => {
    const token = await makeEnrolmentToken(outside);
    const command = 'postern connector install --token-file -';

    const installed = await inside.attempt(`${command} --json`, token);
    const again = await inside.attempt(`${command} --json`, token);

    assert.equal(installed.code, 0, installed.all);
    assert.match(installed.output, /"state":"connected"/);
    assert.match(again.output, /"changed":false/);
    assert.equal(await userOf(inside, connectorUnit), 'postern-connector');
    await assertSound(inside, connectorUnit);
    const kept = await inside.run(`find ${dataDir} -printf '%U:%m %y\n' | sort -u`);
    const uid = (await inside.run('id -u postern-connector')).trim();
    assert.equal(kept, `${uid}:600 f\n${uid}:700 d\n`);
    assert.equal(await inside.run('readlink /opt/postern/current'), await inside.run('postern --version'));
    // Outbound only.
    assert.equal(inNetworkOf(inside, 'ss', '-Hltu'), '');
    const logs = await inside.run(
      'stat -c %a /tmp/postern-connector-*.log; cat /tmp/postern-connector-*.log',
    );
    assert.match(logs, /^600\n600\n600\n/);
    assert.ok(!logs.includes(token));
  });

  test('after a reboot with a late network the connector is up by itself', async () => {
    ip('-n', inside.name, 'link', 'set', 'wan', 'down');
    await inside.reboot();
    await inside.run(
      `timeout 60 sh -c 'until systemctl is-active --quiet ${connectorUnit}; do sleep 0.2; done'`,
    );
    assert.equal((await inside.attempt('postern connector status')).code, notConnected);

    ip('-n', inside.name, 'link', 'set', 'wan', 'up');

    await inside.run('timeout 60 sh -c "until postern connector status; do sleep 0.5; done"');
  });

  test('a restart loses no request while another connector of the group is up', async context => {
    backend = spawn('ip', ['netns', 'exec', inside.name, process.execPath, '-e', backendProgram], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(backend.stdout!, 'data');
    const token = await makeEnrolmentToken(outside);
    const second = await outside.attempt('postern connector install --json --token-file -', token);
    assert.match(second.output, /"state":"connected"/);
    await outside.run(
      `postern app publish Wiki --internal-url http://${connectorAddress}:8080/ --passthrough`,
    );
    const client = wikiClient();
    context.after(() => client.end());
    await client.untilAnswered(10);

    const restarted = await inside.attempt('postern connector restart');

    await client.untilAnswered(10);
    assert.equal(restarted.code, 0, restarted.all);
    assert.deepEqual(await client.end(), []);
  });

  test('status says what the connector does and what systemd says of its unit', async () => {
    const said = await inside.run('postern connector status');
    const { service } = JSON.parse(await inside.run('postern connector status --json')) as {
      service: ServiceState;
    };

    assert.match(said, /^State +connected$/m);
    assert.match(said, /^Unit +installed, enabled, active \(running\), as postern-connector$/m);
    assert.deepEqual([service.isInstalled, service.isEnabled, service.isRunning], [true, true, true]);
    assert.equal(service.user, 'postern-connector');
  });

  test('another version takes over without losing a request, and the one before stays for the way back', async context => {
    const { version, program } = makeOtherVersion(inside);
    const { connectorId } = await statusOf(inside);
    const present = (await inside.run('readlink /opt/postern/current')).trim();
    const client = wikiClient();
    context.after(() => client.end());
    await client.untilAnswered(10);

    const changed = await inside.attempt(`${program} connector install --json`);
    await client.untilAnswered(10);
    const running = await inside.run(
      `readlink /opt/postern/current /proc/$(systemctl show --value -p MainPID ${connectorUnit})/exe`,
    );
    const kept = await inside.run('ls /opt/postern');
    const back = await inside.attempt('postern connector install --json');
    await client.untilAnswered(10);

    assert.equal(changed.code, 0, changed.all);
    assert.equal(running, `${version}\n/opt/postern/${version}/bin/node\n`);
    assert.equal(kept, `${present}\n${version}\ncurrent\n`);
    assert.equal(back.code, 0, back.all);
    assert.equal((await inside.run('readlink /opt/postern/current')).trim(), present);
    assert.equal((await statusOf(inside)).connectorId, connectorId);
    assert.deepEqual(await client.end(), []);
  });

  test('the exit code of install is that of the group in which the doctor found a failure', async () => {
    const settings = `${dataDir}/Config/TrustSettings.xml`;

    ip('-n', inside.name, 'link', 'set', 'wan', 'down');
    const cutOff = await inside.attempt('postern connector install');
    ip('-n', inside.name, 'link', 'set', 'wan', 'up');
    await inside.run('timeout 60 sh -c "until postern connector status; do sleep 0.5; done"');
    await inside.run(`sed -i 's/>false</>true</' ${settings}`);
    const wrongStore = await inside.attempt('postern connector install --json');
    await inside.run(`sed -i 's/>true</>false</' ${settings}`);
    const mended = await inside.attempt('postern connector install');

    assert.equal(cutOff.code, 10, cutOff.all);
    assert.match(cutOff.all, /FAILED connectivity\.tcp-443/);
    assert.equal(wrongStore.code, 20, wrongStore.all);
    const { doctor } = JSON.parse(wrongStore.output) as { doctor: DoctorReport };
    assert.equal(doctor.results.find(({ id }) => id === 'trust.store')?.status, 'failed');
    assert.equal(mended.code, 0, mended.all);
  });

  test('an identity is refused on a machine that is another one now, by run and by install', async () => {
    await inside.run(
      'postern connector stop; cp /etc/machine-id /root/; echo 0123456789abcdef0123456789abcdef > /etc/machine-id',
    );

    const refused = await inside.attempt(
      `setpriv --reuid postern-connector --clear-groups /opt/postern/current/bin/node /opt/postern/current/program/dist/connector.js run --data ${dataDir}`,
    );
    const again = await inside.attempt('postern connector install');
    await inside.run('cp /root/machine-id /etc/machine-id; postern connector start');

    assert.equal(refused.code, 78);
    assert.match(refused.all, /registered on another machine/);
    assert.equal(again.code, 1);
    assert.match(again.all, /registered on another machine.*\n.*"postern connector register"/);
  });

  test('uninstalling with --keep-identity leaves what makes the machine the same connector again', async () => {
    const { connectorId } = await statusOf(inside);

    const said = await inside.run('postern connector uninstall --keep-identity');
    const gone = await Promise.all(
      ['/opt/postern', `/etc/systemd/system/${connectorUnit}`].map(file => inside.attempt(`test -e ${file}`)),
    );
    const installed = await inside.attempt('postern connector install --json');

    assert.match(said, new RegExp(`${dataDir} and user postern-connector stay`));
    assert.deepEqual(
      gone.map(({ code }) => code),
      [1, 1],
    );
    assert.equal(installed.code, 0, installed.all);
    assert.equal((await statusOf(inside)).connectorId, connectorId);
    assert.doesNotMatch(installed.output, /"name":"identity","changed":true/);
  });

  test('uninstalling leaves nothing on the machine, and revokes the connector', async () => {
    const said = await inside.run('postern connector uninstall');

    assert.match(said, /revoked at connect\./);
    for (const gone of [dataDir, '/opt/postern', `/etc/systemd/system/${connectorUnit}`]) {
      assert.notEqual((await inside.attempt(`test -e ${gone}`)).code, 0, gone);
    }
    assert.notEqual((await inside.attempt('id postern-connector')).code, 0);
    assert.match(await outside.run('postern connector list --json'), /"revokedDateTime": ?"/);
  });

  test('an image has the connector installed and unregistered; a machine made from it becomes one of its own', async () => {
    const image = await inside.attempt('postern connector install --no-register');
    const status = await inside.attempt('postern connector status');
    await inside.run(`systemctl start ${connectorUnit}`);
    const failed = await inside.attempt(`systemctl is-failed ${connectorUnit}`);
    await inside.run('echo fedcba9876543210fedcba9876543210 > /etc/machine-id');
    const token = await makeEnrolmentToken(outside);
    const clone = await inside.attempt('postern connector install --json --token-file -', token);

    assert.equal(image.code, 0, image.all);
    assert.match(image.all, /Not registered yet, and therefore not started/);
    assert.equal(status.code, notConnected);
    assert.match(status.output, /^State +not registered$/m);
    assert.match(status.output, /^Unit +installed, enabled, inactive \(dead\), as postern-connector$/m);
    assert.equal(failed.output, 'inactive\n');
    assert.equal(clone.code, 0, clone.all);
    assert.match(clone.output, /"state":"connected"/);
  });

  /** What the page behind the link of the set-up says of a password. @throws Error where the link is used up. */
  function choosePassword(chosen: string): string {
    const secret = new URL(setUpLink).searchParams.get('secret');
    const form = [`secret=${secret}`, `newPassword=${chosen}`, `again=${chosen}`];
    const origin = `https://login.${domain}`;
    return curl(
      ...['--retry', '5', '--retry-connrefused', '-H', `Origin: ${origin}`],
      ...form.flatMap(field => ['--data-urlencode', field]),
      `${origin}/set-up`,
    );
  }

  /** Somebody who asks for the private site all the time. */
  function wikiClient(): RestlessClient {
    return new RestlessClient(inside.name, `https://wiki.${domain}/`, serviceAddress, {
      caFile: authority,
      answer: /^200 private$/,
    });
  }

  /** As the administrator, at the service's own machine. */
  async function makeEnrolmentToken(machine: SystemdMachine): Promise<string> {
    const ca = '/var/lib/postern/certificates/local-ca.pem';
    await machine.run(
      `postern login --service ${domain} --user admin@${domain} --password-stdin --ca-file ${ca}`,
      `${password}\n`,
    );
    const made = await machine.run('postern connector enrolment-token create --json');
    return /postern_enrolment_[\w.-]+/.exec(made)?.[0] ?? '';
  }

  function curl(...parameters: string[]): string {
    const names = Object.entries(hosts).flatMap(([host, address]) => ['--resolve', `${host}:443:${address}`]);
    const options = ['-sS', '--fail-with-body', '--cacert', authority, ...names];
    return inNetworkOf(outside, 'curl', ...options, ...parameters);
  }
});

/** A copy of the installed command line whose connector calls itself another version. */
function makeOtherVersion({ root }: SystemdMachine): { readonly version: string; readonly program: string } {
  const from = path.join(root, 'usr/local/lib/node_modules/@postern/cli');
  const to = path.join(root, 'root/other-version');
  cpSync(from, to, { recursive: true });
  const manifest = readFileSync(path.join(to, 'package.json'), 'utf8');
  const { version: present } = JSON.parse(manifest) as { version: string };
  const version = `${present}9`;
  for (const name of readdirSync(path.join(to, 'dist')).filter(file => file.endsWith('.js'))) {
    const file = path.join(to, 'dist', name);
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replaceAll(`version: "${present}"`, `version: "${version}"`),
    );
  }
  return { version, program: '/usr/local/bin/node /root/other-version/bin/postern.mjs' };
}

async function statusOf(machine: SystemdMachine): Promise<{ readonly connectorId: string }> {
  return JSON.parse((await machine.attempt('postern connector status --json')).output) as {
    connectorId: string;
  };
}

/** Runs a program of this host in a machine's network. */
function inNetworkOf(machine: SystemdMachine, ...command: string[]): string {
  return execFileSync('ip', ['netns', 'exec', machine.name, ...command], { encoding: 'utf8' });
}

async function userOf(machine: SystemdMachine, unit: string): Promise<string> {
  const processId = (await machine.run(`systemctl show --value -p MainPID ${unit}`)).trim();
  return (await machine.run(`stat -c %U /proc/${processId}`)).trim();
}

/** systemd finds nothing wrong with a unit, and little that it could do without. */
async function assertSound(machine: SystemdMachine, unit: string): Promise<void> {
  const file = `/etc/systemd/system/${unit}`;
  const verified = await machine.attempt(`systemd-analyze verify --man=no ${file}`);
  assert.deepEqual([verified.code, verified.all], [0, '']);
  if (unit.endsWith('.socket')) return;
  const judged = await machine.run(`systemd-analyze security --offline=true --no-pager ${file}`);
  const exposure = /exposure level for \S+: (\d+\.\d+)/.exec(judged)?.[1];
  assert.ok(Number(exposure) <= mostExposure, judged);
}
