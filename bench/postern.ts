import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { buildPackages } from '../scripts/build.ts';
import {
  startTestbed,
  type TestApplication,
  type Testbed,
  type TestbedOptions,
} from '../tests/testbed/testbed.ts';
import { familyOf } from './measure.ts';
import type { Workplace } from './programs.ts';

export interface Postern {
  readonly testbed: Testbed;
  /** Cookie of a signed-in person at the pre-authenticated application `app`. */
  readonly cookie: string;
  readonly port: number;
  readonly applicationHost: string;
  readonly passthroughHost: string;
  readonly relayPid: number;
  readonly controlPid: number;
  readonly connectorPid: number;
  /** Relay, control process and connector. */
  readonly pids: readonly number[];
}

export interface PosternOptions extends Omit<TestbedOptions, 'applications' | 'programs'> {
  /** Where `app`, which is pre-authenticated, leads. */
  readonly backendUrl: string;
  /** Where `open`, which is passthrough, leads; the same where absent. */
  readonly passthroughUrl?: string;
  /** Further settings of `app`. */
  readonly publishing?: TestApplication['publishing'];
}

/** Builds the packages and starts service and connector from them, on free ports of the loopback. */
export async function startPostern(workplace: Workplace, options: PosternOptions): Promise<Postern> {
  const { backendUrl, passthroughUrl = backendUrl, publishing, ...others } = options;
  const testbed = await startTestbed({
    ...others,
    applications: [
      { name: 'app', internalUrl: backendUrl, ...(publishing === undefined ? {} : { publishing }) },
      { name: 'open', internalUrl: passthroughUrl, passthrough: true },
    ],
    programs: await buildPrograms(workplace),
  });
  workplace.onEnd(async () => testbed[Symbol.asyncDispose]());
  const relayPid = testbed.service.pid!;
  const controlPid = familyOf([relayPid]).find(pid => pid !== relayPid);
  if (controlPid === undefined) throw new Error('the relay has no control process');
  // A network of its own puts a program between the testbed and the connector.
  const connectorPid = familyOf([testbed.connectors[0]!.process.pid!]).at(-1)!;
  return {
    testbed,
    cookie: testbed.cookie('app'),
    port: testbed.port,
    applicationHost: testbed.hostOf('app'),
    passthroughHost: testbed.hostOf('open'),
    relayPid,
    controlPid,
    connectorPid,
    pids: [relayPid, controlPid, connectorPid],
  };
}

async function buildPrograms(workplace: Workplace): Promise<NonNullable<TestbedOptions['programs']>> {
  const target = packagesIn(workplace);
  mkdirSync(target);
  await buildPackages(target);
  return programsIn(workplace);
}

/** Where the programs are that `startPostern` has built for a workplace. */
export function programsIn(workplace: Workplace): NonNullable<TestbedOptions['programs']> {
  const folder = packagesIn(workplace);
  return {
    service: path.join(folder, 'server/bin/postern-server.mjs'),
    connector: path.join(folder, 'connector/bin/postern-connector.mjs'),
  };
}

function packagesIn(workplace: Workplace): string {
  return path.join(workplace.folder, 'packages');
}
