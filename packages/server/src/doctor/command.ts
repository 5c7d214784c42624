import { lstatSync, readFileSync } from 'node:fs';
import { formatFindings, formatLine } from '@postern/protocol/doctor/format-report';
import type { Environment } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { Terminal } from '../operate/terminal.ts';
import { askRunningService, createServiceContext } from './context.ts';
import { runServiceDoctor } from './doctor.ts';

export interface DoctorCommand {
  readonly config: Config;
  readonly configFile: string;
  readonly environment: Environment;
  readonly isJson: boolean;
}

/**
 * Runs the doctor of the service: a line for each check as it ends, then what was found, or one JSON document. Called by
 * root, it looks as the user that the data folder belongs to: root may do what the service may not.
 *
 * @returns The exit code.
 */
export async function runDoctorCommand(
  { config, configFile, environment, isJson }: DoctorCommand,
  terminal: Terminal,
): Promise<number> {
  const asked = await askRunningService(config);
  const ofService = asked.running === null ? null : environmentOf(asked.running.processId);
  // A name server that is silent would use up the time of the whole run: two seconds are an answer, too.
  process.env['RES_OPTIONS'] ??= 'timeout:2 attempts:1';
  takeTheServicesPlace(config.dataDir);
  const context = createServiceContext({
    config,
    configFile,
    environment: ofService ?? environment,
    ...asked,
  });
  const report = await runServiceDoctor(context, {
    ...(!isJson && { onResult: result => terminal.print(formatLine(result).trimEnd()) }),
  });
  terminal.print(isJson ? JSON.stringify(report) : formatFindings(report).trimEnd());
  return report.exitCode;
}

function environmentOf(processId: number): Environment | null {
  try {
    const text = readFileSync(`/proc/${processId}/environ`, 'utf8');
    const pairs = text.split('\0').filter(pair => pair.includes('='));
    return Object.fromEntries(
      pairs.map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
    );
  } catch {
    return null;
  }
}

function takeTheServicesPlace(dataDir: string): void {
  const owner = lstatSync(dataDir, { throwIfNoEntry: false });
  if (process.getuid?.() !== 0 || owner === undefined || owner.uid === 0) return;
  process.setgroups!([owner.gid]);
  process.setgid!(owner.gid);
  process.setuid!(owner.uid);
}
