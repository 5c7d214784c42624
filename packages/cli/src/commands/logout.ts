import type { Command } from 'commander';
import { contextOf, selectService } from '../command-context.ts';
import { discover, revoke } from '../sign-in.ts';

export function addLogout(program: Command): void {
  program
    .command('logout')
    .summary('end the sign-in')
    .description(
      'Ends the sign-in at the service and forgets it here. What was trusted with --ca-file stays.',
    )
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const connection = selectService(context, await context.credentials.read());
      const { name } = connection.service;
      const tokens = await context.credentials.update(credentials => {
        const previous = credentials.services[name]?.tokens;
        delete credentials.services[name]?.tokens;
        return previous;
      });
      if (tokens === undefined) {
        context.output.result({ service: name, signedOut: false }, `You were not signed in to ${name}.`);
        return;
      }
      const warning = await tryToRevoke();
      context.output.result(
        { service: name, signedOut: true, revokedAtService: warning === undefined },
        warning ?? `Signed out of ${name}.`,
      );

      async function tryToRevoke(): Promise<string | undefined> {
        try {
          await revoke(await discover(connection.service, connection.fetch), tokens!);
          return undefined;
        } catch (error) {
          // Forgetting here must not depend on the network; what is left at the service expires by itself.
          return `Forgotten here, but ${name} could not be told: ${(error as Error).message}`;
        }
      }
    });
}
