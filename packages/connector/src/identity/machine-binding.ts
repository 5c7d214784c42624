import { createHmac } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DurableFiles, machineFiles, writeFileDurably } from './durable-file.ts';
import { IdentityError } from './identity-error.ts';

/**
 * Whoever holds a connector's key is that connector. A disk that is copied, as golden images are, would make two machines
 * one connector; so an identity remembers the machine that it was registered on, and is refused on another.
 */
function bindingFile(dataDir: string): string {
  return join(dataDir, 'Config', 'machine.json');
}

/**
 * A number for this machine that says nothing else about it; null where the machine has no id that lasts, such as in most
 * containers, whose id belongs to their image.
 *
 * @param root Where the machine's file system begins.
 */
export function machineFingerprint(root = '/'): string | null {
  const isContainer =
    ['.dockerenv', 'run/.containerenv'].some(name => existsSync(join(root, name))) ||
    process.env['KUBERNETES_SERVICE_HOST'] !== undefined;
  if (isContainer || hasPassingId(root)) return null;
  const id = readText(join(root, 'etc/machine-id')).trim();
  if (!/^[0-9a-f]{32}$/.test(id)) return null;
  // As machine-id(5) asks for: the id itself is not to be shown to others, and a data folder may be copied.
  return createHmac('sha256', Buffer.from(id, 'hex')).update('postern-connector').digest('hex');
}

/** Remembers this machine in a data folder whose `Config` exists; does nothing where the machine has no lasting id. */
export async function rememberMachine(
  dataDir: string,
  files: DurableFiles = machineFiles,
  fingerprint = machineFingerprint(),
): Promise<void> {
  if (fingerprint === null) return;
  await writeFileDurably(
    bindingFile(dataDir),
    `${JSON.stringify({ machine: fingerprint }, null, 2)}\n`,
    0o600,
    files,
  );
}

/**
 * Refuses an identity that was registered on another machine. One that remembers none is accepted, and so is every one
 * where this machine has no lasting id.
 *
 * @returns whether the identity remembers this machine.
 * @throws IdentityError `other_machine`
 */
export async function refuseOtherMachine(
  dataDir: string,
  files: DurableFiles = machineFiles,
  fingerprint = machineFingerprint(),
): Promise<boolean> {
  if (fingerprint === null) return false;
  const remembered = await readRemembered(dataDir, files);
  if (remembered === null || remembered === fingerprint) return remembered !== null;
  throw new IdentityError(
    'other_machine',
    `The identity in ${dataDir} was registered on another machine, and one identity may not run on two.`,
    'If this is a copy of that machine: register this one as a connector of its own with "postern connector register". ' +
      'If it replaces that machine, do the same; the connector of the old one can then be revoked.',
  );
}

async function readRemembered(dataDir: string, files: DurableFiles): Promise<string | null> {
  let text: string;
  try {
    text = await files.read(bindingFile(dataDir));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const { machine } = JSON.parse(text) as { machine?: unknown };
    return typeof machine === 'string' ? machine : '';
  } catch {
    // A file that cannot be understood names no machine, and certainly not this one.
    return '';
  }
}

// systemd mounts an id of the moment over the file where it cannot write one that lasts (machine-id(5)).
function hasPassingId(root: string): boolean {
  return readText(join(root, 'proc/self/mountinfo'))
    .split('\n')
    .some(line => line.split(' ')[4] === '/etc/machine-id');
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
