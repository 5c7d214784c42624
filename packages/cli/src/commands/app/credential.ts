import type { Command } from 'commander';
import { addCredentialAdd } from './credential/add.ts';
import { addCredentialList } from './credential/list.ts';
import { addCredentialRemove } from './credential/remove.ts';

export function addAppCredential(parent: Command): void {
  const noun = parent
    .command('credential')
    .summary('manage the credentials of programs that use an application')
    .description(
      'Manages the credentials of programs that use an application without a person: git, curl, WebDAV, jobs. A program ' +
        'sends its client id and secret as HTTP Basic, gets access tokens with them, or presents a client certificate ' +
        'in TLS. Needs Application Administrator.',
    )
    .helpCommand(false);
  addCredentialAdd(noun);
  addCredentialList(noun);
  addCredentialRemove(noun);
}
