import { readFile } from 'node:fs/promises';
import { AlertError } from './alert.ts';

/**
 * Reads a secret from its file, each time anew: a changed one needs no restart.
 *
 * @param option Of the configuration, for the message.
 * @throws AlertError `secret_file`
 */
export async function readSecret(file: string, option: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'error';
    const message = `${file} (${option}) cannot be read (${code}).`;
    throw new AlertError('secret_file', message, secretRemedy(file), { cause });
  }
  const secret = text.replace(/\r?\n$/, '');
  if (secret !== '') return secret;
  throw new AlertError('secret_file', `${file} (${option}) is empty.`, secretRemedy(file));
}

function secretRemedy(file: string): string {
  return `Let the user of the service read ${file}, and nobody else; it holds the secret on one line.`;
}
