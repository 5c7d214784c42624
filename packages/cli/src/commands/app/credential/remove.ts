import type { Command } from 'commander';
import type { AdminClient } from '../../../admin-client.ts';
import {
  type ApplicationCredential,
  describeProof,
  listCredentials,
} from '../../../application-credentials.ts';
import { CliError } from '../../../cli-error.ts';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { findApplication } from '../../../find-object.ts';

export function addCredentialRemove(parent: Command): void {
  parent
    .command('remove')
    .argument('<application>', 'name or id')
    .argument('<credential>', 'its id or its name')
    .summary('remove a credential: what it has let in ends, and nothing is let in with it any more')
    .action(async (nameOrId: string, given: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id, displayName } = await findApplication(admin, nameOrId);
      const credential = await findCredential(admin, id, given);
      const { keyId } = credential;
      const verb = 'sha256' in credential ? 'removeKey' : 'removePassword';
      await admin.send('POST', `applications/${id}/${verb}`, { keyId });
      context.output.result(
        { keyId, removed: true },
        `Removed the credential ${describeProof(credential)} from ${displayName}.`,
      );
    });
}

async function findCredential(
  admin: AdminClient,
  applicationId: string,
  given: string,
): Promise<ApplicationCredential> {
  const credentials = await listCredentials(admin, applicationId);
  const byId = credentials.find(one => one.keyId === given);
  const named = credentials.filter(one => one.displayName === given);
  const found = byId ?? named[0];
  if (byId === undefined && named.length > 1) {
    throw new CliError('conflict', `${named.length} credentials are called "${given}".`, {
      remedy: `Name one by its id: ${named.map(one => one.keyId).join(', ')}.`,
    });
  }
  if (found === undefined) {
    throw new CliError('notFound', `This application has no credential "${given}".`, {
      remedy: '`postern app credential list` shows them all.',
    });
  }
  return found;
}
