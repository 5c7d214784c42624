import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { logLevels } from './events/log.ts';
import { type ConnectorStatus, readConnectorStatus } from './status.ts';
import { connectorVersion } from './version.ts';

const usage = `Usage: postern-connector <command> [options]

Commands:
  register   register this machine as a connector
  run        run the connector in the foreground
  status     show what the connector does

Options of all:
  --data <folder>          the connector's folder (default: $POSTERN_CONNECTOR_DATA, else /var/lib/postern-connector)
  --help, --version

register:
  --service <domain>       the service, with its port where that is not 443
  --token-file <file>      access token of an administrator; "-" reads it from the standard input.
                           Without it, $POSTERN_TOKEN is used.
  --ca-file <file>         authority of the service's certificate (PEM), where it is no public one
  --connector-group <id>   default: the service's default group
  --name <name>            default: this machine's host name
  --key rsa3072|p384       default: rsa3072

run:
  --allow <entry>          dial only this: a network (10.0.0.0/8) or a host with or without a port (wiki.corp:443);
                           may be repeated, and given in Config/connector.json
  --log-level <level>      debug, info, warn or error (default: info)

status:
  --json                   one JSON document

Exit codes: 0 done, 1 failed, 2 not understood, 3 (status) not connected.
`;

const failed = 1;
const notUnderstood = 2;
const notConnected = 3;

/**
 * Runs a command of the connector's own program.
 *
 * @param args Without interpreter and script.
 * @returns the exit code.
 */
export async function runCommand(args: readonly string[]): Promise<number> {
  const [command = '', ...rest] = args;
  try {
    switch (command) {
      case 'register':
        return await register(rest);
      case 'run':
        return await run(rest);
      case 'status':
        return await status(rest);
      case '--version':
        process.stdout.write(`${connectorVersion}\n`);
        return 0;
      case '':
      case 'help':
      case '--help':
        process.stdout.write(usage);
        return command === '' ? notUnderstood : 0;
      default:
        return explainUsage(`There is no command "${command}".`);
    }
  } catch (error) {
    return explain(error);
  }
}

const dataOption = { data: { type: 'string' } } as const;

async function register(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...dataOption,
      service: { type: 'string' },
      'token-file': { type: 'string' },
      'ca-file': { type: 'string' },
      'connector-group': { type: 'string' },
      name: { type: 'string' },
      key: { type: 'string', default: 'rsa3072' },
    },
  });
  if (values.service === undefined) return explainUsage('--service is missing.');
  if (values.key !== 'rsa3072' && values.key !== 'p384') return explainUsage('--key is rsa3072 or p384.');
  const token = readToken(values['token-file']);
  if (token === '') return explainUsage('No access token: give --token-file, or set POSTERN_TOKEN.');
  // What registration needs beside a running connector (making certificates) is loaded only here.
  const { registerConnector } = await import('./register.ts');
  const done = await registerConnector({
    service: values.service,
    token,
    dataDir: dataDirOf(values.data),
    key: values.key,
    ...(values.name !== undefined && { machineName: values.name }),
    ...(values['ca-file'] !== undefined && { caFile: values['ca-file'] }),
    ...(values['connector-group'] !== undefined && { connectorGroupId: values['connector-group'] }),
  });
  process.stdout.write(
    `Registered ${done.machineName} as connector ${done.connectorId}; its certificate ${done.thumbprint} is valid until ` +
      `${new Date(done.notAfter).toISOString()}.\nStart it with: postern-connector run --data ${done.dataDir}\n`,
  );
  return 0;
}

async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...dataOption,
      allow: { type: 'string', multiple: true, default: [] },
      'log-level': { type: 'string', default: 'info' },
    },
  });
  const logLevel = logLevels.find(level => level === values['log-level']);
  if (logLevel === undefined) return explainUsage(`--log-level is one of ${logLevels.join(', ')}.`);
  const { runConnector } = await import('./run.ts');
  await runConnector({ dataDir: dataDirOf(values.data), allow: values.allow, logLevel });
  return 0;
}

async function status(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { ...dataOption, json: { type: 'boolean', default: false } },
  });
  const found = await readConnectorStatus({ dataDir: dataDirOf(values.data) });
  process.stdout.write(values.json ? `${JSON.stringify(found)}\n` : formatStatus(found));
  return found.state === 'connected' ? 0 : notConnected;
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

function dataDirOf(option: string | undefined): string {
  return option ?? process.env['POSTERN_CONNECTOR_DATA'] ?? '/var/lib/postern-connector';
}

// Never from the command line itself: other users of the machine see it in the list of processes.
function readToken(file: string | undefined): string {
  if (file === undefined) return (process.env['POSTERN_TOKEN'] ?? '').trim();
  return readFileSync(file === '-' ? 0 : file, 'utf8').trim();
}

function explainUsage(problem: string): number {
  process.stderr.write(`${problem} See "postern-connector --help".\n`);
  return notUnderstood;
}

function explain(error: unknown): number {
  if (isUsageError(error)) return explainUsage(error.message);
  const { message, remedy, category } = error as Error & { remedy?: string; category?: string };
  const where = category === undefined ? '' : `[${category.replaceAll('_', ' ')}] `;
  process.stderr.write(`${where}${message}\n${remedy === undefined ? '' : `${remedy}\n`}`);
  return failed;
}

function isUsageError(error: unknown): error is Error {
  return (
    error instanceof RangeError ||
    (error instanceof Error && (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true)
  );
}
