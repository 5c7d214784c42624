import { parseArgs } from 'node:util';
import { type ConnectorStatus, readConnectorStatus } from '../status.ts';
import { type ConnectorCommand, dataDirOf, dataOption, exitCodes } from './command.ts';

const notConnected = 3;

export const statusCommand: ConnectorCommand = {
  name: 'status',
  summary: 'show what the connector does; exit code 3 says that it is not connected',
  options: `\
  --json                   one JSON document`,
  run: status,
};

async function status(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { ...dataOption, json: { type: 'boolean', default: false } },
  });
  const found = await readConnectorStatus({ dataDir: dataDirOf(values.data) });
  return reportStatus(found, values.json);
}

/** Prints a status. @returns the exit code that goes with it. */
export function reportStatus(found: ConnectorStatus, asJson: boolean): number {
  process.stdout.write(asJson ? `${JSON.stringify(found)}\n` : formatStatus(found));
  return found.state === 'connected' ? exitCodes.done : notConnected;
}

/** The status of a connector in words, a line for each fact. */
function formatStatus(status: ConnectorStatus): string {
  const lines = [
    `connector    ${status.connectorId} (${status.machineName})`,
    `state        ${status.state}`,
    `service      ${status.connect}`,
    `certificate  ${status.certificate.thumbprint}, valid until ${new Date(status.certificate.notAfter).toISOString()}`,
    ...status.tunnels.map(
      tunnel =>
        `tunnel       ${tunnel.address} on ${tunnel.nodeId}, since ${new Date(tunnel.since).toISOString()}`,
    ),
  ];
  if (status.lastError) {
    lines.push(`last error   ${status.lastError.message}`, `remedy       ${status.lastError.remedy}`);
  }
  return `${lines.join('\n')}\n`;
}
