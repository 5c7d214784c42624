import { getCACertificates } from 'node:tls';
import { Outbound, outboundFrom } from '@postern/outbound/outbound';
import { readServiceSettings, type ServiceSettings } from '../identity/service-settings.ts';
import { type LocalSettings, readLocalSettings } from '../local-settings.ts';
import { parseService } from '../register.ts';
import { type ConnectorStatus, readConnectorStatus } from '../status.ts';
import { Probes } from './probe.ts';

/** The names of a service that a connector, or the administrator who registers it, has to reach. */
export interface ServiceNames {
  readonly domain: string;
  readonly port: number;
  readonly login: string;
  readonly portal: string;
  readonly connect: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** What the checks look at, and with what. */
export interface DoctorContext {
  readonly dataDir: string;
  /** Null where the connector is not registered and no service was named. */
  readonly service: ServiceNames | null;
  /** What registration left; null before it, or where the file cannot be read. */
  readonly settings: ServiceSettings | null;
  /** Why `settings` is null although there is a file; empty otherwise. */
  readonly settingsProblem: string;
  /** What to do about that; empty as well. */
  readonly settingsRemedy: string;
  /** What the connector's process says of itself; null where there is none. */
  readonly status: ConnectorStatus | null;
  /** What the administrator of this machine has laid down; null where it cannot be read. */
  readonly local: LocalSettings | null;
  /** Why; empty where it can. */
  readonly localProblem: string;
  /** The way to the service. Where its settings cannot be used, it leads there directly. */
  readonly outbound: Outbound;
  /** Why the settings of the outbound proxy cannot be used; empty where they can. */
  readonly outboundProblem: string;
  readonly probes: Probes;
  /** Authorities whose certificates are accepted at the names that browsers use, PEM. */
  readonly authorities: readonly string[];
  /** File given beside them; null: none. */
  readonly caFile: string | null;
  /** The variables that the connector runs with. */
  readonly environment: Environment;
  /** Those of the shell, where the connector's own are others; null where they are the same. */
  readonly shellEnvironment: Environment | null;
  /** Gets an access token of the administrator; null where nobody asked for it. */
  readonly accessToken: (() => Promise<string>) | null;
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly now: () => number;
  /** What earlier checks found out. */
  readonly found: Findings;
}

/** What checks find out for those that follow. */
export interface Findings {
  /** This machine's clock minus the service's, in milliseconds; null while nobody knows. */
  clockAheadMs: number | null;
  /** Address of a file that the sign-in page refers to. */
  pageAsset: string | null;
  /** What the connector's process said of itself last. */
  status: ConnectorStatus | null;
}

export interface ContextOptions {
  readonly dataDir: string;
  /** The service, where the connector is not registered; as for registration. */
  readonly service?: string;
  /** Authorities beside the public ones and those of the machine, PEM. */
  readonly authorities?: readonly string[];
  readonly caFile?: string;
  readonly environment: Environment;
  readonly shellEnvironment?: Environment;
  readonly accessToken?: () => Promise<string>;
  /** The way to the service. Default: that of the settings of this machine, else of the environment. */
  readonly outbound?: Outbound;
  /** Default: the machine's clock. */
  readonly now?: () => number;
}

/**
 * Collects what the checks need from the data folder and the options. What cannot be read there is for the checks to
 * say.
 *
 * @throws RegistrationError `bad_option` where `service` names none.
 */
export async function createContext(options: ContextOptions): Promise<DoctorContext> {
  const { dataDir, environment } = options;
  const {
    value: settings,
    problem,
    remedy = `Run the doctor as the user that owns ${dataDir}, or as root.`,
  } = await attempt(() => readServiceSettings(dataDir));
  const { value: local, problem: localProblem } = await attempt(() => readLocalSettings(dataDir));
  const { value: outbound, problem: outboundProblem } = await attempt(
    () => options.outbound ?? outboundFrom(local?.outbound ?? {}, environment),
  );
  const endpoint =
    options.service !== undefined
      ? parseService(options.service)
      : settings && { host: settings.connectHost, port: settings.connectPort };
  const way = outbound ?? new Outbound();
  return {
    dataDir,
    service: endpoint && serviceNames(endpoint.host, endpoint.port),
    settings,
    settingsProblem: problem,
    settingsRemedy: problem === '' ? '' : remedy,
    status: settings === null ? null : (await attempt(() => readConnectorStatus({ dataDir }))).value,
    local,
    localProblem,
    outbound: way,
    outboundProblem: localProblem || outboundProblem,
    probes: new Probes(way),
    authorities: [
      ...getCACertificates('default'),
      ...getCACertificates('system'),
      ...(options.authorities ?? []),
    ],
    caFile: options.caFile ?? null,
    environment,
    shellEnvironment: options.shellEnvironment ?? null,
    accessToken: options.accessToken ?? null,
    now: options.now ?? Date.now,
    found: { clockAheadMs: null, pageAsset: null, status: null },
  };
}

interface Attempt<T> {
  readonly value: T | null;
  readonly problem: string;
  readonly remedy?: string | undefined;
}

async function attempt<T>(read: () => Promise<T> | T): Promise<Attempt<T>> {
  try {
    return { value: await read(), problem: '' };
  } catch (error) {
    if (!(error instanceof Error)) return { value: null, problem: String(error) };
    return { value: null, problem: error.message, remedy: (error as { remedy?: string }).remedy };
  }
}

/** @param connect `connect.<domain>`. */
export function serviceNames(connect: string, port: number): ServiceNames {
  const domain = connect.replace(/^connect\./, '');
  return { domain, port, login: `login.${domain}`, portal: `portal.${domain}`, connect };
}

/** `https://<host>`, with the port where it is not 443. */
export function originOf(host: string, port: number): string {
  return port === 443 ? `https://${host}` : `https://${host}:${port}`;
}
