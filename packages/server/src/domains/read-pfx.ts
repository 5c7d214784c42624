import { spawn } from 'node:child_process';
import path from 'node:path';
import type { PfxAnswer } from '../pfx-reader.ts';
import { CertificateError } from './certificate-error.ts';

/** Files of the usual work factors are read within a tenth of a second. */
const defaultTimeoutMs = 20_000;
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
 * @param timeoutMs How long that may take.
 * @throws CertificateError `not_pfx`, `wrong_password`, `too_costly`.
 */
export async function readPfx(
  pfx: string,
  password: string,
  timeoutMs = defaultTimeoutMs,
): Promise<PemMaterial> {
  const answer = await runReader(JSON.stringify({ pfx, password }), timeoutMs);
  if (answer === 'ended') {
    throw new CertificateError(
      'too_costly',
      `The PFX file cannot be opened within ${timeoutMs / 1_000} s: its encryption is made to be slow beyond all measure.`,
      'Export it again, with the work factor (iterations) that the program proposes.',
    );
  }
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

/** Null where the program failed; `ended` where it took too long. */
async function runReader(input: string, timeoutMs: number): Promise<PfxAnswer | 'ended' | null> {
  const child = spawn(process.execPath, [program], {
    stdio: ['pipe', 'pipe', 'ignore'],
    // Nothing of ours: no master key, no configuration.
    env: { PATH: process.env['PATH'] ?? '' },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const ended = new Promise<number | NodeJS.Signals | null>(resolve => {
    child.once('error', () => resolve(null));
    child.once('close', (code, signal) => resolve(signal ?? code));
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
  const end = await ended;
  if (end === 'SIGKILL') return 'ended';
  if (end !== 0) return null;
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as PfxAnswer;
}
