import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { type DurableFiles, machineFiles, makeFoldersDurably, writeFileDurably } from './durable-file.ts';
import { IdentityError } from './identity-error.ts';

/** What the connector learned about its service when it registered. */
export interface ServiceSettings {
  readonly connectorId: string;
  /** As registered. */
  readonly machineName: string;
  /** `connect.<domain>`. */
  readonly connectHost: string;
  readonly connectPort: number;
  /** The only authorities whose certificates are accepted from the tunnel listener, PEM. */
  readonly anchors: readonly string[];
}

function serviceSettingsFile(dataDir: string): string {
  return join(dataDir, 'Config', 'service.json');
}

export async function writeServiceSettings(
  dataDir: string,
  settings: ServiceSettings,
  files: DurableFiles = machineFiles,
): Promise<void> {
  await makeFoldersDurably(dataDir, ['Config'], files);
  await writeFileDurably(
    serviceSettingsFile(dataDir),
    `${JSON.stringify(settings, null, 2)}\n`,
    0o600,
    files,
  );
}

/**
 * Reads the settings; null if the connector has never been registered.
 *
 * @throws IdentityError `bad_service_settings`. Without readable anchors nothing would be trusted, and nothing is
 *   trusted in their place.
 */
export async function readServiceSettings(
  dataDir: string,
  files: DurableFiles = machineFiles,
): Promise<ServiceSettings | null> {
  let text: string;
  try {
    text = await files.read(serviceSettingsFile(dataDir));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return parseServiceSettings(JSON.parse(text));
  } catch (cause) {
    throw new IdentityError(
      'bad_service_settings',
      `${serviceSettingsFile(dataDir)} cannot be used: ${cause instanceof Error ? cause.message : cause}.`,
      'Put back the file from a backup, or register the connector again with "postern connector register".',
      { cause },
    );
  }
}

function parseServiceSettings(value: unknown): ServiceSettings {
  const { connectorId, machineName, connectHost, connectPort, anchors } = (value ??
    {}) as Partial<ServiceSettings>;
  if (typeof connectorId !== 'string' || connectorId === '') throw new Error('connectorId is missing');
  if (typeof machineName !== 'string' || machineName === '') throw new Error('machineName is missing');
  if (typeof connectHost !== 'string' || connectHost === '') throw new Error('connectHost is missing');
  if (!Number.isInteger(connectPort) || connectPort! < 1 || connectPort! > 65_535) {
    throw new Error('connectPort is no port');
  }
  if (!Array.isArray(anchors) || anchors.length === 0) throw new Error('anchors are missing');
  for (const anchor of anchors) void new X509Certificate(anchor as string);
  return { connectorId, machineName, connectHost, connectPort: connectPort!, anchors };
}
