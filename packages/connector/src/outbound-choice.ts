import { readFile } from 'node:fs/promises';
import {
  type Outbound,
  type OutboundProxy,
  outboundFrom,
  readEnvironmentProxy,
} from '@postern/outbound/outbound';
import { readLocalSettings, type SavedProxy, saveOutboundProxy } from './local-settings.ts';

/** What a command line says of the outbound proxy. */
export interface OutboundOptions {
  /** `http://[user@]host[:port]`, as `outboundProxy` in the settings. */
  readonly proxy: string | undefined;
  /** File with that user's password. */
  readonly passwordFile: string | undefined;
}

const optionNames = {
  source: '--outbound-proxy',
  proxy: '--outbound-proxy',
  passwordFile: '--outbound-proxy-password-file',
  caFile: 'outboundProxyCaFile',
};

/** The way of a registration to the service, and what is remembered of it. */
export interface OutboundChoice {
  readonly outbound: Outbound;
  /**
   * Lays the proxy down in the settings, now that it has worked: the connector that runs as a service has neither this
   * command's options nor the variables of this shell.
   *
   * @returns the proxy; null where none led to the service, or where the settings named it already.
   */
  save(host: string, port: number): Promise<OutboundProxy | null>;
}

/**
 * Chooses how a registration reaches the service: as the options say, else the settings of this machine, else the
 * variables of the environment.
 *
 * @throws RangeError saying what cannot be used.
 */
export async function chooseOutbound(
  dataDir: string,
  environment: Readonly<Record<string, string | undefined>>,
  options: OutboundOptions,
): Promise<OutboundChoice> {
  const { outbound: laidDown } = await readLocalSettings(dataDir);
  const { proxy, passwordFile } = options;
  if (proxy !== undefined) {
    const settings = { ...laidDown, proxy, proxyPasswordFile: passwordFile, names: optionNames };
    const outbound = outboundFrom(settings, environment);
    const password = passwordFile === undefined ? '' : await readPassword(passwordFile);
    return choice(dataDir, outbound, { proxy, password, noProxy: undefined });
  }
  if (passwordFile !== undefined) {
    throw new RangeError('--outbound-proxy-password-file goes with --outbound-proxy, which is missing.');
  }
  const outbound = outboundFrom(laidDown, environment);
  const known = laidDown.proxy === undefined ? readEnvironmentProxy(environment) : null;
  if (known === null) return { outbound, save: async () => null };
  const noProxy = laidDown.noProxy === undefined ? known.noProxy : undefined;
  return choice(dataDir, outbound, { ...known, noProxy });
}

/** Says that a proxy was saved. */
export function describeSaved({ host, port }: OutboundProxy): string {
  return `The proxy ${host}:${port} led to the service and is saved in Config/connector.json.`;
}

function choice(dataDir: string, outbound: Outbound, saved: SavedProxy): OutboundChoice {
  return {
    outbound,
    async save(host, port) {
      const proxy = outbound.proxyFor(host, port);
      if (proxy !== null) await saveOutboundProxy(dataDir, saved);
      return proxy;
    },
  };
}

async function readPassword(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
  } catch (cause) {
    throw new RangeError(`--outbound-proxy-password-file cannot be read: ${(cause as Error).message}.`, {
      cause,
    });
  }
}
