import { Argument, type Command } from 'commander';
import { applicationToken, forgetApplicationToken } from '../../application-token.ts';
import { findCliError } from '../../cli-error.ts';
import { contextOf, selectService } from '../../command-context.ts';
import { readSecretFromInput } from '../../read-secret.ts';

/** What git says and wants to hear: lines of `name=value` (gitcredentials(7)). */
export function addAppGitCredential(parent: Command): void {
  parent
    .command('git-credential')
    .addArgument(new Argument('<operation>', 'what git asks for').choices(['get', 'store', 'erase']))
    .summary('give git your access token for an application')
    .description(
      'Answers git, which runs it as a credential helper. To use it for a git server that is published:\n' +
        '  git config --global credential.https://code.example.com.helper "!postern app git-credential"',
    )
    .action(async (operation: string, _options: unknown, command: Command) => {
      const application = addressOf(await readSecretFromInput(process.stdin));
      // Nothing is stored for git: the token is kept where the sign-in is.
      if (application === null || operation === 'store') {
        return;
      }
      const context = contextOf(command);
      const connection = selectService(context, await context.credentials.read());
      if (operation === 'erase') {
        return forgetApplicationToken(context, connection, application);
      }
      try {
        const { accessToken } = await applicationToken(context, connection, application);
        process.stdout.write(`username=token\npassword=${accessToken}\n`);
      } catch (error) {
        // Of another server: git goes on to its next helper.
        if (findCliError(error)?.code !== 'notFound') {
          throw error;
        }
      }
    });
}

/** The address of the server; null where git does not speak to it over TLS. */
function addressOf(input: string): string | null {
  const said = new Map<string, string>();
  for (const line of input.split('\n')) {
    const [name = '', ...value] = line.split('=');
    said.set(name, value.join('='));
  }
  const host = said.get('host');
  return said.get('protocol') === 'https' && host !== undefined
    ? `https://${host}/${said.get('path') ?? ''}`
    : null;
}
