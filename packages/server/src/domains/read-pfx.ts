import { spawn } from 'node:child_process';
import path from 'node:path';
import type { PfxAnswer } from '../pfx-reader.ts';
import { CertificateError } from './certificate-error.ts';

/** Files of the usual work factors are read within a tenth of a second. */
const timeoutMs = 20_000;
const maxAnswerBytes = 4 * 1024 * 1024;

/** In development the program is in the folder above; in the packed form all are in one. */
const program = import.meta.filename.endsWith('.ts')
  ? path.join(import.meta.dirname, '..', 'pfx-reader.ts')
  : path.join(import.meta.dirname, 'pfx-reader.js');

/** Certificates and keys of a file, PEM. */
export interface PemMaterial {
  readonly certificates: readonly string[];
  readonly privateKeys: readonly string[];
}

/**
 * Opens a PFX file.
 *
 * @param pfx base64.
 * @throws CertificateError `not_pfx`, `wrong_password`.
 */
export async function readPfx(pfx: string, password: string): Promise<PemMaterial> {
  const answer = await runReader(JSON.stringify({ pfx, password }));
  if (answer === null || ('error' in answer && answer.error === 'not_pfx')) {
    throw new CertificateError(
      'not_pfx',
      'The file is no PFX file that can be read.',
      'Export the certificate with its private key as PFX (PKCS #12, .pfx or .p12), or upload PEM files.',
    );
  }
  if ('error' in answer) {
    throw new CertificateError(
      'wrong_password',
      'The PFX file cannot be opened: the password is wrong.',
      'Give the password that the file was exported with; if you are sure of it, export again with letters and digits only.',
    );
  }
  return answer;
}

/** Null where the program failed, or had to be ended. */
async function runReader(input: string): Promise<PfxAnswer | null> {
  const child = spawn(process.execPath, [program], {
    stdio: ['pipe', 'pipe', 'ignore'],
    // Nothing of ours: no master key, no configuration.
    env: { PATH: process.env['PATH'] ?? '' },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const ended = new Promise<boolean>(resolve => {
    child.once('error', () => resolve(false));
    child.once('close', code => resolve(code === 0));
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const chunks: Buffer[] = [];
  let length = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > maxAnswerBytes) child.kill('SIGKILL');
    else chunks.push(chunk);
  });
  if (!(await ended)) return null;
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as PfxAnswer;
}
