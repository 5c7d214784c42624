import { readFile } from 'node:fs/promises';
import { publicCertificate } from '@postern/protocol/admin/certificates';
import type { Command } from 'commander';
import { CliError } from '../../cli-error.ts';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { publishingPath } from '../../find-object.ts';
import { formatTime } from '../../format-time.ts';
import { askSecret, readSecretFromInput } from '../../read-secret.ts';

interface UploadOptions {
  readonly key?: string;
  readonly passwordFile?: string;
  readonly passwordStdin?: boolean;
}

export function addCertificateUpload(parent: Command): void {
  parent
    .command('upload')
    .argument('<file>', 'PFX file (.pfx, .p12), or PEM file with the certificate and its chain')
    .summary('upload a certificate for names under custom domains')
    .description(
      'Uploads a certificate with its private key: a PFX file, or PEM files. It serves every application under its ' +
        'names at once, in place of certificates whose names it has all, and cuts no connection. The password of a ' +
        'PFX file is asked for on the terminal, or comes from a file or standard input.',
    )
    .option('--key <file>', 'PEM file with the private key, where it is not in the certificate file')
    .option('--password-file <file>', 'file with the password of the PFX file or of the key, on one line')
    .option('--password-stdin', 'read that password from standard input')
    .action(async (file: string, options: UploadOptions, command: Command) => {
      const context = contextOf(command);
      const bytes = await read(file);
      const isPem = bytes.includes('-----BEGIN ');
      const key = options.key === undefined ? undefined : (await read(options.key)).toString('utf8');
      const isSealed = !isPem || /ENCRYPTED/.test(`${bytes.toString('latin1')}${key ?? ''}`);
      const password = await readPassword(options, isSealed);
      const body = isPem
        ? { certificate: bytes.toString('utf8'), privateKey: key, password }
        : { pfx: bytes.toString('base64'), password };
      const admin = await connectAdmin(context);
      const uploaded = await admin.post(`${publishingPath}/certificates`, body, publicCertificate);
      const { names, servedNames, thumbprint, expirationDateTime, hosts } = uploaded;
      const left = names.filter(name => !servedNames.includes(name));
      const lines = [
        `Uploaded the certificate ${thumbprint} for ${servedNames.join(', ')}, valid until ${formatTime(expirationDateTime)}.`,
        hosts.length === 0 ? 'Nothing is published there yet.' : `It serves ${hosts.join(', ')}.`,
        ...(left.length === 0 ? [] : [`Not used, since no verified domain has them: ${left.join(', ')}.`]),
      ];
      context.output.result(uploaded, lines.join('\n'));
    });
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new CliError('usage', `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

async function readPassword(
  { passwordFile, passwordStdin }: UploadOptions,
  isSealed: boolean,
): Promise<string | undefined> {
  if (passwordFile !== undefined) return (await read(passwordFile)).toString('utf8').replace(/\r?\n$/, '');
  if (passwordStdin === true) return readSecretFromInput(process.stdin);
  // A file without a password has an empty one, where nobody is there to ask.
  if (!isSealed || !process.stdin.isTTY) return undefined;
  return askSecret('Password of the file: ', { input: process.stdin, output: process.stderr });
}
