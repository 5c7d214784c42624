import { logLevels } from '@postern/connector/events/log';
import { type Command, Option } from 'commander';
import { CliError } from '../../cli-error.ts';
import { addDataOption, type ConnectorOptions, explainConnectorError } from '../../connector-options.ts';

interface RunOptions extends ConnectorOptions {
  readonly allow?: string[];
  readonly sessionLog?: boolean;
  readonly logLevel: (typeof logLevels)[number];
}

export function addConnectorRun(parent: Command): void {
  const command = parent
    .command('run')
    .summary('run the connector of this machine in the foreground')
    .description(
      'Runs the connector in the foreground, with its log as JSON lines on standard error. SIGTERM and Ctrl-C let ' +
        'requests in flight finish; a second one ends it at once.',
    )
    .option(
      '--allow <entry...>',
      'dial only these: networks (10.0.0.0/8), or hosts with or without a port (wiki.corp:443)',
    )
    .option('--session-log', 'keep a session log: a line for each request, without its content')
    .addOption(
      new Option('--log-level <level>', 'least severe level that is logged')
        .choices(logLevels)
        .default('info'),
    );
  addDataOption(command).action(async ({ data, allow, sessionLog, logLevel }: RunOptions) => {
    const { runConnector } = await import('@postern/connector/run');
    const { IdentityError } = await import('@postern/connector/identity/identity-error');
    await runConnector({ dataDir: data, allow, sessionLog, logLevel }).catch(error => {
      if (!(error instanceof IdentityError)) throw explainConnectorError(error);
      // Whoever supervises the connector has to know that starting it again would change nothing.
      throw new CliError('unusableIdentity', error.message, { remedy: error.remedy, cause: error });
    });
  });
}
