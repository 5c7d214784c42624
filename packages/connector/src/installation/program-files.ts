import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  createReadStream,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { InstallationError } from './installation-error.ts';
import { currentLink, type Places } from './places.ts';

/** The program that is running, as it can be copied. */
export interface ProgramSource {
  /** Folder of its package. */
  readonly folder: string;
  /** The connector's program in it: `dist/…`. */
  readonly program: string;
  /** The Node binary that runs it. */
  readonly node: string;
}

/** Of the package of the connector alone, and of the command line's, which brings the connector with it. */
const programs = ['dist/connector.js', 'dist/main.js'];

/**
 * Where the running program lies.
 *
 * @param script Its file, as in `process.argv[1]`.
 * @throws InstallationError `not_packaged`
 */
export function findProgramSource(script: string | undefined, node = process.execPath): ProgramSource {
  const folder = script === undefined ? '' : dirname(dirname(realpathSync(script)));
  const program = programs.find(file => existsSync(join(folder, file)));
  if (program !== undefined && existsSync(join(folder, 'package.json'))) return { folder, program, node };
  throw new InstallationError(
    'not_packaged',
    'This program runs from its sources and cannot be copied as it is.',
    'Make the packages with "npm run pack", install one of them with npm, and run its command.',
  );
}

/** Path of the connector's program below the folder of a version. */
export function installedProgram({ program }: ProgramSource): string {
  return join('program', program);
}

/**
 * Copies program and Node to `<programs>/<version>`: everything is written and synced under another name before it takes
 * the place of what is there.
 *
 * @returns whether the folder was missing or different.
 */
export async function installProgram(
  { programs: root }: Places,
  source: ProgramSource,
  version: string,
): Promise<boolean> {
  const files = filesOf(source);
  const target = join(root, version);
  if (await isSame(files, target)) return false;
  if (!existsSync(root)) {
    mkdirSync(root, { recursive: true });
    // The service's user has to get in, whatever the umask of the administrator says.
    chmodSync(root, 0o755);
  }
  const fresh = join(root, `.${version}.new`);
  const replaced = join(root, `.${version}.old`);
  for (const leftover of [fresh, replaced]) rmSync(leftover, { recursive: true, force: true });
  for (const [name, from] of files) copyDurably(from, join(fresh, name), name === nodeFile ? 0o755 : 0o644);
  openFolders(fresh);
  if (existsSync(target)) renameSync(target, replaced);
  renameSync(fresh, target);
  syncFolder(root);
  rmSync(replaced, { recursive: true, force: true });
  return true;
}

/** Makes a version the one in use, in one step. @returns whether it was another, or none. */
export function switchTo(places: Places, version: string): boolean {
  const link = currentLink(places);
  if (currentVersion(places) === version) return false;
  const fresh = `${link}.new`;
  rmSync(fresh, { force: true });
  symlinkSync(version, fresh);
  renameSync(fresh, link);
  syncFolder(places.programs);
  return true;
}

/** The version that the link names; null where there is no link. */
export function currentVersion(places: Places): string | null {
  try {
    return readlinkSync(currentLink(places));
  } catch {
    return null;
  }
}

/** Removes versions other than those given. @returns their names. */
export function removeVersions(places: Places, keep: readonly (string | null)[]): string[] {
  const removed = versionsOf(places).filter(version => !keep.includes(version));
  for (const version of removed) rmSync(join(places.programs, version), { recursive: true, force: true });
  return removed;
}

/** Removes every version and the link, and the folder if it is empty then. @returns whether there was anything. */
export function removeProgram(places: Places): boolean {
  const hadLink = lstatSync(currentLink(places), { throwIfNoEntry: false }) !== undefined;
  const removed = removeVersions(places, []);
  rmSync(currentLink(places), { force: true });
  if (existsSync(places.programs) && readdirSync(places.programs).length === 0)
    rmSync(places.programs, { recursive: true });
  return hadLink || removed.length > 0;
}

const nodeFile = 'bin/node';

/** Only what an installation of ours has made. */
function versionsOf({ programs: root }: Places): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { withFileTypes: true })
    .filter(entry => entry.isDirectory() && existsSync(join(root, entry.name, nodeFile)))
    .map(entry => entry.name);
}

/** What is installed, by its place below the version's folder. */
function filesOf({ folder, node }: ProgramSource): ReadonlyMap<string, string> {
  const files = new Map([[nodeFile, node]]);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const from = join(entry.parentPath, entry.name);
    const name = from.slice(folder.length + 1);
    // The package's own copy of Node, if it has one, is what `node` names.
    if (!name.startsWith('node_modules/')) files.set(join('program', name), from);
  }
  return files;
}

async function isSame(files: ReadonlyMap<string, string>, target: string): Promise<boolean> {
  if (!existsSync(target)) return false;
  const present = readdirSync(target, { recursive: true, withFileTypes: true }).filter(
    entry => !entry.isDirectory(),
  );
  if (present.length !== files.size) return false;
  for (const [name, from] of files) {
    const to = join(target, name);
    if (!existsSync(to) || statSync(to).size !== statSync(from).size) return false;
    if ((await digestOf(to)) !== (await digestOf(from))) return false;
  }
  return true;
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

function copyDurably(from: string, to: string, mode: number): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
  const fd = openSync(to, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function openFolders(root: string): void {
  chmodSync(root, 0o755);
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) chmodSync(join(entry.parentPath, entry.name), 0o755);
  }
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
