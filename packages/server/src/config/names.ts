import path from 'node:path';
import type { Config } from './schema.ts';

/** First labels under the domain that belong to the service itself. */
export const reservedLabels: ReadonlySet<string> = new Set([
  'login',
  'portal',
  'connect',
  'portcheck',
  'connectorregistrationca',
]);

/** The service's own hosts, lower case, without port. */
export function controlHosts(config: Pick<Config, 'domain'>): {
  readonly login: string;
  readonly portal: string;
  readonly connect: string;
  readonly portcheck: string;
} {
  return {
    login: `login.${config.domain}`,
    portal: `portal.${config.domain}`,
    connect: `connect.${config.domain}`,
    portcheck: `portcheck.${config.domain}`,
  };
}

/** `https://<host>`, with the public port where it is not 443. The host comes without a port. */
export function originOf(config: Pick<Config, 'publicPort'>, host: string): string {
  return config.publicPort === 443 ? `https://${host}` : `https://${host}:${config.publicPort}`;
}

/**
 * The port at which the public reaches plain HTTP: 80 where the service is at 443 (a firewall may forward both), else the
 * port that is listened on.
 *
 * @returns null where nothing listens.
 */
export function plainHttpPort(config: Pick<Config, 'publicPort' | 'listen'>): number | null {
  const [first] = config.listen.http;
  if (first === undefined) return null;
  return config.publicPort === 443 ? 80 : first.port;
}

/** Files, folders and sockets inside the data folder. */
export function dataPaths(config: Pick<Config, 'dataDir' | 'runDir'>): {
  readonly database: string;
  readonly backups: string;
  readonly masterKey: string;
  readonly localAuthority: string;
  readonly runDir: string;
  readonly controlSocket: string;
  readonly feedSocket: string;
} {
  const { dataDir } = config;
  const runDir = config.runDir === '' ? path.join(dataDir, 'run') : config.runDir;
  return {
    database: path.join(dataDir, 'postern.db'),
    backups: path.join(dataDir, 'backups'),
    masterKey: path.join(dataDir, 'keys', 'master.key'),
    localAuthority: path.join(dataDir, 'certificates', 'local-ca.pem'),
    runDir,
    controlSocket: path.join(runDir, 'control.sock'),
    feedSocket: path.join(runDir, 'feed.sock'),
  };
}

/** Where certificates of the configuration lie. */
export interface CertificateSources extends Pick<Config, 'dataDir' | 'domain'> {
  readonly certificates: Pick<Config['certificates'], 'local' | 'files'>;
}

/**
 * The PEM files that the edge serves: those of the configuration, and with `certificates.local` the pair that the
 * control process writes and renews.
 */
export function certificateFiles(
  config: CertificateSources,
): readonly { readonly certificateFile: string; readonly keyFile: string; readonly isLastResort?: true }[] {
  if (!config.certificates.local) return config.certificates.files;
  const local = path.join(config.dataDir, 'certificates', `local-${config.domain}`);
  const pair = { certificateFile: `${local}.pem`, keyFile: `${local}.key`, isLastResort: true } as const;
  return [...config.certificates.files, pair];
}
