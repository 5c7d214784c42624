import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Program, type Workplace } from '../programs.ts';

/** Addresses of the two ends, out of the range that RFC 2544 reserves for measurements. */
export const nearAddress = '198.18.77.1';
export const farAddress = '198.18.77.2';
const subnet = '198.18.77.0/24';

export interface LongLink {
  /** What a program is started through in the near namespace, where the names given are those of the near address. */
  readonly near: readonly string[];
  /** The same in the far namespace. */
  readonly far: readonly string[];
}

export interface LongLinkOptions {
  readonly roundTripMs: number;
  /** What the link carries each way, in bytes a second; absent: as much as the machine can. */
  readonly bytesPerSecond?: number;
  /** Names of the near address, at both ends. */
  readonly hosts: readonly string[];
}

/**
 * Two network namespaces and a link between them that delays every packet. Neither has another way out; nothing
 * for the link's subnet leaves this machine, whatever goes wrong. Needs root, a C compiler and /dev/net/tun.
 */
export async function openLongLink(workplace: Workplace, options: LongLinkOptions): Promise<LongLink> {
  const names = ['near', 'far'].map(end => `postern-bench-${process.pid}-${end}`);
  // The blackholes come first: between here and the devices' addresses the subnet leads nowhere.
  await workplace.run(['ip', 'route', 'add', 'blackhole', subnet]);
  workplace.onEnd(() => undo(['ip', 'route', 'del', 'blackhole', subnet]));
  for (const name of names) {
    await workplace.run(['ip', 'netns', 'add', name]);
    workplace.onEnd(() => undo(['ip', 'netns', 'del', name]));
    await workplace.run(['ip', 'netns', 'exec', name, 'ip', 'route', 'add', 'blackhole', subnet]);
    await workplace.run(['ip', 'netns', 'exec', name, 'ip', 'link', 'set', 'lo', 'up']);
    await widenBuffers(workplace, name);
  }
  const program = path.join(workplace.folder, 'forward');
  await workplace.run(['cc', '-O2', '-o', program, path.join(import.meta.dirname, 'forward.c'), '-lpthread']);
  const forwarder = startForwarder(workplace, program, names, options);
  await forwarder.untilOutput('ready');
  await configure(workplace, names[0]!, nearAddress, farAddress);
  await configure(workplace, names[1]!, farAddress, nearAddress);

  const hosts = path.join(workplace.folder, 'link-hosts');
  writeFileSync(hosts, `127.0.0.1 localhost\n${nearAddress} ${options.hosts.join(' ')}\n`);
  const through = (name: string) => [
    ...['ip', 'netns', 'exec', name, 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', hosts],
  ];
  return { near: through(names[0]!), far: through(names[1]!) };
}

const device = 'long0';

function startForwarder(
  workplace: Workplace,
  program: string,
  names: readonly string[],
  { roundTripMs, bytesPerSecond = 0 }: LongLinkOptions,
): Program {
  const files = names.map(name => `/run/netns/${name}`);
  // It ends with its input, and so with us, however we end.
  const numbers = [(roundTripMs / 2) * 1000, bytesPerSecond].map(String);
  return workplace.start([program, ...files, device, ...numbers], { input: 'pipe' });
}

async function configure(workplace: Workplace, name: string, own: string, other: string): Promise<void> {
  // Its queue holds a burst until the forwarder's turn comes: the link is to be long, not lossy.
  await workplace.run([
    'ip',
    'netns',
    'exec',
    name,
    'ip',
    'link',
    'set',
    device,
    'mtu',
    '9000',
    'txqueuelen',
    '20000',
    'up',
  ]);
  await workplace.run([
    'ip',
    'netns',
    'exec',
    name,
    'ip',
    'address',
    'add',
    own,
    'peer',
    other,
    'dev',
    device,
  ]);
}

// What TCP may buffer for one connection: bandwidth × delay of this link is far above the usual 4 to 6 MB.
async function widenBuffers(workplace: Workplace, name: string): Promise<void> {
  for (const [file, value] of [
    ['tcp_rmem', '4096 131072 134217728'],
    ['tcp_wmem', '4096 65536 134217728'],
    // What one connection learned about the link is not to help the next one.
    ['tcp_no_metrics_save', '1'],
  ] as const) {
    await workplace.run([
      'ip',
      'netns',
      'exec',
      name,
      'sh',
      '-c',
      `echo "${value}" > /proc/sys/net/ipv4/${file}`,
    ]);
  }
}

// Not by the workplace, which starts nothing any more when it is ending.
async function undo(command: readonly string[]): Promise<void> {
  await new Program(command, 'ignore').completed().catch(() => {});
}
