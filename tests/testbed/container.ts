import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { follow, type Started } from './machine.ts';

/** What a Containerfile says, as far as ours use the language. */
export interface Containerfile {
  readonly copies: readonly { readonly from: string; readonly to: string }[];
  readonly runs: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** As it is written: user and group. */
  readonly user: string;
  readonly volumes: readonly string[];
  readonly ports: readonly number[];
  readonly stopSignal: NodeJS.Signals;
  readonly healthCommand: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

/** Reads a Containerfile. @throws Error for an instruction that none of ours may have, such as ADD. */
export function readContainerfile(file: string): Containerfile {
  const instructions = readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => /^([A-Z]+) (.*)$/.exec(line)?.slice(1) as [string, string]);
  const known = 'ARG FROM LABEL COPY RUN ENV USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD'.split(
    ' ',
  );
  const stranger = instructions.find(([name]) => !known.includes(name));
  if (stranger !== undefined) throw new Error(`${file}: ${stranger.join(' ')}`);
  const all = (name: string) => instructions.filter(each => each[0] === name).map(each => each[1]);
  const one = (name: string) => all(name)[0] ?? '';
  return {
    copies: all('COPY').map(text => {
      const [from = '', to = ''] = text.split(' ');
      return { from, to };
    }),
    runs: all('RUN'),
    environment: Object.fromEntries(
      all('ENV').map(text => [
        text.slice(0, text.indexOf('=')),
        text.replace(/^[^=]*=/, '').replaceAll('"', ''),
      ]),
    ),
    user: one('USER'),
    volumes: all('VOLUME'),
    ports: one('EXPOSE').split(' ').filter(Boolean).map(Number),
    stopSignal: one('STOPSIGNAL') as NodeJS.Signals,
    healthCommand: JSON.parse(one('HEALTHCHECK').replace(/^.*? CMD /, '')),
    entrypoint: JSON.parse(one('ENTRYPOINT')),
    command: JSON.parse(one('CMD')),
  };
}

export interface ContainerParts {
  readonly file: Containerfile;
  /** Folder that COPY takes from. */
  readonly context: string;
  /** Folder for the root file system and the volumes; it has to be empty. */
  readonly folder: string;
  /** Network namespace. */
  readonly network: string;
  /** Text of /etc/hosts. */
  readonly hosts: string;
  /** Files and folders of this machine to show read-only, by their place in the container. */
  readonly readOnly?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Runs a Containerfile as an engine would, as far as the program can tell: namespaces for mounts and processes, in which the
 * program is process 1, a root file system of its own that is read-only, the user of the file without one capability, and
 * its volumes as the only places to write to. In place of the base image are the programs of this machine and Node.
 */
export class Container {
  readonly #parts: ContainerParts;
  readonly #root: string;

