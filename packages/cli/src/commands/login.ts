import { me } from '@postern/protocol/admin/directory';
import { type Command, Option } from 'commander';
import { AdminClient } from '../admin-client.ts';
import { CliError } from '../cli-error.ts';
import { type CommandContext, contextOf, type ServiceConnection, selectService } from '../command-context.ts';
import type { Tokens } from '../credentials.ts';
import { askSecret, readSecretFromInput } from '../read-secret.ts';
import {
  defaultScope,
  discover,
  signInWithBrowser,
  signInWithDeviceCode,
  signInWithPassword,
} from '../sign-in.ts';

interface LoginOptions {
  readonly device?: boolean;
  readonly user?: string;
  readonly passwordStdin?: boolean;
  readonly scope: string;
}

export function addLogin(program: Command): void {
  program
    .command('login')
    .summary('sign in to a service')
    .description(
      'Signs in to the service named by --service: in the browser of this machine, with a code in a browser anywhere ' +
        '(--device), or with a name and a password (--user). Where --ca-file is given it is remembered for the service.',
    )
    .addOption(
      new Option('--device', 'show a code to enter in a browser on any machine').conflicts([
        'user',
        'passwordStdin',
      ]),
    )
    .option('--user <name>', 'sign in with this name; the password is asked for without echo')
    .option('--password-stdin', 'read the password from standard input')
    .option('--scope <scope>', 'what the sign-in may be used for', defaultScope)
    .action(async (options: LoginOptions, command: Command) => {
      const context = contextOf(command);
      if (options.passwordStdin && options.user === undefined) {
        throw new CliError('usage', '--password-stdin needs --user NAME.');
      }
      const connection = selectService(context, await context.credentials.read());
      const tokens = await signIn(context, connection, options);
      // The name is the service's to say, and asking proves that the token works before anything is remembered.
      const person = await new AdminClient(
        connection.service,
        connection.fetch,
        async () => tokens.accessToken,
      ).get('me', me);
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

async function signIn(
  context: CommandContext,
  connection: ServiceConnection,
  options: LoginOptions,
): Promise<Tokens> {
  const password = options.user === undefined ? undefined : await readPassword(options);
  const configuration = await discover(connection.service, connection.fetch);
  const { scope } = options;
  if (options.user !== undefined && password !== undefined) {
    return signInWithPassword(configuration, { scope, userName: options.user, password });
  }
  const notice = (text: string) => context.output.notice(text);
  return options.device
    ? signInWithDeviceCode(configuration, { scope, notice })
    : signInWithBrowser(configuration, { scope, notice });
}

function readPassword(options: LoginOptions): Promise<string> {
  return options.passwordStdin
    ? readSecretFromInput(process.stdin)
    : askSecret(`Password of ${options.user}: `, { input: process.stdin, output: process.stderr });
}
