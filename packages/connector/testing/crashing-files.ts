import { basename, dirname } from 'node:path';
import type { DurableFiles } from '@postern/connector/identity/durable-file';

/** The process is dead: nothing it does has an effect any more. */
export class Crash extends Error {}

/**
 * - `kill`: the process alone; what it wrote is there, and as unsynced as it was.
 * - `power`: what was not synced is gone, names included.
 * - `names`: the names are there, and files that were not synced are empty.
 * - `torn`: the names are there, and of files that were not synced the first half.
 * - `mixed`: chance decides for each file and each folder.
 */
export const crashKinds = ['kill', 'power', 'names', 'torn', 'mixed'] as const;
export type CrashKind = (typeof crashKinds)[number];

interface File {
  readonly kind: 'file';
  content: string;
  /** What a loss of power leaves; null: nothing was synced yet. */
  synced: string | null;
}

interface Folder {
  readonly kind: 'folder';
  names: Map<string, File | Folder>;
  /** The names that a loss of power leaves. */
  synced: Map<string, File | Folder>;
}

/**
 * A file system in memory that knows what a loss of power leaves, and that can die before or after any of its operations.
 * A file lasts once its content was synced, its name once its folder was, and a folder's name likewise.
 */
export class CrashingFiles implements DurableFiles {
  readonly #root: Folder;
  /** Operations so far. */
  operations = 0;
  #crash: { readonly at: number; readonly moment: 'before' | 'after' } | null = null;
  #isDead = false;

  constructor(root: Folder = emptyFolder()) {
    this.#root = root;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Dies at the operation with this number, counted from now on, the first being 1. */
  crashAt(operation: number, moment: 'before' | 'after'): void {
    this.#crash = { at: this.operations + operation, moment };
  }

  /** Lives on, after all. */
  forgetCrash(): void {
    this.#crash = null;
  }

  /** What the next start finds. */
  restarted(kind: CrashKind, random: () => number): CrashingFiles {
    return new CrashingFiles(remains(this.#root, kind, random));
  }

  /** The same files, for another attempt at the same thing. */
  copy(): CrashingFiles {
    return new CrashingFiles(copyOf(this.#root, new Map()));
  }

  async read(path: string): Promise<string> {
    return this.#step(() => this.#file(path).content);
  }

  async list(path: string): Promise<string[]> {
    return this.#step(() => [...this.#folder(path).names.keys()]);
  }

  async writtenAt(path: string): Promise<number> {
    return this.#step(() => {
      this.#file(path);
      return 0;
    });
  }

  async makeFolder(path: string): Promise<void> {
    this.#step(() => {
      const { names } = this.#folder(dirname(path));
      if (!names.has(basename(path))) names.set(basename(path), emptyFolder());
    });
  }

  async create(path: string) {
    const file: File = { kind: 'file', content: '', synced: null };
    this.#step(() => {
      const { names } = this.#folder(dirname(path));
      if (names.has(basename(path))) throw failure('EEXIST', path);
      names.set(basename(path), file);
    });
    return {
      write: async (content: string) =>
        this.#step(() => {
          file.content = content;
        }),
      sync: async () =>
        this.#step(() => {
          file.synced = file.content;
        }),
      close: async () => {},
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step(() => {
      const file = this.#file(from);
      this.#folder(dirname(from)).names.delete(basename(from));
      this.#folder(dirname(to)).names.set(basename(to), file);
    });
  }

  async remove(path: string): Promise<void> {
    this.#step(() => void this.#folder(dirname(path)).names.delete(basename(path)));
  }

  async setMode(path: string): Promise<void> {
    this.#step(() => void this.#folder(path));
  }

  async syncFolder(path: string): Promise<void> {
    this.#step(() => {
      const folder = this.#folder(path);
      folder.synced = new Map(folder.names);
    });
  }

  #step<T>(operate: () => T): T {
    if (this.#isDead) throw new Crash('dead');
    this.operations += 1;
    const isTheOne = this.#crash?.at === this.operations;
    if (isTheOne && this.#crash?.moment === 'before') this.#die();
    try {
      return operate();
    } finally {
      if (isTheOne) this.#die();
    }
  }

  #die(): never {
    this.#isDead = true;
    throw new Crash('now');
  }

  #folder(path: string): Folder {
    const found = this.#find(path);
    if (found?.kind !== 'folder') throw failure('ENOENT', path);
    return found;
  }

  #file(path: string): File {
    const found = this.#find(path);
    if (found?.kind !== 'file') throw failure('ENOENT', path);
    return found;
  }

  #find(path: string): File | Folder | undefined {
    let found: File | Folder | undefined = this.#root;
    for (const name of path.split('/').filter(Boolean)) {
      found = found?.kind === 'folder' ? found.names.get(name) : undefined;
    }
    return found;
  }
}

function emptyFolder(): Folder {
  return { kind: 'folder', names: new Map(), synced: new Map() };
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

function remains(root: Folder, kind: CrashKind, random: () => number): Folder {
  if (kind === 'kill') return copyOf(root, new Map());
  const names = isKept(kind, random) ? root.names : root.synced;
  const left = new Map<string, File | Folder>();
  for (const [name, node] of names) {
    left.set(name, node.kind === 'folder' ? remains(node, kind, random) : fileAfter(node, kind, random));
  }
  // Whatever was found after a loss of power lies on the disk.
  return { kind: 'folder', names: left, synced: new Map(left) };
}

function isKept(kind: CrashKind, random: () => number): boolean {
  return kind === 'names' || kind === 'torn' || (kind === 'mixed' && random() < 0.5);
}

function fileAfter({ content, synced }: File, kind: CrashKind, random: () => number): File {
  const half = content.slice(0, content.length / 2);
  const chance = [synced ?? '', content, half][Math.floor(random() * 3)]!;
  const isSynced = synced === content;
  const left = isSynced ? content : kind === 'torn' ? half : kind === 'mixed' ? chance : (synced ?? '');
  return { kind: 'file', content: left, synced: left };
}

/** A copy in which what was one node under two names, a synced one and a present one, is one node again. */
function copyOf<T extends File | Folder>(node: T, copies: Map<File | Folder, File | Folder>): T {
  const known = copies.get(node);
  if (known) return known as T;
  if (node.kind === 'file') {
    const file: File = { ...node };
    copies.set(node, file);
    return file as T;
  }
  const folder = emptyFolder();
  copies.set(node, folder);
  for (const [name, one] of node.names) folder.names.set(name, copyOf(one, copies));
  for (const [name, one] of node.synced) folder.synced.set(name, copyOf(one, copies));
  return folder as T;
}
