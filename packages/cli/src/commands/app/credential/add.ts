import { readFile } from 'node:fs/promises';
import {
  addedPassword,
  keyCredential,
  maxCredentialLifetimeSeconds,
} from '@postern/protocol/admin/application-credentials';
import { splitCertificates } from '@postern/protocol/x509/certificate';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError } from '../../../cli-error.ts';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { findApplication } from '../../../find-object.ts';
import { formatTime } from '../../../format-time.ts';

interface AddOptions {
  readonly name?: string;
  readonly validFor: number;
  readonly client?: string;
  readonly certificateFile?: string;
}

const day = 86_400;
const maxDays = maxCredentialLifetimeSeconds / day;

export function addCredentialAdd(parent: Command): void {
  parent
    .command('add')
    .argument('<application>', 'name or id')
    .summary('make a credential for a program: a secret, which is shown once, or a certificate of its own')
    .option('--name <text>', 'what it is for, for people to read')
    .option('--valid-for <days>', `how long the secret works, in days: 1 to ${maxDays}`, readDays, 365)
    .option(
      '--client <id>',
      'client id of this application that gets a further credential, to change it without changing who the program is',
    )
    .addOption(
      new Option(
        '--certificate-file <file>',
        'PEM file with the client certificate that the program presents, in place of a secret; it works until it expires',
      ).conflicts('validFor'),
    )
    .action(async (nameOrId: string, options: AddOptions, command: Command) => {
      const { name: displayName, client: clientId, validFor, certificateFile } = options;
      const key = certificateFile === undefined ? null : await readCertificate(certificateFile);
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const application = await findApplication(admin, nameOrId);
      const path = `applications/${application.id}`;
      if (key !== null) {
        const added = await admin.post(
          `${path}/addKey`,
          { keyCredential: { key, displayName, clientId } },
          keyCredential,
        );
        context.output.result(
          added,
          `${application.displayName} takes this certificate until ${formatTime(added.endDateTime)}.\n\n` +
            `Client id  ${added.clientId}\nSHA-256    ${added.sha256}\n\n` +
            `To remove it: postern app credential remove ${application.id} ${added.keyId}`,
        );
        return;
      }
      // A minute less, since the service counts from when the request arrives there, by its own clock.
      const endDateTime = new Date(Date.now() + validFor * day * 1_000 - 60_000).toISOString();
      const added = await admin.post(
        `${path}/addPassword`,
        { passwordCredential: { displayName, endDateTime, clientId } },
        addedPassword,
      );
      context.output.result(
        added,
        `Made a credential for ${application.displayName}, until ${formatTime(added.endDateTime)}. The secret is shown only now:\n\n` +
          `Client id      ${added.clientId}\nClient secret  ${added.secretText}\n\n` +
          `To remove it: postern app credential remove ${application.id} ${added.keyId}`,
      );
    });
}

/** The certificate alone: many programs keep their key in the same file, and it is nobody else's. */
async function readCertificate(file: string): Promise<string> {
  let pem: string;
  try {
    pem = await readFile(file, 'utf8');
  } catch (cause) {
    throw new CliError('usage', `${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
  const certificates = splitCertificates(pem);
  if (certificates.length === 1) return certificates[0]!;
  throw new CliError('usage', `${file} holds ${certificates.length} certificates in PEM.`, {
    remedy: 'Give a file with the one that the program presents, without those that have signed it.',
  });
}

function readDays(text: string): number {
  const days = Number(text.replace(/d$/, ''));
  if (Number.isInteger(days) && days >= 1 && days <= maxDays) {
    return days;
  }
  throw new InvalidArgumentError(`It is a number of days from 1 to ${maxDays}, such as 90.`);
}
