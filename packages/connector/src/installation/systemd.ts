import { existsSync } from 'node:fs';
import { InstallationError } from './installation-error.ts';
import { type Places, serviceUnit, unitFile } from './places.ts';
import { runProgram, succeeds } from './run-program.ts';

/** Whether systemd runs this machine (sd_booted(3)). */
export function isSystemdRunning(): boolean {
  return existsSync('/run/systemd/system');
}

/** @throws InstallationError `not_root` */
export function requireRoot(): void {
  if (process.geteuid?.() === 0) return;
  throw new InstallationError(
    'not_root',
    'Only root may change the services of this machine.',
    'Run the command with sudo.',
  );
}

/** @throws InstallationError `no_systemd`, `not_installed` */
export function requireService(places: Places): void {
  if (!isSystemdRunning()) {
    throw new InstallationError(
      'no_systemd',
      'systemd does not run this machine, so that there is no service of it to start or stop.',
      'Start and stop the connector with whatever supervises it here; "postern connector run" runs it in the foreground.',
    );
  }
  if (existsSync(unitFile(places))) return;
  throw new InstallationError(
    'not_installed',
    'The connector is not installed as a service on this machine.',
    'Install it with "postern connector install".',
  );
}

export function systemctl(...parameters: string[]): void {
  runProgram('systemctl', parameters);
}

export function isServiceEnabled(): boolean {
  return succeeds('systemctl', ['is-enabled', '--quiet', serviceUnit]);
}

export function isServiceActive(): boolean {
  return succeeds('systemctl', ['is-active', '--quiet', serviceUnit]);
}
