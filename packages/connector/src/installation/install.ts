import { existsSync } from 'node:fs';
import type { OutboundProxy } from '@postern/outbound/outbound';
import { giveDataFolder } from '../identity/data-owner.ts';
import { refuseOtherMachine } from '../identity/machine-binding.ts';
import { readServiceSettings } from '../identity/service-settings.ts';
import { describeSaved } from '../outbound-choice.ts';
import { type Places, serviceUnit, serviceUser, unitFile } from './places.ts';
import {
  currentVersion,
  installedProgram,
  installProgram,
  type ProgramSource,
  removeVersions,
  switchTo,
} from './program-files.ts';
import { makeServiceUser, ownerOf } from './service-user.ts';
import { isServiceActive, isServiceEnabled, isSystemdRunning, requireRoot, systemctl } from './systemd.ts';
import { installUnit, writeUnit } from './unit.ts';

/** One step of an installation, as it is told to the administrator. */
export interface InstallStep {
  readonly name: 'program' | 'user' | 'data' | 'unit' | 'identity' | 'service';
  /** Whether anything had to be done. */
  readonly changed: boolean;
  /** A sentence. */
  readonly text: string;
}

export interface InstallOptions {
  readonly places: Places;
  readonly dataDir: string;
  readonly source: ProgramSource;
  readonly version: string;
  /** Registers this machine with the data folder, and gives the outbound proxy that it saved; null: not now. */
  readonly register: (() => Promise<OutboundProxy | null>) | null;
  readonly onStep: (step: InstallStep) => void;
}

/** What an installation has come to. */
export interface Installation {
  readonly connectorId: string | null;
  /** Whether systemd runs the connector now; false without systemd or without a registration. */
  readonly isStarted: boolean;
  /** The unit's text, for a machine that something else than systemd supervises; null where systemd has it. */
  readonly unit: string | null;
}

/**
 * Makes the connector a service of this machine: program, user, data folder, unit, registration, start. What is there
 * already is left as it is, so that it can be repeated, after an upgrade as well as after a failure.
 *
 * @throws InstallationError, IdentityError `other_machine`, RangeError, and what `register` throws.
 */
export async function installConnector(options: InstallOptions): Promise<Installation> {
  const { places, dataDir, source, version, onStep } = options;
  requireRoot();
  const unit = writeUnit(places, installedProgram(source), dataDir);
  // Before anything is changed: a copied disk is a matter for a person.
  await refuseOtherMachine(dataDir);

  const previous = currentVersion(places);
  const isReplaced = await installProgram(places, source, version);
  const isSwitched = switchTo(places, version);
  const isNewProgram = isReplaced || isSwitched;
  onStep({
    name: 'program',
    changed: isNewProgram,
    text: isNewProgram
      ? `Version ${version} and Node.js ${process.version} are in ${places.programs}/${version}, which ${places.programs}/current names.`
      : `Version ${version} is installed already.`,
  });

  const isNewUser = makeServiceUser(serviceUser, dataDir);
  onStep({
    name: 'user',
    changed: isNewUser,
    text: isNewUser ? `User ${serviceUser} created.` : `User ${serviceUser} is there already.`,
  });

  const isGiven = giveDataFolder(dataDir, ownerOf(serviceUser));
  onStep({
    name: 'data',
    changed: isGiven,
    text: `${dataDir} ${isGiven ? 'now belongs' : 'belongs'} to ${serviceUser} alone.`,
  });

  const isNewUnit = await putUnit(places, unit);
  onStep({
    name: 'unit',
    changed: isNewUnit,
    text: `${unitFile(places)} ${isNewUnit ? 'written and enabled' : 'is up to date and enabled'}.`,
  });

  const connectorId = await ensureIdentity(options);
  const isStarted = connectorId !== null && isSystemdRunning();
  if (isStarted) onStep(startService(isNewProgram || isNewUnit || isGiven));
  // The version before is kept, for the way back.
  removeVersions(places, [version, previous]);
  return { connectorId, isStarted, unit: isSystemdRunning() ? null : unit };
}

async function putUnit(places: Places, text: string): Promise<boolean> {
  const isChanged = await installUnit(places, text);
  if (!isSystemdRunning()) return isChanged;
  if (isChanged) systemctl('daemon-reload');
  if (isServiceEnabled()) return isChanged;
  systemctl('enable', '--quiet', serviceUnit);
  return true;
}

async function ensureIdentity({ dataDir, register, onStep }: InstallOptions): Promise<string | null> {
  const known = existsSync(dataDir) ? await readServiceSettings(dataDir) : null;
  if (known !== null) {
    onStep({
      name: 'identity',
      changed: false,
      text: `Registered already, as connector ${known.connectorId}.`,
    });
    return known.connectorId;
  }
  if (register === null) {
    onStep({
      name: 'identity',
      changed: false,
      text:
        'Not registered yet, and therefore not started. Run "postern connector register" and "postern connector start", ' +
        'or this command again with --token-file.',
    });
    return null;
  }
  const proxy = await register();
  const made = await readServiceSettings(dataDir);
  const saved = proxy === null ? '' : ` ${describeSaved(proxy)}`;
  onStep({
    name: 'identity',
    changed: true,
    text: `Registered as connector ${made?.connectorId ?? ''}.${saved}`,
  });
  return made?.connectorId ?? null;
}

function startService(isChanged: boolean): InstallStep {
  if (isServiceActive() && !isChanged) {
    return { name: 'service', changed: false, text: `${serviceUnit} is running already.` };
  }
  // Starts it where it does not run; where it does, requests in flight end first.
  systemctl('restart', serviceUnit);
  return { name: 'service', changed: true, text: `${serviceUnit} started.` };
}
