import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Change } from '../feed/messages.ts';
import { openStore } from '../store/open.ts';
import { Directory } from './directory.ts';

/** A directory on a database file of its own, that writes down what it publishes and whose clock stands still. */
export interface DirectoryForTests extends AsyncDisposable {
  readonly directory: Directory;
  readonly clock: { now: number };
  /** What was published since the last call. */
  takeChanges(): Change[];
}

export async function openDirectoryForTests(): Promise<DirectoryForTests> {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-directory-'));
  const db = await openStore(path.join(folder, 'postern.db'));
  const clock = { now: Date.UTC(2030, 0, 1) };
  const directory = new Directory({
    db,
    address: { domain: 'example.test', publicPort: 8443 },
    now: () => clock.now,
  });
  let published: Change[] = [];
  directory.publishTo({
    publish(changes) {
      published.push(...changes);
      return published.length;
    },
    applied: async () => undefined,
  });
  return {
    directory,
    clock,
    takeChanges() {
      const taken = published;
      published = [];
      return taken;
    },
    async [Symbol.asyncDispose]() {
      await db.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
