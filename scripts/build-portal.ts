/**
 * Builds the Admin center: `packages/portal/src` becomes a folder of files whose names change with their content, each
 * also compressed, and `manifest.json`, which names them. `node scripts/build-portal.ts` builds what a service that runs
 * from its sources serves.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
const source = path.join(root, 'packages/portal/src');
const entry = path.join(source, 'main.tsx');
/** Where a service that runs from its sources finds the Admin center. */
const developmentTarget = path.join(root, 'packages/portal/dist');
/** What the result depends on, besides this program. */
const inputs = [
  source,
  path.join(root, 'packages/fluent-icons/src'),
  path.join(root, 'package-lock.json'),
  import.meta.filename,
];

/** Builds into a folder, over what it holds. */
export async function buildPortal(target: string): Promise<void> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outdir: target,
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: ['chrome111', 'edge111', 'firefox114', 'safari16.4'],
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"' },
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    legalComments: 'linked',
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  mkdirSync(target, { recursive: true });
  for (const { path: file, contents } of outputFiles) {
    replaceFile(file, contents);
    replaceFile(`${file}.gz`, gzipSync(contents, { level: 9 }));
  }
  const names = outputFiles.map(({ path: file }) => path.basename(file));
  // Parts that are loaded later are entry points, too.
  const main = Object.entries(metafile.outputs).find(
    ([, { entryPoint }]) => entryPoint !== undefined && path.resolve(root, entryPoint) === entry,
  );
  if (main?.[1].cssBundle === undefined) throw new Error('the Admin center has no stylesheet');
  const manifest = {
    script: path.basename(main[0]),
    stylesheet: path.basename(main[1].cssBundle),
    names,
  };
  // Last, and at once: a service that starts meanwhile finds the files of one build, this or the one before.
  replaceFile(path.join(target, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  removeOldFiles(target, new Set(names));
}

/** Another build of the same may be under way or in use: at no time is there half a file. */
function replaceFile(file: string, contents: string | Uint8Array): void {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, contents);
  renameSync(temporary, file);
}

/** Builds for a service that runs from its sources, unless nothing has changed since that was last done. */
export async function buildPortalIfStale(): Promise<void> {
  const built = statSync(path.join(developmentTarget, 'manifest.json'), { throwIfNoEntry: false });
  if (built !== undefined && inputs.every(input => newestChange(input) < built.mtimeMs)) return;
  await buildPortal(developmentTarget);
}

/** A service that runs may still serve what an earlier build has made, so files of the last day stay. */
function removeOldFiles(target: string, names: ReadonlySet<string>): void {
  const dayAgo = Date.now() - 24 * 3_600_000;
  for (const name of readdirSync(target)) {
    const file = path.join(target, name);
    if (name === 'manifest.json' || names.has(name.replace(/\.gz$/, ''))) continue;
    if ((statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) < dayAgo) rmSync(file, { force: true });
  }
}

function newestChange(file: string): number {
  const { mtimeMs } = statSync(file);
  if (!statSync(file).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(file).map(name => newestChange(path.join(file, name))));
}

if (import.meta.main) await buildPortal(developmentTarget);
