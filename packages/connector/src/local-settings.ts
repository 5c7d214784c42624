import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the administrator of this machine may lay down in `<data>/Config/connector.json`. */
export interface LocalSettings {
  /** Entries of the allow-list, beside those of the command line. */
  readonly allow: readonly string[];
}

/**
 * Reads the local settings; without the file there are none.
 *
 * @throws RangeError naming what is wrong: an allow-list that is not understood must not be taken for an empty one.
 */
export async function readLocalSettings(dataDir: string): Promise<LocalSettings> {
  const file = join(dataDir, 'Config', 'connector.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { allow: [] };
    throw error;
  }
  const settings = parse(file, text);
  const unknown = Object.keys(settings).find(name => name !== 'allow');
  if (unknown !== undefined)
    throw new RangeError(`${file}: there is no setting "${unknown}"; "allow" is the only one`);
  const { allow = [] } = settings;
  if (!Array.isArray(allow) || !allow.every(entry => typeof entry === 'string')) {
    throw new RangeError(
      `${file}: "allow" has to be a list of texts, such as ["10.0.0.0/8", "wiki.corp.example:443"]`,
    );
  }
  return { allow };
}

function parse(file: string, text: string): { readonly allow?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (cause) {
    throw new RangeError(`${file} is no JSON: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
  throw new RangeError(`${file} has to hold a JSON object`);
}
