/**
 * The Containerfiles and docs/containers.md, without an engine: everything that they copy is in the packages, and their own
 * commands do all of their work as a user without rights, on a root file system that is read-only.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { buildPackages } from '../../scripts/build.ts';
import { makeCertificateFiles } from '../testbed/certificate-files.ts';
import { Container, readContainerfile } from '../testbed/container.ts';
import { Machine, type Started } from '../testbed/machine.ts';

const root = path.resolve(import.meta.dirname, '../..');
const domain = 'access.example.com';
const page = readFileSync(path.join(root, 'docs/containers.md'), 'utf8');
const files = {
  service: readContainerfile(path.join(root, 'containers/Containerfile.service')),
  connector: readContainerfile(path.join(root, 'containers/Containerfile.connector')),
};
const password = 'four words make sense';
const postern = `node ${path.join(root, 'packages/cli/src/main.ts')}`;

interface Compose {
  readonly services: Readonly<Record<'service' | 'connector', ComposeService>>;
}

interface ComposeService {
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly build: { readonly context: string; readonly dockerfile: string };
  readonly ports?: readonly string[];
  readonly volumes: readonly string[];
}

describe('containers', { timeout: 600_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-containers-'));
  const context = path.join(folder, 'dist');
  const authority = path.join(folder, 'ca.pem');
  const hosts = Object.fromEntries(
    ['login', 'portal', 'connect', 'portcheck', 'wiki'].map(name => [`${name}.${domain}`, '127.0.0.1']),
  );
  const host = new Machine({
    ...{ parent: folder, name: `po${process.pid}c`, hosts, authorityFile: authority },
  });
  /** Ends what was started. */
  const endings: (() => unknown)[] = [];

  before(async () => {
    await buildPackages(context);
    host.make();
    makeCertificates(folder);
  });

  after(async () => {
    for (const end of endings.reverse()) await end();
    host.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test('have everything that they copy in the packages, and nothing but that', () => {
    for (const file of Object.values(files)) {
      for (const { from } of file.copies)
        assert.ok(existsSync(path.join(context, from, 'package.json')), from);
      for (const { to } of file.copies) assert.match(to, /^\/opt\/postern\/node_modules\/@postern\/[a-z]+$/);
      const [program = ''] = file.entrypoint;
      const link = file.runs.find(run => run.endsWith(` /usr/local/bin/${program}`));
      const target = link?.split(' ').at(-2) ?? '';
      const copied = file.copies.find(({ to }) => target.startsWith(`${to}/`));
      assert.ok(existsSync(path.join(context, copied?.from ?? '', target.slice(copied?.to.length))), link);
    }
  });

  test('are described as they are: user, volumes, ports, and an example that takes every right away', () => {
    const example = /```yaml\n(services:[\s\S]*?)```/.exec(page)?.[1] ?? '';
    const { services }: Compose = parse(example);
    assert.equal(readFileSync(path.join(root, 'containers/compose.yaml'), 'utf8'), example);
    for (const name of ['service', 'connector'] as const) {
      const [service, file] = [services[name], files[name]];
      assert.match(file.user, /^[1-9]\d+:[1-9]\d+$/);
      assert.ok(page.includes(file.user));
      assert.equal(service.read_only, true);
      assert.deepEqual(service.cap_drop, ['ALL']);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true']);
      assert.equal(service.build.context, '../dist');
      assert.ok(existsSync(path.join(root, 'containers', service.build.context, service.build.dockerfile)));
      const mounted = service.volumes.filter(text => !text.startsWith('./')).map(text => text.split(':')[1]);
      assert.deepEqual(mounted, file.volumes);
      for (const volume of file.volumes) assert.ok(page.includes(`| \`${volume}\` |`), volume);
      const published = service.ports?.map(text => Number(text.split(':')[1])) ?? [];
      assert.deepEqual(published, file.ports);
      for (const value of Object.keys(file.environment))
        assert.doesNotMatch(value, /TOKEN|PASSWORD|SECRET|KEY/);
    }
  });

  test('serve an application without root on a read-only file system, and stop when they are told to', async () => {
    const shared = {
      ...{ context, network: host.name, hosts: readFileSync(path.join(host.folder, 'hosts'), 'utf8') },
      environment: { NODE_EXTRA_CA_CERTS: '/trusted/ca.pem' },
    };
    const tokenFile = path.join(folder, 'enrolment-token');
    writeFileSync(tokenFile, '');
    const service = new Container({
      ...{ ...shared, file: files.service, folder: path.join(folder, 'service') },
      readOnly: { '/etc/postern-tls': path.join(folder, 'tls'), '/trusted/ca.pem': authority },
    });
    const connector = new Container({
      ...{ ...shared, file: files.connector, folder: path.join(folder, 'connector') },
      readOnly: { '/run/secrets/enrolment-token': tokenFile, '/trusted/ca.pem': authority },
    });
    // What stands for the engine's published ports.
    const ports = `for (const [from, to] of [[443, 8443], [80, 8080]]) require('net').createServer(a => { const b = require('net').connect(to, '127.0.0.1'); a.pipe(b).pipe(a); a.on('error', () => b.destroy()); b.on('error', () => a.destroy()); }).listen(from, () => console.log('forwarding'))`;
    await startOnHost(`node -e "${ports}"`, 'forwarding');
    await startOnHost(
      `node -e "require('http').createServer((q, s) => s.end('from a container')).listen(8000, '127.0.0.1', () => console.log('listening'))"`,
      'listening',
    );

    for (const container of [service, connector]) {
      const look =
        'id -u; for place in / /etc /opt /tmp /usr/local/bin; do touch $place/x && echo wrote; done; true';
      assert.equal(await container.run(['-c', look], ['sh']), '10001\n');
    }

    const setUp = await service.run(argumentsOf('service init'));
    const serving = startContainer(service);
    await serving.until('service ready');
    service.checkHealth(serving);
    await choosePassword(setUp);

    await host.run(
      `sh -c 'echo "${password}" | ${postern} login --service ${domain} --user admin@${domain} --password-stdin'`,
    );
    const made = await host.run(`${postern} connector enrolment-token create --json`);
    writeFileSync(tokenFile, JSON.parse(made).token);
    await connector.run(argumentsOf('connector register'));
    const connecting = startContainer(connector);
    await connecting.until('tunnel_connected');
    connector.checkHealth(connecting);

    await host.run(
      `${postern} app publish Wiki --internal-url http://127.0.0.1:8000/ --external-url https://wiki.${domain}/ --passthrough`,
    );
    assert.equal(await host.run(`curl -sS --fail https://wiki.${domain}/`), 'from a container');

    assert.equal(await connector.stop(connecting), 0, connecting.said.all);
    assert.equal(await service.stop(serving), 0, serving.said.all);
    // A container is thrown away and made anew; what is in the volumes is all of it.
    for (const [container, text] of [
      [service, 'service ready'],
      [connector, 'tunnel_connected'],
    ] as const) {
      await startContainer(container).until(text);
    }
    assert.equal(await host.run(`curl -sS --fail https://wiki.${domain}/`), 'from a container');
    assert.deepEqual(readdirSync(path.join(folder, 'service/root/tmp')), []);
  });

  function startContainer(container: Container): Started {
    const started = container.start();
    endings.push(() => container.kill(started));
    return started;
  }

  async function startOnHost(command: string, text: string): Promise<void> {
    const started = host.start(command);
    endings.push(() => started.child.kill());
    await started.until(text);
  }

  async function choosePassword(setUp: string): Promise<void> {
    const link = new URL(/https:\S+set-up\S+/.exec(setUp)?.[0] ?? '');
    const fields = `--data-urlencode secret=${link.searchParams.get('secret')} --data-urlencode 'newPassword=${password}' --data-urlencode 'again=${password}'`;
    const saved = await host.run(
      `curl -sS --fail-with-body ${fields} -H 'Origin: https://login.${domain}' https://login.${domain}/set-up`,
    );
    assert.match(saved, /Password saved/);
  }
});

/** What docs/containers.md gives to a container that runs once, such as `service init`. */
function argumentsOf(start: string): string[] {
  const line = new RegExp(`^docker compose run --rm ${start}\\b.*$`, 'm').exec(page)?.[0] ?? '';
  return line.split(' ').slice(5);
}

function makeCertificates(folder: string): void {
  const tls = path.join(folder, 'tls');
  makeCertificateFiles(folder, tls, domain);
  execFileSync('chown', ['10001', path.join(tls, 'access.key')]);
}
