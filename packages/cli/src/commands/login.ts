import { me } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { AdminClient } from '../admin-client.ts';
import { contextOf, selectService } from '../command-context.ts';
import { defaultScope } from '../sign-in.ts';
import { addSignInOptions, type SignInOptions, signIn } from '../sign-in-options.ts';

interface LoginOptions extends SignInOptions {
  readonly scope: string;
}

export function addLogin(program: Command): void {
  const command = program
    .command('login')
    .summary('sign in to a service')
    .description(
      'Signs in to the service named by --service: in the browser of this machine, with a code in a browser anywhere ' +
        '(--device), or with a name and a password (--user). Where --ca-file is given it is remembered for the service.',
    );
  addSignInOptions(command)
    .option('--scope <scope>', 'what the sign-in may be used for', defaultScope)
    .action(async (options: LoginOptions) => {
      const context = contextOf(command);
      const connection = selectService(context, await context.credentials.read());
      const tokens = await signIn(connection, options, { scope: options.scope, output: context.output });
      // The name is the service's to say, and asking proves that the token works before anything is remembered.
      const admin = new AdminClient(connection.service, connection.fetch, async () => tokens.accessToken);
      const person = await admin.get('me', me);
      const { name } = connection.service;
      await context.credentials.update(credentials => {
        credentials.services[name] = {
          caFile: connection.caFile,
          tokens: { ...tokens, userPrincipalName: person.userPrincipalName },
        };
        credentials.current = name;
      });
      context.output.result(
        { service: name, userPrincipalName: person.userPrincipalName, roles: person.roles },
        `Signed in to ${name} as ${person.userPrincipalName}.`,
      );
    });
}
