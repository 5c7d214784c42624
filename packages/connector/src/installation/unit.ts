import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodes } from '../commands/command.ts';
import { writeFileDurably } from '../identity/durable-file.ts';
import { currentLink, type Places, serviceUser, unitFile } from './places.ts';
import { installedProgram } from './program-files.ts';

/**
 * Longer than the connector itself waits for streams in flight, so that systemd never cuts them off.
 */
const stopSeconds = 40;

/**
 * The unit of the connector.
 *
 * @param program Name of the program's file below the link `current`, see {@link installedProgram}.
 * @throws RangeError for a data folder that systemd cannot be told of without loss.
 */
export function writeUnit(places: Places, program: string, dataDir: string): string {
  // systemd reads white space, quotes, $ and % in its own way, and differently from line to line.
  if (!/^\/[A-Za-z0-9_@+=:,./-]+$/.test(dataDir)) {
    throw new RangeError(
      `--data has to be an absolute path of letters, digits and _@+=:,.- alone; "${dataDir}" is not`,
    );
  }
  const current = currentLink(places);
  return `[Unit]
Description=Postern connector
Wants=network-online.target
After=network-online.target nss-lookup.target
# An image with an installed connector that is not registered yet: nothing to run.
ConditionPathExists=${dataDir}/Config/service.json
# Whatever the network does, nobody is needed to bring the connector back.
StartLimitIntervalSec=0

[Service]
# Started means started. Whether the service is reached is the connector's own business, for as long as it takes: a unit
# that was ready only then would be killed and started anew wherever the network comes late.
Type=exec
User=${serviceUser}
Group=${serviceUser}
EnvironmentFile=-${places.environmentFile}
ExecStart=${join(current, 'bin/node')} ${join(current, program)} run --data ${dataDir}
Restart=always
RestartSec=1
# The identity or the settings cannot be used, and a person has to look; again and again would say no more.
RestartPreventExitStatus=${exitCodes.notUnderstood} ${exitCodes.unusableIdentity}
# The connector lets requests in flight end.
KillMode=mixed
TimeoutStopSec=${stopSeconds}
LimitNOFILE=65536
UMask=0077

NoNewPrivileges=true
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ReadWritePaths=${dataDir}
ProtectHome=${/^\/(home|root|run\/user)\//.test(`${dataDir}/`) ? 'read-only' : 'true'}
PrivateTmp=true
PrivateDevices=true
DevicePolicy=closed
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
KeyringMode=private
RemoveIPC=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# No MemoryDenyWriteExecute: V8 compiles to memory that it writes and then runs.

[Install]
WantedBy=multi-user.target
`;
}

/** Writes the unit. @returns whether it was another before. */
export async function installUnit(places: Places, text: string): Promise<boolean> {
  const file = unitFile(places);
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return false;
  mkdirSync(places.units, { recursive: true });
  await writeFileDurably(file, text, 0o644);
  return true;
}

/** @returns whether there was one. */
export function removeUnit(places: Places): boolean {
  const file = unitFile(places);
  if (!existsSync(file)) return false;
  rmSync(file);
  return true;
}

/** The data folder that the installed unit names; null where none is installed. */
export function installedDataDir(places: Places): string | null {
  try {
    return /^ExecStart=.* run --data (\S+)$/m.exec(readFileSync(unitFile(places), 'utf8'))?.[1] ?? null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
