import { addedPassword, maxCredentialLifetimeSeconds } from '@postern/protocol/admin/application-credentials';
import { type Command, InvalidArgumentError } from 'commander';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { findApplication } from '../../../find-object.ts';
import { formatTime } from '../../../format-time.ts';

interface AddOptions {
  readonly name?: string;
  readonly validFor: number;
  readonly client?: string;
}

const day = 86_400;
const maxDays = maxCredentialLifetimeSeconds / day;

export function addCredentialAdd(parent: Command): void {
  parent
    .command('add')
    .argument('<application>', 'name or id')
    .summary('make a credential for a program; its secret is shown once')
    .option('--name <text>', 'what it is for, for people to read')
    .option('--valid-for <days>', `how long it works, in days: 1 to ${maxDays}`, readDays, 365)
    .option(
      '--client <id>',
      'client id of this application that gets a further secret, to change secrets without changing who the program is',
    )
    .action(async (nameOrId: string, { name, validFor, client }: AddOptions, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id, displayName } = await findApplication(admin, nameOrId);
      // A minute less, since the service counts from when the request arrives there, by its own clock.
      const endDateTime = new Date(Date.now() + validFor * day * 1_000 - 60_000).toISOString();
      const added = await admin.post(
        `applications/${id}/addPassword`,
        { passwordCredential: { displayName: name, endDateTime, clientId: client } },
        addedPassword,
      );
      context.output.result(
        added,
        `Made a credential for ${displayName}, until ${formatTime(added.endDateTime)}. The secret is shown only now:\n\n` +
          `Client id      ${added.clientId}\nClient secret  ${added.secretText}\n\n` +
          `To remove it: postern app credential remove ${id} ${added.keyId}`,
      );
    });
}

function readDays(text: string): number {
  const days = Number(text.replace(/d$/, ''));
  if (Number.isInteger(days) && days >= 1 && days <= maxDays) {
    return days;
  }
  throw new InvalidArgumentError(`It is a number of days from 1 to ${maxDays}, such as 90.`);
}
