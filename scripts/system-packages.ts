import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** A program or file of the operating system that the tests need, and the Debian package that brings it. */
interface Need {
  readonly found: string;
  readonly debianPackage: string;
  readonly purpose: string;
}

const needs: readonly Need[] = [
  { found: 'chromium', debianPackage: 'chromium', purpose: 'the browser of the system tests' },
  { found: 'certutil', debianPackage: 'libnss3-tools', purpose: 'lets that browser trust a CA for real' },
  {
    found: 'nginx',
    debianPackage: 'nginx',
    purpose: 'a backend that none of us wrote, and the baseline of the bench',
  },
  { found: 'wrk', debianPackage: 'wrk', purpose: 'load over HTTP/1.1' },
  { found: 'h2load', debianPackage: 'nghttp2-client', purpose: 'load over HTTP/2' },
  {
    found: 'websockify',
    debianPackage: 'websockify',
    purpose: 'a WebSocket application that none of us wrote',
  },
  { found: '/usr/share/novnc/vnc.html', debianPackage: 'novnc', purpose: 'the pages of that application' },
  { found: 'sshd', debianPackage: 'openssh-server', purpose: 'the ssh -R baseline of the bench' },
  { found: 'ssh', debianPackage: 'openssh-client', purpose: 'the ssh -R baseline of the bench' },
  { found: 'squid', debianPackage: 'squid', purpose: 'an outbound proxy that none of us wrote' },
  { found: 'ip', debianPackage: 'iproute2', purpose: 'network namespaces' },
  { found: 'openssl', debianPackage: 'openssl', purpose: 'a second opinion on certificates' },
  { found: 'curl', debianPackage: 'curl', purpose: 'a client that none of us wrote' },
  {
    found: 'systemd-analyze',
    debianPackage: 'systemd',
    purpose: 'checks the units of `postern service install`',
  },
  { found: 'systemd-nspawn', debianPackage: 'systemd-container', purpose: 'boots machines with systemd' },
  { found: 'debootstrap', debianPackage: 'debootstrap', purpose: 'lays down the disks of those machines' },
  { found: 'nft', debianPackage: 'nftables', purpose: 'the firewall of the lab' },
  { found: 'mitmdump', debianPackage: 'mitmproxy', purpose: 'the TLS inspector of the lab' },
  { found: 'pebble', debianPackage: 'pebble', purpose: 'an ACME server that none of us wrote' },
  { found: 'strace', debianPackage: 'strace', purpose: 'disks that fail' },
  { found: 'faketime', debianPackage: 'faketime', purpose: 'clocks that are wrong' },
  { found: 'git', debianPackage: 'git', purpose: 'an application and its client' },
  {
    found: '/usr/lib/cgit/cgit.cgi',
    debianPackage: 'cgit',
    purpose: 'an application: pages with absolute addresses',
  },
  { found: 'fcgiwrap', debianPackage: 'fcgiwrap', purpose: 'runs those two below nginx' },
  { found: 'apache2', debianPackage: 'apache2-bin', purpose: 'an application: WebDAV, large uploads' },
  {
    found: 'radicale',
    debianPackage: 'radicale',
    purpose: 'an application: calendars, Basic authentication',
  },
  {
    found: 'fossil',
    debianPackage: 'fossil',
    purpose: 'an application: addresses from Host, cookies of its own',
  },
  { found: 'monit', debianPackage: 'monit', purpose: 'an application: Basic authentication and forms' },
  {
    found: 'transmission-daemon',
    debianPackage: 'transmission-daemon',
    purpose: 'an application of a single page',
  },
  { found: 'rclone', debianPackage: 'rclone', purpose: 'a WebDAV client' },
  { found: 'aria2c', debianPackage: 'aria2', purpose: 'an application: orders over a WebSocket' },
  { found: 'shellinaboxd', debianPackage: 'shellinabox', purpose: 'an application: a terminal' },
  {
    found: '/usr/lib/nginx/modules/ngx_nchan_module.so',
    debianPackage: 'libnginx-mod-nchan',
    purpose: 'an application: server-sent events',
  },
];

/**
 * Installs the Debian packages that are missing, where this is Debian (or a child of it) and we are root.
 *
 * @throws Error that names every missing program and its package, where they cannot be installed.
 */
export function installSystemPackages(): void {
  const missing = needs.filter(need => !isPresent(need));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(need => need.debianPackage))];
  if (!isDebian() || process.getuid?.() !== 0) throw new Error(explain(missing, packages));

  process.stdout.write(`Installing ${packages.join(', ')} …\n`);
  withoutStartingDaemons(() => {
    apt(['update', '-qq']);
    apt(['install', '-y', '-qq', '--no-install-recommends', ...packages]);
  });
  const still = needs.filter(need => !isPresent(need));
  if (still.length > 0) throw new Error(explain(still, packages));
}

function isPresent({ found }: Need): boolean {
  if (path.isAbsolute(found)) return existsSync(found);
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/sbin'];
  return folders.some(folder => existsSync(path.join(folder, found)));
}

function isDebian(): boolean {
  if (!existsSync('/etc/os-release') || !existsSync('/usr/bin/apt-get')) return false;
  return /^ID(_LIKE)?=.*debian/m.test(readFileSync('/etc/os-release', 'utf8'));
}

function explain(missing: readonly Need[], packages: readonly string[]): string {
  const lines = missing.map(
    need => `  ${need.found.padEnd(28)} ${need.purpose} (Debian package ${need.debianPackage})`,
  );
  const remedy = isDebian()
    ? `Run this as root: apt-get update && apt-get install ${packages.join(' ')}`
    : 'Install them with this system’s package manager, or run the tests on Debian 12 as root, where they are installed by themselves.';
  return `The tests need programs that are missing:\n${lines.join('\n')}\n${remedy}`;
}

// Debian starts a daemon when its package is installed; an nginx on port 80 would stand in the way of the tests.
function withoutStartingDaemons(act: () => void): void {
  const policy = '/usr/sbin/policy-rc.d';
  const made = !existsSync(policy);
  if (made) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    act();
  } finally {
    if (made) rmSync(policy);
  }
}

function apt(parameters: readonly string[]): void {
  const result = spawnSync('apt-get', parameters, {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (result.status === 0) return;
  const tail = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-5).join('\n');
  throw new Error(
    `apt-get ${parameters[0]} failed. Look at its last words, make the package sources reachable and run this again.\n${tail}`,
  );
}
