import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Outbound, type OutboundSettings, outboundFrom } from '@postern/outbound/outbound';
import { asDataOwner } from './identity/data-owner.ts';
import { makeFoldersDurably, writeFileDurably } from './identity/durable-file.ts';

/** What the administrator of this machine may lay down in `<data>/Config/connector.json`. */
export interface LocalSettings {
  /** Entries of the allow-list, beside those of the command line. */
  readonly allow: readonly string[];
  /** Keep a session log: a line for each request. */
  readonly sessionLog: boolean;
  /** How the connector reaches the service. */
  readonly outbound: OutboundSettings;
  /** How it reaches backends; no variable of the environment counts here, for those are about the world outside. */
  readonly backends: OutboundSettings;
}

const backendNames = {
  source: 'Config/connector.json',
  proxy: 'backendProxy',
  passwordFile: 'backendProxyPasswordFile',
  caFile: 'backendProxyCaFile',
};

type Settings = Readonly<Record<string, unknown>>;

/** Every setting there is. */
const names = [
  'allow',
  'sessionLog',
  'outboundProxy',
  'outboundProxyPasswordFile',
  'outboundProxyCaFile',
  'noProxy',
  'backendProxy',
  'backendProxyPasswordFile',
  'backendProxyCaFile',
  'backendNoProxy',
] as const;

/**
 * Reads the local settings; without the file there are none.
 *
 * @throws RangeError naming what is wrong: an allow-list that is not understood must not be taken for an empty one.
 */
export async function readLocalSettings(dataDir: string): Promise<LocalSettings> {
  const file = settingsFile(dataDir);
  const settings = await readSettings(file);
  const unknown = Object.keys(settings).find(name => !(names as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new RangeError(
      `${file}: there is no setting "${unknown}"; there are ${names.map(name => `"${name}"`).join(', ')}`,
    );
  }
  const text = (name: (typeof names)[number]) => readText(file, settings, name);
  const path = (name: (typeof names)[number]) => {
    const given = text(name);
    return given === undefined ? undefined : resolve(dataDir, 'Config', given);
  };
  return {
    allow: readAllow(file, settings),
    sessionLog: readSessionLog(file, settings),
    outbound: {
      proxy: text('outboundProxy'),
      proxyPasswordFile: path('outboundProxyPasswordFile'),
      proxyCaFile: path('outboundProxyCaFile'),
      noProxy: text('noProxy'),
    },
    backends: {
      proxy: text('backendProxy'),
      proxyPasswordFile: path('backendProxyPasswordFile'),
      proxyCaFile: path('backendProxyCaFile'),
      noProxy: text('backendNoProxy'),
      names: backendNames,
    },
  };
}

/**
 * How this machine reaches the service, for commands that connect on behalf of a connector.
 *
 * @throws RangeError naming what is wrong with the settings, or with the variables of the environment.
 */
export async function readOutbound(
  dataDir: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Outbound> {
  const { outbound } = await readLocalSettings(dataDir);
  return outboundFrom(outbound, environment);
}

/** An outbound proxy as it is laid down for good. */
export interface SavedProxy {
  /** As `outboundProxy` has it. */
  readonly proxy: string;
  /** Goes into a file of its own (0600); empty: none. */
  readonly password: string;
  /** As `noProxy` has it; undefined: what stands there stays. */
  readonly noProxy: string | undefined;
}

/** Writes the outbound proxy into the settings of this machine; everything else in them stays as it is. */
export async function saveOutboundProxy(dataDir: string, saved: SavedProxy): Promise<void> {
  const file = settingsFile(dataDir);
  const { outboundProxyPasswordFile: _, ...others } = await readSettings(file);
  const settings = {
    ...others,
    outboundProxy: saved.proxy,
    ...(saved.password !== '' && { outboundProxyPasswordFile: passwordFile }),
    ...(saved.noProxy !== undefined && { noProxy: saved.noProxy }),
  };
  await asDataOwner(dataDir, async () => {
    const folder = await makeFoldersDurably(dataDir, ['Config']);
    if (saved.password !== '')
      await writeFileDurably(join(folder, passwordFile), `${saved.password}\n`, 0o600);
    await writeFileDurably(file, `${JSON.stringify(settings, null, 2)}\n`, 0o600);
  });
}

/** Beside the settings, so that the connector's user can read it. */
const passwordFile = 'outbound-proxy-password';

function settingsFile(dataDir: string): string {
  return join(dataDir, 'Config', 'connector.json');
}

function readText(file: string, settings: Settings, name: string): string | undefined {
  const value = settings[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new RangeError(`${file}: "${name}" has to be a text`);
}

function readAllow(file: string, { allow = [] }: Settings): readonly string[] {
  if (Array.isArray(allow) && allow.every(entry => typeof entry === 'string')) return allow;
  throw new RangeError(
    `${file}: "allow" has to be a list of texts, such as ["10.0.0.0/8", "wiki.corp.example:443"]`,
  );
}

function readSessionLog(file: string, { sessionLog = false }: Settings): boolean {
  if (typeof sessionLog === 'boolean') return sessionLog;
  throw new RangeError(`${file}: "sessionLog" has to be true or false`);
}

async function readSettings(file: string): Promise<Settings> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
  return parse(file, text);
}

function parse(file: string, text: string): Settings {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Settings;
  } catch (cause) {
    throw new RangeError(`${file} is no JSON: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  throw new RangeError(`${file} has to hold a JSON object`);
}
