import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { dataPaths } from '../config/names.ts';
import { type Config, formatEndpoint } from '../config/schema.ts';
import { giveToOwner } from './open-data.ts';
import { OperateError } from './operate-error.ts';
import { requireSetUp } from './require-set-up.ts';

export const socketUnit = 'postern.socket';
export const serviceUnit = 'postern.service';

/** What the units are made for. */
export interface UnitOptions {
  readonly config: Config;
  readonly configFile: string;
  /** The user that the service runs as. */
  readonly user: string;
  /** Absolute path of the Node binary. */
  readonly node: string;
  /** Absolute path of the operator program. */
  readonly program: string;
}

/**
 * The units of the service, by file name. The socket unit holds the public ports, so that a restart or an upgrade of
 * the service refuses no connection; the order of its lines is what `listenTargets` relies on.
 */
export function writeUnits(options: UnitOptions): Readonly<Record<string, string>> {
  return { [socketUnit]: socketText(options.config), [serviceUnit]: serviceText(options) };
}

function socketText({ listen }: Config): string {
  const streams = [...listen.https, ...listen.http, ...listen.private].map(
    endpoint => `ListenStream=${formatEndpoint(endpoint)}`,
  );
  return `[Unit]
Description=Postern, listening addresses

[Socket]
${streams.join('\n')}
# [::] and 0.0.0.0 are sockets of their own, whatever the machine's bindv6only says.
BindIPv6Only=ipv6-only
Backlog=4096
NoDelay=true
Service=${serviceUnit}

[Install]
WantedBy=sockets.target
`;
}

function serviceText({ config, configFile, user, node, program }: UnitOptions): string {
  const stopSeconds = Math.ceil(config.drainMs / 1000) + 10;
  const writable = [config.dataDir, dataPaths(config).runDir].filter(
    (folder, index) => index === 0 || !folder.startsWith(`${config.dataDir}/`),
  );
  return `[Unit]
Description=Postern, the way in to private web applications
After=network-online.target ${socketUnit}
Wants=network-online.target
Requires=${socketUnit}

[Service]
Type=exec
User=${user}
Group=${user}
ExecStart=${[node, program, 'serve', '--config', configFile].map(quote).join(' ')}
Restart=always
RestartSec=1
# The relay ends the control process itself, after the requests in flight.
KillMode=mixed
TimeoutStopSec=${stopSeconds}
LimitNOFILE=65536
UMask=0077

NoNewPrivileges=true
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ReadWritePaths=${writable.map(quote).join(' ')}
ProtectHome=${[node, program, configFile, config.dataDir].some(isInHome) ? 'read-only' : 'true'}
PrivateTmp=true
PrivateDevices=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
RemoveIPC=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# No MemoryDenyWriteExecute: V8 compiles to memory that it writes and then runs.

[Install]
WantedBy=multi-user.target
Also=${socketUnit}
`;
}

export interface InstallOptions extends UnitOptions {
  readonly unitDir: string;
  /** Enable and start the units through systemctl. */
  readonly start: boolean;
}

/**
 * Writes the units, makes the service's user, gives it the data folder, and starts the service.
 *
 * @returns Lines that tell what was done.
 * @throws OperateError `failed` with the remedy where a step is not possible.
 */
export function installService(options: InstallOptions): readonly string[] {
  requireSetUp(options.config);
  requireRoot();
  if (options.start) requireSystemd();
  const done: string[] = [];
  if (makeUser(options.user, options.config.dataDir)) done.push(`User ${options.user} created.`);
  giveDataTo(options.user, options.config.dataDir);
  done.push(`${options.config.dataDir} belongs to ${options.user}.`);
  mkdirSync(options.unitDir, { recursive: true });
  for (const [name, text] of Object.entries(writeUnits(options))) {
    writeFileSync(path.join(options.unitDir, name), text, { mode: 0o644 });
    done.push(`${path.join(options.unitDir, name)} written.`);
  }
  if (!options.start) return done;
  run('systemctl', ['daemon-reload']);
  run('systemctl', ['enable', '--now', socketUnit, serviceUnit]);
  return [...done, 'Service enabled and started.'];
}

/** Stops the service and removes its units; data, configuration and user stay. */
export function uninstallService({ unitDir, stop }: { unitDir: string; stop: boolean }): readonly string[] {
  requireRoot();
  if (stop) requireSystemd();
  const done: string[] = [];
  if (stop) {
    run('systemctl', ['disable', '--now', serviceUnit, socketUnit]);
    done.push('Service stopped.');
  }
  for (const name of [serviceUnit, socketUnit]) {
    const file = path.join(unitDir, name);
    if (!existsSync(file)) continue;
    rmSync(file);
    done.push(`${file} removed.`);
  }
  if (stop) run('systemctl', ['daemon-reload']);
  return [...done, 'The data folder, the configuration and the user are still there.'];
}

// systemd splits at spaces and expands % and $; a path with them is written so that it arrives unchanged.
function quote(word: string): string {
  const escaped = word
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$');
  return /[\s"'\\]/.test(word) ? `"${escaped}"` : escaped;
}

function isInHome(file: string): boolean {
  return /^\/(home|root|run\/user)\//.test(file);
}

function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new OperateError('failed', 'Only root may change the system’s services.', {
    remedy: 'Run the command with sudo.',
  });
}

function requireSystemd(): void {
  if (existsSync('/run/systemd/system')) return;
  throw new OperateError(
    'failed',
    'systemd is not running this machine, so the service cannot be started by it.',
    {
      remedy: 'Use --no-start to write the units alone, or run `postern serve` under your own supervisor.',
    },
  );
}

function makeUser(user: string, home: string): boolean {
  if (spawnSync('id', ['-u', user]).status === 0) return false;
  run('useradd', [
    '--system',
    '--user-group',
    '--no-create-home',
    '--home-dir',
    home,
    '--shell',
    '/usr/sbin/nologin',
    user,
  ]);
  return true;
}

function giveDataTo(user: string, dataDir: string): void {
  const idOf = (flag: string) => Number(run('id', [flag, user]).trim());
  const [uid, gid] = [idOf('-u'), idOf('-g')];
  if (statSync(dataDir).uid !== uid) chownSync(dataDir, uid, gid);
  giveToOwner(dataDir);
}

function run(command: string, parameters: readonly string[]): string {
  const result = spawnSync(command, parameters, { encoding: 'utf8' });
  if (result.status === 0) return result.stdout;
  const said = result.error?.message ?? result.stderr.trim().split('\n').slice(-3).join(' ');
  throw new OperateError('failed', `${command} ${parameters.join(' ')} failed: ${said}`, {
    remedy: 'Put that right and run this again; what was done already is not done twice.',
  });
}
