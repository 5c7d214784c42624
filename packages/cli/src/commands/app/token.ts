import type { Command } from 'commander';
import { applicationToken } from '../../application-token.ts';
import { contextOf, selectService } from '../../command-context.ts';

export function addAppToken(parent: Command): void {
  parent
    .command('token')
    .argument('<application>', 'its external URL, its name or its id')
    .summary('print an access token with which you use an application from programs')
    .description(
      'Prints an access token for one application that you may use, for example for\n' +
        '  curl -H "Authorization: Bearer $(postern app token wiki)" https://wiki.example.com/\n' +
        'It works for up to an hour, and ends with your sign-in here (`postern login`, or `postern login --device` where ' +
        'there is no browser). One that still works is printed again.',
    )
    .action(async (application: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const connection = selectService(context, await context.credentials.read());
      const { accessToken, expiresAt } = await applicationToken(context, connection, application);
      const expirationDateTime = new Date(expiresAt).toISOString();
      context.output.result({ accessToken, expirationDateTime }, accessToken);
    });
}
