import { arch, release, type } from 'node:os';
import manifest from '../package.json' with { type: 'json' };

/** Version of this connector. */
export const connectorVersion: string = manifest.version;

/** The operating system, as shown to administrators; for example `Linux 6.1.0 x64`. */
export function describeOs(): string {
  return `${type()} ${release()} ${arch()}`.slice(0, 128);
}
