/**
 * Builds what is published: one folder for each package in dist/, with its programs bundled by esbuild, and with `--pack`
 * an npm tarball of each. Node strips no types below node_modules, so that packages hold JavaScript.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { buildPortal } from './build-portal.ts';

const root = path.resolve(import.meta.dirname, '..');

interface PackagePlan {
  readonly folder: string;
  /** Programs in `src/`, without `.ts`; the first is the one that the command starts. */
  readonly programs: readonly [string, ...string[]];
  readonly command: string;
  /** Modules that other packages find by name. */
  readonly exports: Readonly<Record<string, string>>;
  /** Whether it brings Node for machines whose own is too old. The server is started by the command line's. */
  readonly bringsNode: boolean;
  /** Whether it serves the Admin center. */
  readonly hasPortal?: boolean;
}

const plans: readonly PackagePlan[] = [
  {
    folder: 'server',
    programs: ['postern-server', 'control', 'pfx-reader'],
    command: 'postern-server',
    exports: { './postern-server': './dist/postern-server.js' },
    bringsNode: false,
    hasPortal: true,
  },
  {
    folder: 'connector',
    programs: ['main'],
    command: 'postern-connector',
    exports: {},
    bringsNode: true,
  },
  { folder: 'cli', programs: ['main', 'connector'], command: 'postern', exports: {}, bringsNode: true },
];

/** Libraries in CommonJS ask for what ES modules do not have. */
const banner = `import { createRequire as createRequireOfBundle } from 'node:module';
import { fileURLToPath as fileOfBundle } from 'node:url';
const require = createRequireOfBundle(import.meta.url);
const __filename = fileOfBundle(import.meta.url);
const __dirname = fileOfBundle(new URL('.', import.meta.url));`;

/**
 * Builds all packages.
 *
 * @param target Folder that gets one folder for each package; what it holds of them is replaced.
 * @returns Paths of the package folders.
 */
export async function buildPackages(target: string): Promise<string[]> {
  return Promise.all(plans.map(plan => buildPackage(plan, path.join(target, plan.folder))));
}

/** Packs built packages into `target`. @returns Paths of the tarballs. */
export function packPackages(folders: readonly string[], target: string): string[] {
  return folders.map(folder => {
    const output = execFileSync(
      'npm',
      ['pack', '--silent', '--ignore-scripts', '--pack-destination', target],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    );
    return path.join(target, output.trim().split('\n').at(-1) ?? '');
  });
}

async function buildPackage(plan: PackagePlan, folder: string): Promise<string> {
  const source = path.join(root, 'packages', plan.folder);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(path.join(folder, 'bin'), { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: plan.programs.map(program => path.join(source, 'src', `${program}.ts`)),
    outdir: path.join(folder, 'dist'),
    bundle: true,
    // What a program loads only when it needs it stays a file of its own; the relay's memory depends on that.
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24.15',
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'linked',
    banner: { js: banner },
    external: ['@postern/server/*'],
    logLevel: 'warning',
  });
  if (plan.hasPortal) await buildPortal(path.join(folder, 'dist', 'admin-center'));
  writeCommand(plan, folder);
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifestOf(plan, source), null, 2)}\n`);
  for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md'])
    cpSync(path.join(root, name), path.join(folder, name));
  return folder;
}

// A package without a command of its own in bin/ starts like the command line: the check of Node's version is the same.
function writeCommand({ folder: name, programs, command }: PackagePlan, folder: string): void {
  const own = path.join(root, 'packages', name, 'bin', `${command}.mjs`);
  const text = existsSync(own)
    ? readFileSync(own, 'utf8')
    : readFileSync(path.join(root, 'packages/cli/bin/postern.mjs'), 'utf8')
        .replaceAll('/main.', `/${programs[0]}.`)
        .replaceAll('`postern: ', `\`${command}: `);
  if (!text.includes(`../dist/${programs[0]}.js`))
    throw new Error(`the command of ${name} starts no program`);
  const file = path.join(folder, 'bin', `${command}.mjs`);
  writeFileSync(file, text);
  chmodSync(file, 0o755);
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
}

function manifestOf(plan: PackagePlan, source: string): Record<string, unknown> {
  const { name, version, description, license }: Manifest = readJson(path.join(source, 'package.json'));
  const workspace: { engines: object; optionalDependencies: object } = readJson(
    path.join(root, 'package.json'),
  );
  return {
    name,
    version,
    description,
    license,
    type: 'module',
    bin: { [plan.command]: `bin/${plan.command}.mjs` },
    exports: { ...plan.exports, './package.json': './package.json' },
    files: ['bin', 'dist', 'CHANGELOG.md'],
    engines: workspace.engines,
    // Everything else is in the bundle.
    ...(plan.bringsNode && { optionalDependencies: workspace.optionalDependencies }),
  };
}

function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(file, 'utf8'));
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { pack: { type: 'boolean', default: false } } });
  const target = path.join(root, 'dist');
  const folders = await buildPackages(target);
  const made = values.pack ? packPackages(folders, target) : folders;
  for (const file of made) {
    const size = statSync(file).isFile() ? `  ${Math.round(statSync(file).size / 1024)} KiB` : '';
    process.stdout.write(`${path.relative(root, file)}${size}\n`);
  }
}

if (import.meta.main) await main();
