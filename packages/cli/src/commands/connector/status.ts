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
    .description('Shows what the connector of this machine does. Exit code 1 says that it is not connected.');
  addDataOption(command).action(async ({ data }: ConnectorOptions) => {
    const { readConnectorStatus } = await import('@postern/connector/status');
    const status = await readConnectorStatus({ dataDir: data }).catch(error => {
      throw explainConnectorError(error);
    });
    const at = (milliseconds: number) => formatTime(new Date(milliseconds).toISOString());
    const { lastError } = status;
    contextOf(command).output.result(
      status,
      formatProperties([
        ['State', status.state],
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