  constructor(parts: ContainerParts) {
    this.#parts = parts;
    this.#root = path.join(parts.folder, 'root');
    for (const place of ['usr', 'etc', 'proc', 'dev', 'tmp', 'var/lib', 'opt', 'run'])
      mkdirSync(path.join(this.#root, place), { recursive: true });
    for (const { from, to } of parts.file.copies)
      cpSync(path.join(parts.context, from), path.join(this.#root, to), { recursive: true });
    writeFileSync(path.join(this.#root, 'etc/hosts'), parts.hosts);
  }

  /** Where a volume is on this machine. */
  volume(place: string): string {
    return path.join(this.#parts.folder, 'volumes', place.replaceAll('/', '_'));
  }

  /** Starts a container with this command in place of the file's. */
  start(
    command: readonly string[] = this.#parts.file.command,
    entrypoint = this.#parts.file.entrypoint,
  ): Started {
    const script = [
      ...this.#mounts(),
      `exec chroot '${this.#root}' ${this.#asUser([...entrypoint, ...command])}`,
    ];
    const child = spawn(
      'ip',
      // biome-ignore format: an argument after the other
      ['netns', 'exec', this.#parts.network, 'unshare', '--mount', '--pid', '--fork', 'sh', '-ec', script.join('\n')],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    return follow(child);
  }

  /** Runs a command in a container of its own to its end. @throws Error with everything that it said, where it fails. */
  async run(command: readonly string[], entrypoint?: readonly string[]): Promise<string> {
    const { child, said } = this.start(command, entrypoint);
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`${command.join(' ')}\nended with ${code}:\n${said.all}`);
    return said.output;
  }

  /** Runs the health check in a running container. @throws Error where it is not healthy. */
  checkHealth(running: Started): void {
    const enter = `nsenter --target ${processOne(running)} --mount --pid --net --root`;
    execFileSync('sh', ['-c', `${enter} ${this.#asUser(this.#parts.file.healthCommand)}`], { stdio: 'pipe' });
  }

  /** Stops a container by the signal of its file. @returns its exit code. */
  async stop(running: Started): Promise<number | null> {
    const ended = once(running.child, 'exit');
    process.kill(processOne(running), this.#parts.file.stopSignal);
    const [code] = await ended;
    return code;
  }

  /** Ends a container at once, with everything in it, and waits for that. */
  async kill(running: Started): Promise<void> {
    if (running.child.exitCode !== null || running.child.signalCode !== null) return;
    const ended = once(running.child, 'exit');
    process.kill(processOne(running), 'SIGKILL');
    await ended;
  }

  #mounts(): string[] {
    const { file, readOnly = {} } = this.#parts;
    const root = this.#root;
    const volumes = file.volumes.flatMap(place => {
      const folder = this.volume(place);
      mkdirSync(folder, { recursive: true });
      // An engine gives a volume that is new the owner and the mode of its place in the image.
      const like = `--reference='${root}${place}' '${folder}'`;
      return [`chown ${like}`, `chmod ${like}`, `mount --bind '${folder}' '${root}${place}'`];
    });
    const shown = Object.entries(readOnly).flatMap(([place, source]) => [
      ...[
        `mkdir -p "$(dirname '${root}${place}')"`,
        `[ -d '${source}' ] && mkdir -p '${root}${place}' || touch '${root}${place}'`,
      ],
      ...[`mount --bind '${source}' '${root}${place}'`, `mount -o remount,bind,ro '${root}${place}'`],
    ]);
    return [
      ...['umask 022', `mount --bind '${root}' '${root}'`, `mount --bind /usr '${root}/usr'`],
      ...['bin', 'sbin', 'lib', 'lib64'].map(name => `ln -sfn usr/${name} '${root}/${name}'`),
      ...[`mount -t tmpfs none '${root}/usr/local/bin'`, `touch '${root}/usr/local/bin/node'`],
      `mount --bind '${process.execPath}' '${root}/usr/local/bin/node'`,
      ...['null', 'zero', 'random', 'urandom'].flatMap(name => [
        ...[`touch '${root}/dev/${name}'`, `mount --bind /dev/${name} '${root}/dev/${name}'`],
      ]),
      ...[`mount -t proc proc '${root}/proc'`, ...file.runs.map(line => `chroot '${root}' ${line}`)],
      ...[...shown, `mount -o remount,bind,ro '${root}'`, `mount -o remount,bind,ro '${root}/usr'`],
      ...[`mount -o remount,ro '${root}/usr/local/bin'`, ...volumes],
    ];
  }

  #asUser(command: readonly string[]): string {
    const [user, group] = this.#parts.file.user.split(':');
    const environment = { ...this.#parts.file.environment, ...this.#parts.environment };
    const variables = Object.entries({ PATH: '/usr/local/bin:/usr/bin:/bin', ...environment });
    return [
      ...['setpriv', `--reuid=${user}`, `--regid=${group}`, '--clear-groups', '--no-new-privs'],
      ...[
        '--bounding-set=-all',
        '--inh-caps=-all',
        'env',
        '-i',
        ...variables.map(pair => quote(pair.join('='))),
      ],
      ...command.map(quote),
    ].join(' ');
  }
}

/** The process that is number 1 in a container, by its number here. */
function processOne({ child }: Started): number {
  return Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim());
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
