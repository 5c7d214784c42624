import { runProgram, succeeds } from './run-program.ts';

/** Ids of a user and its first group. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Makes a system user that nobody can sign in as.
 *
 * @returns whether there was none.
 * @throws InstallationError `command_failed`
 */
export function makeServiceUser(user: string, home: string): boolean {
  if (succeeds('id', ['-u', user])) return false;
  runProgram('useradd', [
    ...['--system', '--user-group', '--no-create-home', '--home-dir', home],
    ...['--shell', '/usr/sbin/nologin', '--comment', 'Postern connector', user],
  ]);
  return true;
}

/** @returns whether there was one. */
export function removeServiceUser(user: string): boolean {
  if (!succeeds('id', ['-u', user])) return false;
  runProgram('userdel', [user]);
  return true;
}

/** @throws InstallationError `command_failed` where there is no such user. */
export function ownerOf(user: string): Owner {
  return {
    uid: Number(runProgram('id', ['-u', user])),
    gid: Number(runProgram('id', ['-g', user])),
  };
}
