import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** What the build of the Admin center wrote, by name. */
export interface PortalFiles {
  /** Names of the module and the stylesheet that a page begins with. */
  readonly script: string;
  readonly stylesheet: string;
  /** Every file that may be asked for. */
  readonly names: ReadonlySet<string>;
  /** Where they are. */
  readonly folder: string;
}

/** Where the build writes: into the published package, and in a working copy beside the sources. */
export const portalFolders: readonly string[] = [
  path.join(import.meta.dirname, 'admin-center'),
  path.join(import.meta.dirname, '../../../portal/dist'),
];

/** Finds the built Admin center; null in a working copy in which it has not been built. */
export function findPortalFiles(folders: readonly string[] = portalFolders): PortalFiles | null {
  const folder = folders.find(candidate => existsSync(path.join(candidate, 'manifest.json')));
  if (folder === undefined) return null;
  const { script, stylesheet, names }: { script: string; stylesheet: string; names: string[] } = JSON.parse(
    readFileSync(path.join(folder, 'manifest.json'), 'utf8'),
  );
  return { folder, script, stylesheet, names: new Set(names) };
}
