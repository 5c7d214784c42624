import { parseArgs } from 'node:util';
import { requiredConnections } from '@postern/protocol/required-connections';
import { serviceNames } from '../doctor/context.ts';
import { readServiceSettings } from '../identity/service-settings.ts';
import { parseService } from '../register.ts';
import { type ConnectorCommand, dataDirOf, dataOption, exitCodes, UsageError } from './command.ts';

export const requirementsCommand: ConnectorCommand = {
  name: 'requirements',
  summary: 'show the names and ports that this machine has to reach, for a firewall ticket',
  options: `\
  --service <domain>       the service, with its port where that is not 443; default: that of the registered connector
  --json                   one JSON document`,
  run: requirements,
};

/** What a firewall has to let out; nothing has to come in. */
interface Requirement {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'TCP';
  readonly purpose: string;
}

async function requirements(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { ...dataOption, service: { type: 'string' }, json: { type: 'boolean', default: false } },
  });
  const { host, port } = await endpointOf(values.service, dataDirOf(values.data));
  const names = serviceNames(host, port);
  const outbound: Requirement[] = requiredConnections(names.domain, port, 80).map(one => ({
    name: one.host,
    port: one.port,
    protocol: 'TCP',
    purpose: one.purpose,
  }));
  const document = { service: names.domain, wildcard: `*.${names.domain}`, outbound, inbound: [] };
  process.stdout.write(values.json ? `${JSON.stringify(document)}\n` : format(document));
  return exitCodes.done;
}

async function endpointOf(
  service: string | undefined,
  dataDir: string,
): Promise<{ readonly host: string; readonly port: number }> {
  if (service !== undefined) return parseService(service);
  const settings = await readServiceSettings(dataDir);
  if (settings !== null) return { host: settings.connectHost, port: settings.connectPort };
  throw new UsageError('No connector is registered here: name the service with --service.');
}

function format({ wildcard, outbound }: { wildcard: string; outbound: readonly Requirement[] }): string {
  const width = Math.max(...outbound.map(one => one.name.length));
  const ports = [...new Set(outbound.map(one => one.port))].sort((a, b) => b - a).join(' and ');
  return `Outbound, from the connector's machine:
${outbound.map(one => `  ${one.name.padEnd(width)}  TCP ${String(one.port).padEnd(5)}  ${one.purpose}`).join('\n')}

In one line for a firewall that knows wildcards: ${wildcard}, TCP ${ports}.
TLS to these names must not be opened on the way: the connector shows a client certificate.
An HTTP proxy has to allow CONNECT to them. Name servers must resolve them, or the proxy does.
Inbound: nothing.
`;
}
