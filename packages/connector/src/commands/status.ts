import { parseArgs } from 'node:util';
import { IdentityError } from '../identity/identity-error.ts';
import { describeService, readServiceState, type ServiceState } from '../installation/service-state.ts';
import { type ConnectorStatus, readConnectorStatus } from '../status.ts';
import { type ConnectorCommand, dataDirOf, dataOption, exitCodes } from './command.ts';

const notConnected = 3;

export const statusCommand: ConnectorCommand = {
  name: 'status',
  summary: 'show what the connector does, and its system service; exit code 3 says that it is not connected',
  options: `\
  --json                   one JSON document`,
  run: status,
};

async function status(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { ...dataOption, json: { type: 'boolean', default: false } },
  });
  const dataDir = dataDirOf(values.data);
  try {
    return await reportStatus(await readConnectorStatus({ dataDir }), values.json);
  } catch (error) {
    return reportUnregistered(error, values.json);
  }
}

/** Prints a status, and what systemd says of the service. @returns the exit code that goes with it. */
export async function reportStatus(found: ConnectorStatus, asJson: boolean): Promise<number> {
  const service = await readServiceState();
  const text = asJson ? `${JSON.stringify({ ...found, service })}\n` : formatStatus(found, service);
  process.stdout.write(text);
  return found.state === 'connected' ? exitCodes.done : notConnected;
}

/** An image with an installed connector has no identity yet, and a state all the same. @throws `error` for all else. */
async function reportUnregistered(error: unknown, asJson: boolean): Promise<number> {
  const service = await readServiceState();
  if (!isUnregistered(error) || service?.isInstalled !== true) throw error;
  const lines = [
    'state        not registered',
    `unit         ${describeService(service)}`,
    `remedy       ${error.remedy}`,
  ];
  const document = { state: 'not_registered', service };
  process.stdout.write(asJson ? `${JSON.stringify(document)}\n` : `${lines.join('\n')}\n`);
  return notConnected;
}

function isUnregistered(error: unknown): error is IdentityError {
  return error instanceof IdentityError && error.code === 'not_registered';
}

/** The status of a connector in words, a line for each fact. */
function formatStatus(status: ConnectorStatus, service: ServiceState | null): string {
  const lines = [
    `connector    ${status.connectorId} (${status.machineName})`,
    `state        ${status.state}`,
    ...(service === null ? [] : [`unit         ${describeService(service)}`]),
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
