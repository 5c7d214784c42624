import { Outbound } from '@postern/outbound/outbound';
import type { DoctorReport } from '@postern/protocol/doctor';
import type { Check } from '@postern/protocol/doctor/check';
import { requiredNames } from '../config/certificate-names.ts';
import type { Environment } from '../config/load.ts';
import { dataPaths } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { serviceOutbound } from '../outbound/service-outbound.ts';
import { readPublishedHosts } from './database.ts';
import { findRunningService, type RunningService } from './running-service.ts';

/** Where a service can fail, in the order in which it is looked at. */
export const serviceGroups = ['names', 'ports', 'clock', 'store', 'keys', 'alerts', 'machine'] as const;
export type ServiceGroup = (typeof serviceGroups)[number];

/** One thing that the service's doctor looks at. */
export type ServiceCheck = Check<ServiceContext> & { readonly id: `${ServiceGroup}.${string}` };

/** What the checks look at, and with what. */
export interface ServiceContext {
  readonly config: Config;
  readonly configFile: string;
  readonly paths: ReturnType<typeof dataPaths>;
  /** What runs under this configuration; null where nothing answers. */
  readonly running: RunningService | null;
  /** Why; empty where something does. */
  readonly runningProblem: string;
  /** The variables that the service runs with. */
  readonly environment: Environment;
  /** The way out; a direct one where its settings cannot be used. */
  readonly outbound: Outbound;
  /** Why they cannot; empty where they can. */
  readonly outboundProblem: string;
  /** The service's own hosts. */
  readonly ownHosts: readonly string[];
  /** Hosts of published applications; a wildcard with a label in its place. Empty where the database cannot be read. */
  readonly applicationHosts: readonly string[];
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly now: () => number;
  /** What earlier checks found out. */
  readonly found: { outside?: Promise<OutsideView> };
}

/** The service as one of its connectors sees it, from another machine; or why nobody can look. */
export type OutsideView =
  | {
      readonly connector: string;
      readonly address: string;
      readonly report: DoctorReport;
      readonly at: number;
    }
  | { readonly missing: string };

export interface ServiceContextOptions {
  readonly config: Config;
  readonly configFile: string;
  readonly environment: Environment;
  readonly running: RunningService | null;
  readonly runningProblem: string;
  /** Default: the machine's clock. */
  readonly now?: () => number;
}

export function createServiceContext(options: ServiceContextOptions): ServiceContext {
  const { config, environment } = options;
  const paths = dataPaths(config);
  return {
    ...options,
    paths,
    ...wayOut(config, environment),
    ownHosts: requiredNames(config),
    applicationHosts: readPublishedHosts(paths.database),
    now: options.now ?? Date.now,
    found: {},
  };
}

function wayOut(
  config: Config,
  environment: Environment,
): Pick<ServiceContext, 'outbound' | 'outboundProblem'> {
  try {
    return { outbound: serviceOutbound(config, environment), outboundProblem: '' };
  } catch (error) {
    return { outbound: new Outbound(), outboundProblem: (error as Error).message };
  }
}

/** Who runs under a configuration, and where nobody answers, why. */
export async function askRunningService(
  config: Config,
): Promise<Pick<ServiceContextOptions, 'running' | 'runningProblem'>> {
  const { controlSocket } = dataPaths(config);
  try {
    return { running: await findRunningService(controlSocket), runningProblem: '' };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isSilent = code === 'ENOENT' || code === 'ECONNREFUSED';
    const runningProblem = isSilent
      ? `nobody listens on ${controlSocket}`
      : `${controlSocket} does not answer: ${message}`;
    return { running: null, runningProblem };
  }
}
