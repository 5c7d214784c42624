import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { CliError } from './cli-error.ts';

/**
 * Writes a secret into a file of its own (0600). A file that is there is replaced whole, whatever its permissions were
 * and whether or not it was a link: nothing is ever written through it.
 *
 * @throws CliError `failed`.
 */
export async function writeSecretFile(file: string, secret: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}.new`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(`${secret}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new CliError('failed', `The token cannot be written to ${file}: ${(cause as Error).message}`, {
      remedy: 'Name a file in a folder that you may write to.',
      cause,
    });
  }
}
