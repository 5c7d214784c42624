import { me } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { AdminClient } from '../admin-client.ts';
import { type CommandContext, contextOf, type ServiceConnection, selectService } from '../command-context.ts';
import type { Tokens } from '../credentials.ts';
import { formatTime } from '../format-time.ts';
import { writeSecretFile } from '../secret-file.ts';
import { defaultScope } from '../sign-in.ts';
import { addSignInOptions, type SignInOptions, signIn } from '../sign-in-options.ts';

interface LoginOptions extends SignInOptions {
  readonly scope?: string;
  readonly tokenFile?: string;
}

export function addLogin(program: Command): void {
  const command = program
    .command('login')
    .summary('sign in to a service')
    .description(
      'Signs in to the service named by --service: in the browser of this machine, with a code in a browser anywhere ' +
        '(--device, and where this machine shows none), or with a name and a password (--user). Where --ca-file is given it is remembered for the service. ' +
        'With --token-file nothing is remembered: an access token is written that lasts an hour, good for what --scope ' +
        'says; by default for registering connectors, and for nothing else.',
    );
  addSignInOptions(command)
    .option(
      '--scope <scope>',
      `what the sign-in may be used for (default: ${defaultScope}; with --token-file: register)`,
    )
    .option(
      '--token-file <file>',
      'write an access token there, for this user alone, instead of signing in here',
    )
    .action(async (options: LoginOptions) => {
      const context = contextOf(command);
      const connection = selectService(context, await context.credentials.read());
      if (options.tokenFile !== undefined) {
        return writeToken(context, connection, options, options.tokenFile);
      }
      const scope = options.scope ?? defaultScope;
      const tokens = await signIn(connection, options, { scope, output: context.output });
      return remember(context, connection, tokens);
    });
}

async function remember(
  context: CommandContext,
  connection: ServiceConnection,
  tokens: Tokens,
): Promise<void> {
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
}

async function writeToken(
  context: CommandContext,
  connection: ServiceConnection,
  options: LoginOptions,
  file: string,
): Promise<void> {
  const wanted = options.scope ?? 'register';
  // Every sign-in with a browser is one of OpenID Connect; the scope lets nothing be done but ask who it was.
  const scope = wanted.split(' ').includes('openid') ? wanted : `openid ${wanted}`;
  const tokens = await signIn(connection, options, { scope, output: context.output });
  await writeSecretFile(file, tokens.accessToken);
  const expirationDateTime = new Date(tokens.expiresAt).toISOString();
  context.output.result(
    { service: connection.service.name, tokenFile: file, scope: wanted, expirationDateTime },
    `Wrote an access token for ${connection.service.name} to ${file}; it is good for "${wanted}" until ` +
      `${formatTime(expirationDateTime)}.`,
  );
}
