import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ip } from '../testbed/machine.ts';

/** Where everything is. The private network's addresses, and one out of the range that RFC 2544 keeps for tests. */
export const addresses = {
  connector: '10.91.0.2',
  /** The firewall's inner side, where proxies and the name server listen. */
  gateway: '10.91.0.1',
  firewall: '198.18.91.1',
  service: '198.18.91.10',
} as const;
const privateNetwork = '10.91.0.0/24';
const internet = '198.18.91.0/24';
const subnets = [privateNetwork, internet];

export const domain = 'lab.test';
const names = ['connect', 'login', 'portal', 'portcheck', 'app'].map(name => `${name}.${domain}`);

/** Names of the three namespaces and the folder that they share; handed on as JSON to whoever works inside. */
export interface LabNetwork {
  readonly privateNetwork: string;
  readonly firewall: string;
  readonly internet: string;
  readonly folder: string;
}

/**
 * A private network, a firewall that routes, and an internet with nothing but the service in it. No namespace has a
 * default route, and each has a blackhole for the lab's subnets, as this machine has: whatever a fault takes away,
 * nothing leaves the lab. Needs root.
 *
 * @param index Of the labs that this process lays side by side, each in namespaces of its own. To be put away in reverse
 *   order: the first has laid this machine's own blackholes.
 */
export function openNetwork(index = 0): LabNetwork & Disposable {
  const prefix = `lab${process.pid}${String.fromCharCode(97 + index)}`;
  const undo: (() => void)[] = [];
  const network: LabNetwork & Disposable = {
    privateNetwork: `${prefix}p`,
    firewall: `${prefix}f`,
    internet: `${prefix}i`,
    folder: mkdtempSync(path.join(tmpdir(), 'postern-lab-')),
    [Symbol.dispose]() {
      for (const step of undo.reverse()) step();
    },
  };
  undo.push(() => rmSync(network.folder, { recursive: true, force: true }));
  try {
    lay(network, undo);
  } catch (error) {
    network[Symbol.dispose]();
    throw error;
  }
  return network;
}

function lay(network: LabNetwork, undo: (() => void)[]): void {
  for (const subnet of subnets) {
    // A lab that was killed has left it behind, and there it does no harm.
    if (ip('route', 'show', 'type', 'blackhole', 'exact', subnet) !== '') continue;
    ip('route', 'add', 'blackhole', subnet);
    undo.push(() => ip('route', 'del', 'blackhole', subnet));
  }
  const { privateNetwork: inside, firewall, internet: outside, folder } = network;
  for (const name of [inside, firewall, outside]) {
    ip('netns', 'add', name);
    undo.push(() => ip('netns', 'del', name));
    for (const subnet of subnets) ip('-n', name, 'route', 'add', 'blackhole', subnet, 'metric', '4000');
    ip('-n', name, 'link', 'set', 'lo', 'up');
  }
  ip('link', 'add', 'lan0', 'netns', inside, 'type', 'veth', 'peer', 'name', 'lan0', 'netns', firewall);
  ip('link', 'add', 'wan0', 'netns', firewall, 'type', 'veth', 'peer', 'name', 'wan0', 'netns', outside);
  connect(inside, 'lan0', `${addresses.connector}/24`);
  connect(firewall, 'lan0', `${addresses.gateway}/24`);
  connect(firewall, 'wan0', `${addresses.firewall}/24`);
  connect(outside, 'wan0', `${addresses.service}/24`);
  ip('-n', inside, 'route', 'add', internet, 'via', addresses.gateway);
  ip('-n', outside, 'route', 'add', privateNetwork, 'via', addresses.firewall);
  inNamespace(firewall, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');

  mkdirSync(path.join(folder, 'etc'));
  writeHosts(network, names);
  writeFileSync(path.join(folder, 'etc/resolv.conf'), 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
}

function connect(namespace: string, device: string, address: string): void {
  ip('-n', namespace, 'address', 'add', address, 'dev', device);
  ip('-n', namespace, 'link', 'set', device, 'up');
}

/** Says which of the service's names the machines of the lab find in their `/etc/hosts`. */
export function writeHosts({ folder }: LabNetwork, known: readonly string[] = names): void {
  const lines = ['127.0.0.1 localhost', ...known.map(name => `${addresses.service} ${name}`)];
  // Written in place: the file is mounted over /etc/hosts of programs that run.
  writeFileSync(path.join(folder, 'etc/hosts'), `${lines.join('\n')}\n`);
}

/** Says where the machines of the lab ask for names. */
export function writeResolver({ folder }: LabNetwork, nameServer: string): void {
  const text = `nameserver ${nameServer}\noptions timeout:1 attempts:1\n`;
  writeFileSync(path.join(folder, 'etc/resolv.conf'), text);
}

/** What a program is started through in a namespace, with the lab's names. */
export function through({ folder }: LabNetwork, namespace: string): string[] {
  const mounts = ['hosts', 'resolv.conf'].map(file => `mount --bind '${folder}/etc/${file}' /etc/${file}`);
  return ['ip', 'netns', 'exec', namespace, 'sh', '-c', `${mounts.join(' && ')} && exec "$0" "$@"`];
}

/** Runs a program of the system in a namespace to its end. */
export function inNamespace(namespace: string, ...command: string[]): string {
  return execFileSync('ip', ['netns', 'exec', namespace, ...command], { encoding: 'utf8', stdio: 'pipe' });
}
