import { spawnSync } from 'node:child_process';
import { InstallationError } from './installation-error.ts';

/**
 * Runs a program of the system to its end.
 *
 * @returns its standard output.
 * @throws InstallationError `command_failed` with its last words.
 */
export function runProgram(program: string, parameters: readonly string[]): string {
  const result = spawnSync(program, parameters, { encoding: 'utf8' });
  if (result.status === 0) return result.stdout;
  const said = result.error?.message ?? result.stderr.trim().split('\n').slice(-3).join(' ');
  throw new InstallationError(
    'command_failed',
    `${program} ${parameters.join(' ')} failed: ${said}`,
    'Put that right and run this again; what was done already is not done twice.',
  );
}

/** Whether a program of the system ends with success. */
export function succeeds(program: string, parameters: readonly string[]): boolean {
  return spawnSync(program, parameters, { stdio: 'ignore' }).status === 0;
}
