import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import path from 'node:path';
import { canConnect, freePort, type Workplace } from './programs.ts';

export interface ReverseForwarding {
  /** Where the service's side of the tunnel listens. */
  readonly port: number;
  /** Both ends of the tunnel; sshd's sessions are its descendants. */
  readonly pids: readonly number[];
}

/** `ssh -R` to an sshd of our own: what people build who need a private site to be reached from outside. */
export async function startReverseForwarding(
  workplace: Workplace,
  backend: number,
): Promise<ReverseForwarding> {
  const folder = path.join(workplace.folder, 'ssh');
  mkdirSync(folder, { mode: 0o700 });
  const [sshPort, port] = [await freePort(), await freePort()];
  for (const name of ['host', 'user']) {
    await workplace.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', path.join(folder, name)]);
  }
  // Where sshd separates its privileges; Debian's unit makes it.
  if (process.getuid?.() === 0 && !existsSync('/run/sshd')) mkdirSync('/run/sshd', { mode: 0o755 });
  const config = path.join(folder, 'sshd_config');
  writeFileSync(
    config,
    [
      `ListenAddress 127.0.0.1:${sshPort}`,
      `HostKey ${folder}/host`,
      `AuthorizedKeysFile ${folder}/user.pub`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'AllowTcpForwarding yes',
      'LogLevel ERROR',
      '',
    ].join('\n'),
  );
  const sshd = workplace.start(['/usr/sbin/sshd', '-D', '-e', '-f', config]);
  await sshd.until(() => canConnect(sshPort));
  const ssh = workplace.start([
    ...['ssh', '-N', '-F', '/dev/null', '-i', path.join(folder, 'user'), '-p', String(sshPort)],
    ...[
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      `UserKnownHostsFile=${folder}/known`,
      '-o',
      'IdentitiesOnly=yes',
    ],
    ...['-o', 'ExitOnForwardFailure=yes', '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR'],
    ...['-R', `127.0.0.1:${port}:127.0.0.1:${backend}`, `${userInfo().username}@127.0.0.1`],
  ]);
  await ssh.until(() => canConnect(port));
  return { port, pids: [sshd.pid, ssh.pid] };
}
