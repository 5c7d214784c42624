import { join } from 'node:path';
import { type DurableFiles, machineFiles, makeFoldersDurably, writeFileDurably } from './durable-file.ts';
import { IdentityError } from './identity-error.ts';

/** Which certificate the connector uses, and from which of its two stores. */
export interface TrustSettings {
  /** SHA-1 of the certificate's DER: 40 upper-case hex digits. */
  readonly thumbprint: string;
  /** False: the machine store, where registration puts certificates. True: the user store, where renewal does. */
  readonly isInUserStore: boolean;
}

/** Where the trust settings are, in a connector's data folder. */
export function trustSettingsFile(dataDir: string): string {
  return join(dataDir, 'Config', 'TrustSettings.xml');
}

/** The document that tools of administrators know: declaration, namespaces and order of elements are part of it. */
export function formatTrustSettings({ thumbprint, isInUserStore }: TrustSettings): string {
  return `<?xml version="1.0" encoding="utf-8"?>
<ConnectorTrustSettingsFile xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <CloudProxyTrust>
    <Thumbprint>${thumbprint}</Thumbprint>
    <IsInUserStore>${isInUserStore}</IsInUserStore>
  </CloudProxyTrust>
</ConnectorTrustSettingsFile>
`;
}

const document =
  /^\s*(?:<\?xml[^>]*\?>)?\s*<ConnectorTrustSettingsFile(?:\s[^>]*)?>\s*<CloudProxyTrust>(.*)<\/CloudProxyTrust>\s*<\/ConnectorTrustSettingsFile>\s*$/s;

/**
 * Reads trust settings. A byte order mark, CRLF, other white space, comments and lower-case digits are accepted, since
 * people edit this file.
 *
 * @throws IdentityError `bad_trust_settings`.
 */
export function parseTrustSettings(xml: string): TrustSettings {
  const text = xml.replace(/^\uFEFF/, '').replace(/<!--.*?-->/gs, '');
  const trust = document.exec(text)?.[1];
  if (trust === undefined) throw bad('it has no ConnectorTrustSettingsFile with a CloudProxyTrust');
  const thumbprint = elementOf(trust, 'Thumbprint').toUpperCase();
  if (!/^[0-9A-F]{40}$/.test(thumbprint)) throw bad('its Thumbprint is not 40 hexadecimal digits');
  const isInUserStore = elementOf(trust, 'IsInUserStore').toLowerCase();
  if (isInUserStore !== 'true' && isInUserStore !== 'false') {
    throw bad('its IsInUserStore is neither true nor false');
  }
  return { thumbprint, isInUserStore: isInUserStore === 'true' };
}

/**
 * Reads the trust settings of a data folder; null if there are none.
 *
 * @throws IdentityError `bad_trust_settings`.
 */
export async function readTrustSettings(
  dataDir: string,
  files: DurableFiles = machineFiles,
): Promise<TrustSettings | null> {
  try {
    return parseTrustSettings(await files.read(trustSettingsFile(dataDir)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Replaces the trust settings of a data folder; key and certificate have to be on disk before. */
export async function writeTrustSettings(
  dataDir: string,
  settings: TrustSettings,
  files: DurableFiles = machineFiles,
): Promise<void> {
  await makeFoldersDurably(dataDir, ['Config'], files);
  await writeFileDurably(trustSettingsFile(dataDir), formatTrustSettings(settings), 0o644, files);
}

function elementOf(xml: string, name: string): string {
  const [found, second] = xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'));
  if (found === undefined || second !== undefined) throw bad(`it does not have exactly one ${name}`);
  return found[1]!.trim();
}

function bad(why: string): IdentityError {
  return new IdentityError(
    'bad_trust_settings',
    `TrustSettings.xml cannot be used: ${why}.`,
    'Put back the file from a backup, or register the connector again with "postern connector register".',
  );
}
