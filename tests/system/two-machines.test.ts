/**
 * The README's set-up on two machines, followed word for word: each command is taken from its text. A machine is a
 * network namespace with folders of its own in the places that the commands write to.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeCertificateFiles } from '../testbed/certificate-files.ts';
import { ip, Machine } from '../testbed/machine.ts';

const root = path.resolve(import.meta.dirname, '../..');
const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const domain = 'access.example.com';
const serviceAddress = '203.0.113.10';
const connectorAddress = '203.0.113.20';
const backendAddress = '10.0.0.5';
const password = 'four words make sense';

/** The commands of one section of the README. */
function commandsOf(heading: string): string[] {
  const section = readme.slice(readme.indexOf(`### ${heading}`));
  const block = /```sh\n([\s\S]*?)```/.exec(section)?.[1] ?? '';
  return block.trim().split('\n');
}

describe('the two machines of the README', { timeout: 900_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-two-machines-'));
  const suffix = String(process.pid);
  const authority = path.join(folder, 'ca.pem');
  const running: ChildProcess[] = [];
  const hosts = Object.fromEntries(
    ['login', 'portal', 'connect', 'wiki'].map(name => [`${name}.${domain}`, serviceAddress]),
  );
  const parts = { parent: folder, hosts, authorityFile: authority };
  const outside = new Machine({ ...parts, name: `po${suffix}a` });
  const inside = new Machine({ ...parts, name: `po${suffix}b` });

  before(() => {
    for (const machine of [outside, inside]) machine.make();
    connect(outside, inside);
    makeCertificateFiles(folder, path.join(outside.folder, '/etc/postern/tls'), domain);
  });

  after(async () => {
    for (const child of running.reverse()) {
      await endOf(child);
    }
    for (const machine of [outside, inside]) machine.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test('serve an application of the private network to a signed-in person', async () => {
    // 1. Make the packages.
    for (const command of commandsOf('1. Make the packages'))
      execFileSync('sh', ['-c', command], { cwd: root, stdio: 'pipe' });
    for (const tarball of readdirSync(path.join(root, 'dist')).filter(name => name.endsWith('.tgz'))) {
      for (const machine of [outside, inside])
        copyFileSync(path.join(root, 'dist', tarball), path.join(machine.home, tarball));
    }

    // 2. The service. Here is no systemd; the README names `postern serve` for that case.
    const [install, init, service] = commandsOf('2. The service');
    await outside.run(install);
    const setUp = await outside.run(init);
    assert.equal(service, 'postern service install');
    const serving = outside.start('postern serve');
    running.push(serving.child);
    await serving.until('service ready');
    const link = /https:\S+set-up\S+/.exec(setUp)?.[0] ?? '';
    const saved = await outside.run(
      `curl -sS --fail-with-body --data-urlencode secret=${new URL(link).searchParams.get('secret')} --data-urlencode 'newPassword=${password}' --data-urlencode 'again=${password}' -H 'Origin: https://login.${domain}' https://login.${domain}/set-up`,
    );
    assert.match(saved, /Password saved/);

    // 3. The connector.
    const [installCommandLine, login, register, runConnector] = commandsOf('3. The connector');
    await inside.run(installCommandLine);
    await inside.runAtTerminal(login, 'Password', password);
    await inside.run(register);
    const connector = inside.start(runConnector);
    running.push(connector.child);
    await connector.until('tunnel_connected');
    // Outbound only: nothing on this machine waits for anybody.
    assert.equal(await inside.run('ss -Hltu'), '');

    // 4. An application.
    const backend = inside.start(
      `node -e "require('http').createServer((q, s) => s.end('for ' + q.headers['x-forwarded-user'] + ', from the private network\\n')).listen(8080, '${backendAddress}', () => console.log('listening'))"`,
    );
    running.push(backend.child);
    await backend.until('listening');
    for (const command of commandsOf('4. An application')) await inside.run(command);

    const page = await signIn(outside, `https://wiki.${domain}/`);
    assert.equal(page, `for admin@${domain}, from the private network\n`);
    assert.equal(await outside.run(`curl -sS -o /dev/null -w '%{http_code}' https://wiki.${domain}/`), '401');
    // Nothing of the private network can be reached from outside.
    await assert.rejects(outside.run(`curl -sS --connect-timeout 3 http://${backendAddress}:8080/`));

    // The service's machine is lost; a backup of it comes back on a blank one, and the connector finds it by itself.
    const isThere = `for admin@${domain}, from the private network\n`;
    await outside.run(
      `sh -c 'echo "${password}" > passphrase && postern backup lost.backup --passphrase-file passphrase'`,
    );
    await endOf(serving.child);
    await outside.run('find /etc/postern /var/lib/postern -mindepth 1 -delete');
    await outside.run('postern restore lost.backup --passphrase-file passphrase');
    const restored = outside.start('postern serve');
    running.push(restored.child);
    await restored.until('tunnel up');
    await outside.run('rm -f jar');
    assert.equal(await signIn(outside, `https://wiki.${domain}/`), isThere);
  });
});

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

/** A browser as far as curl is one: follows redirects with a cookie jar, fills in the sign-in form. */
async function signIn(machine: Machine, url: string): Promise<string> {
  const browser = `curl -sSL --max-redirs 10 -c jar -b jar -H 'Accept: text/html'`;
  const page = await machine.run(`${browser} -w '\\n%{url_effective}' ${url}`);
  const at = page.slice(page.lastIndexOf('\n') + 1);
  const action = /<form method="post" action="([^"]+)"/.exec(page)?.[1].replaceAll('&amp;', '&');
  assert.ok(action, page);
  return machine.run(
    `${browser} -H 'Origin: https://login.${domain}' --data-urlencode username=admin@${domain} --data-urlencode 'password=${password}' '${new URL(action, at)}'`,
  );
}

function connect(outside: Machine, inside: Machine): void {
  ip('-n', outside.name, 'link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'wan', 'netns', inside.name);
  ip('-n', outside.name, 'address', 'add', `${serviceAddress}/24`, 'dev', 'wan');
  ip('-n', inside.name, 'address', 'add', `${connectorAddress}/24`, 'dev', 'wan');
  ip('-n', inside.name, 'address', 'add', `${backendAddress}/32`, 'dev', 'lo');
  for (const machine of [outside, inside]) ip('-n', machine.name, 'link', 'set', 'wan', 'up');
}
