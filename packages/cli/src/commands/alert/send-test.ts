import { alertTestResult } from '@postern/protocol/admin/alerts';
import type { Command } from 'commander';
import { CliError } from '../../cli-error.ts';
import { connectAdmin, contextOf } from '../../command-context.ts';

export function addAlertTest(parent: Command): void {
  parent
    .command('test')
    .summary('send a test alert by every channel that is configured')
    .description(
      'Sends one test alert by mail and to every webhook of the configuration, and says what became of each.',
    )
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const result = await admin.post('alerts/test', undefined, alertTestResult);
      if (result.value.length === 0) {
        throw new CliError('failed', 'The service has no way to send alerts.', {
          remedy: 'Set `mail` or `webhooks` in its configuration, and start it again.',
        });
      }
      const lines = result.value.flatMap(({ channel, status, detail, remedy }) => [
        `${channel}: ${status}. ${detail}`,
        ...(remedy === null ? [] : [`  ${remedy}`]),
      ]);
      context.output.result(result, lines.map(printable).join('\n'));
      if (result.value.some(({ status }) => status === 'failed')) process.exitCode = 1;
    });
}

/** What a mail server said must not move the terminal's cursor. */
function printable(line: string): string {
  return line.replace(/\p{Cc}/gu, ' ');
}
