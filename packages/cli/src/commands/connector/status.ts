import type { Command } from 'commander';
import { exitCodes } from '../../cli-error.ts';
import { contextOf } from '../../command-context.ts';
import { addDataOption, type ConnectorOptions, explainConnectorError } from '../../connector-options.ts';
import { formatTime } from '../../format-time.ts';
import { formatProperties } from '../../output.ts';

export function addConnectorStatus(parent: Command): void {
  const command = parent
    .command('status')
    .summary('show what the connector of this machine does')
    .description(
      'Shows what the connector of this machine does, and whether its system service is installed, enabled and running, ' +
        'and as whom. Exit code 1 says that it is not connected.',
    );
  addDataOption(command).action(async ({ data }: ConnectorOptions) => {
    const { readConnectorStatus } = await import('@postern/connector/status');
    const { describeService, readServiceState } = await import(
      '@postern/connector/installation/service-state'
    );
    const { output } = contextOf(command);
    const service = await readServiceState();
    const unit = service === null ? [] : ([['Unit', describeService(service)]] as const);
    let status: Awaited<ReturnType<typeof readConnectorStatus>>;
    try {
      status = await readConnectorStatus({ dataDir: data });
    } catch (error) {
      // An image with an installed connector has no identity yet, and a state all the same.
      if ((error as { code?: unknown }).code !== 'not_registered' || service?.isInstalled !== true)
        throw explainConnectorError(error);
      const { remedy } = error as { remedy: string };
      output.result(
        { state: 'not_registered', service },
        formatProperties([['State', 'not registered'], ...unit, ['Do this', remedy]]),
      );
      process.exitCode = exitCodes.failed;
      return;
    }
    const at = (milliseconds: number) => formatTime(new Date(milliseconds).toISOString());
    const { lastError } = status;
    output.result(
      { ...status, service },
      formatProperties([
        ['State', status.state],
        ...unit,
        ['Connector', `${status.machineName} (${status.connectorId})`],
        ['Service', status.connect],
        ['Certificate', `${status.certificate.thumbprint}, valid until ${at(status.certificate.notAfter)}`],
        ...status.tunnels.map(
          tunnel => ['Tunnel', `${tunnel.address} on ${tunnel.nodeId}, since ${at(tunnel.since)}`] as const,
        ),
        ...(lastError === null
          ? []
          : ([
              ['Last failure', `${at(lastError.at)}: ${lastError.message}`],
              ['Do this', lastError.remedy],
            ] as const)),
      ]),
    );
    process.exitCode = status.state === 'connected' ? exitCodes.ok : exitCodes.failed;
  });
}
