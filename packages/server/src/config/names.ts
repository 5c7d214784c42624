import path from 'node:path';
import type { Config } from './schema.ts';

/** The service's own hosts, lower case, without port. */
export function controlHosts(config: Pick<Config, 'domain'>): {
  readonly login: string;
  readonly portal: string;
  readonly connect: string;
} {
  return {
    login: `login.${config.domain}`,
    portal: `portal.${config.domain}`,
    connect: `connect.${config.domain}`,
  };
}

/** `https://<host>`, with the public port where it is not 443. The host comes without a port. */
export function originOf(config: Pick<Config, 'publicPort'>, host: string): string {
  return config.publicPort === 443 ? `https://${host}` : `https://${host}:${config.publicPort}`;
}

/** Files and sockets inside the data folder. */
export function dataPaths(config: Pick<Config, 'dataDir' | 'runDir'>): {
  readonly database: string;
  readonly masterKey: string;
  readonly localAuthority: string;
  readonly controlSocket: string;
  readonly feedSocket: string;
} {
  const runDir = config.runDir === '' ? path.join(config.dataDir, 'run') : config.runDir;
  return {
    database: path.join(config.dataDir, 'postern.db'),
    masterKey: path.join(config.dataDir, 'master.key'),
    localAuthority: path.join(config.dataDir, 'local-ca.pem'),
    controlSocket: path.join(runDir, 'control.sock'),
    feedSocket: path.join(runDir, 'feed.sock'),
  };
}
