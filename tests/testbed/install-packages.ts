import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import type { SystemdMachine } from './systemd-machine.ts';

/** Installs those of some packages whose names match with npm, on a machine that has a Node of its own. */
export function installPackages({ root }: SystemdMachine, tarballs: readonly string[], wanted: RegExp): void {
  const prefix = path.join(root, 'usr/local');
  const options = ['--offline', '--no-audit', '--no-fund', '--omit=optional', '--prefix', prefix];
  execFileSync('npm', ['install', '--global', ...options, ...tarballs.filter(file => wanted.test(file))], {
    stdio: 'pipe',
  });
  copyFileSync(process.execPath, path.join(prefix, 'bin/node'));
}
