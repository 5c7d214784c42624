import { join } from 'node:path';
import { findAllPairs, findPair, type StoreName, storeFolder, storeNames } from './certificate-store.ts';
import { type DurableFiles, machineFiles } from './durable-file.ts';
import { readTrustSettings } from './trust-settings.ts';

export interface PruneOptions {
  readonly dataDir: string;
  /** Thumbprint that a running connector presents, which may be another than the trust settings name; null if none runs. */
  readonly presented: string | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly files?: DurableFiles;
}

/** A file that was removed. */
export interface PrunedFile {
  readonly store: StoreName;
  readonly file: string;
  /** `expired`, `replaced` by the certificate in use, or `incomplete`: one half of a pair, or not finished. */
  readonly why: 'expired' | 'replaced' | 'incomplete';
}

/** A renewal or registration may be in the middle of its writing. */
const unfinishedMs = 3_600_000;

/**
 * Removes what the stores hold beside the certificate in use: expired pairs, pairs older than the one in use, and what
 * interrupted writes have left. Newer pairs stay, as one may be about to be used; and where the one in use is itself
 * missing or expired, so does everything else that is valid.
 */
export async function pruneCertificates(options: PruneOptions): Promise<PrunedFile[]> {
  const { dataDir, presented, now, files = machineFiles } = options;
  const settings = await readTrustSettings(dataDir, files).catch(() => null);
  const named =
    settings &&
    (await findPair(dataDir, settings.isInUserStore ? 'user' : 'machine', settings.thumbprint, files));
  const isUsable = named !== null && named.notAfter >= now;
  const kept = new Set([named?.thumbprint, settings?.thumbprint, presented]);
  const pairs = await findAllPairs(dataDir, files);
  // What stays must be there for certain before anything goes.
  if (named !== null) await files.syncFolder(storeFolder(dataDir, named.store));
  const removed: PrunedFile[] = [];
  for (const store of storeNames) {
    const folder = storeFolder(dataDir, store);
    const remove = async (file: string, why: PrunedFile['why']) => {
      await files.remove(join(folder, file));
      removed.push({ store, file, why });
    };
    for (const pair of pairs.filter(one => one.store === store && !kept.has(one.thumbprint))) {
      const isExpired = pair.notAfter < now;
      const isReplaced = isUsable && pair.notBefore < named.notBefore;
      if (!isExpired && !isReplaced) continue;
      // The key first: it is the half that somebody could want.
      for (const half of ['key', 'pem']) {
        await remove(`${pair.thumbprint}.${half}`, isExpired ? 'expired' : 'replaced');
      }
    }
    const whole = new Set(pairs.filter(one => one.store === store).map(one => one.thumbprint));
    for (const file of await unfinishedFiles(folder, whole, now, files)) await remove(file, 'incomplete');
    if (removed.some(one => one.store === store)) await files.syncFolder(folder);
  }
  return removed;
}

/** What writes have left that came to no end: half pairs, keys without a certificate, temporary files. */
async function unfinishedFiles(
  folder: string,
  whole: ReadonlySet<string>,
  now: number,
  files: DurableFiles,
): Promise<string[]> {
  const found: string[] = [];
  for (const name of await files.list(folder).catch(() => [])) {
    const thumbprint = /^([0-9A-F]{40})\.(pem|key)$/.exec(name)?.[1];
    const isLeftOver =
      thumbprint === undefined
        ? /^(pending-\d+-\d+\.key|[0-9A-F]{40}\.pem)(\.new)?$/.test(name)
        : !whole.has(thumbprint);
    if (isLeftOver && (await files.writtenAt(join(folder, name))) < now - unfinishedMs) found.push(name);
  }
  return found;
}
