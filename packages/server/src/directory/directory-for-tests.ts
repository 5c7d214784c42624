import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Change } from '../feed/messages.ts';
import { openStore } from '../store/open.ts';
import { SealedSecrets } from '../store/sealed-secrets.ts';
import { Directory, type DirectoryParts } from './directory.ts';

/** A directory on a database file of its own, that writes down what it publishes and whose clock stands still. */
export interface DirectoryForTests extends AsyncDisposable {
  readonly directory: Directory;
  readonly secrets: SealedSecrets;
  /** Has the database; for files of the test's own, too. */
  readonly folder: string;
  readonly clock: { now: number };
  /** What was published since the last call. */
  takeChanges(): Change[];
}

interface DirectoryForTestsOptions {
  /** Default `example.test` on port 8443. */
  readonly address?: DirectoryParts['address'];
  /** Milliseconds since the epoch; default the first day of 2030. */
  readonly now?: number;
}

export async function openDirectoryForTests({
  address = { domain: 'example.test', publicPort: 8443 },
  now = Date.UTC(2030, 0, 1),
}: DirectoryForTestsOptions = {}): Promise<DirectoryForTests> {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-directory-'));
  const db = await openStore(path.join(folder, 'postern.db'));
  const clock = { now };
  const secrets = new SealedSecrets(db, Buffer.alloc(32, 7));
  const directory = new Directory({ db, address, now: () => clock.now, secrets });
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
    secrets,
    folder,
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
