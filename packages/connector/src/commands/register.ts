import { parseArgs } from 'node:util';
import { withCommandLog } from '../installation/command-log.ts';
import { readOutbound } from '../local-settings.ts';
import type { RegisteredConnector } from '../register.ts';
import { readEnrolmentToken, readRegistrationToken } from '../registration-token.ts';
import { type ConnectorCommand, dataDirOf, dataOption, exitCodes, UsageError } from './command.ts';

export const registerCommand: ConnectorCommand = {
  name: 'register',
  summary: 'register this machine as a connector',
  options: `\
  --token-file <file>      enrolment token, or access token of an administrator; "-" reads it from the standard input.
                           Without it, $POSTERN_ENROLMENT_TOKEN or $POSTERN_TOKEN is used.
  --service <domain>       the service, with its port where that is not 443; an enrolment token names it
  --ca-file <file>         authority of the service's certificate (PEM), where it is no public one; an enrolment token
                           says how to recognise it
  --connector-group <id>   default: that of the enrolment token, of this connector, or the service's default group
  --new                    become a new connector, even where this machine is one
  --name <name>            default: this machine's host name
  --key rsa3072|p384       default: rsa3072`,
  run: register,
};

async function register(args: readonly string[]): Promise<number> {
  const done = await registerMachine(args);
  process.stdout.write(
    `Registered ${done.machineName} as ${done.isNewConnector ? '' : 'the same '}connector ${done.connectorId}` +
      `${done.isNewConnector ? '' : ' as before'}; its certificate ${done.thumbprint} is valid until ` +
      `${new Date(done.notAfter).toISOString()}.\nStart it with: postern-connector run --data ${done.dataDir}\n`,
  );
  return exitCodes.done;
}

/** Does what `register` does, without a word. @param args As of the command. */
export async function registerMachine(args: readonly string[]): Promise<RegisteredConnector> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...dataOption,
      service: { type: 'string' },
      'token-file': { type: 'string' },
      'ca-file': { type: 'string' },
      'connector-group': { type: 'string' },
      new: { type: 'boolean', default: false },
      name: { type: 'string' },
      key: { type: 'string', default: 'rsa3072' },
    },
  });
  if (values.key !== 'rsa3072' && values.key !== 'p384') throw new UsageError('--key is rsa3072 or p384.');
  const token = readRegistrationToken(values['token-file'], process.env);
  if (token === null) {
    throw new UsageError('No token: give --token-file, or set POSTERN_ENROLMENT_TOKEN or POSTERN_TOKEN.');
  }
  if (values.service === undefined && readEnrolmentToken(token) === null) {
    throw new UsageError('--service is missing; only an enrolment token names the service itself.');
  }
  // What registration needs beside a running connector (making certificates) is loaded only here.
  const { registerConnector } = await import('../register.ts');
  const dataDir = dataDirOf(values.data);
  const outbound = await readOutbound(dataDir, process.env);
  return withCommandLog('register', () =>
    registerConnector({
      token,
      dataDir,
      outbound,
      key: values.key === 'p384' ? 'p384' : 'rsa3072',
      isNew: values.new,
      ...(values.service !== undefined && { service: values.service }),
      ...(values.name !== undefined && { machineName: values.name }),
      ...(values['ca-file'] !== undefined && { caFile: values['ca-file'] }),
      ...(values['connector-group'] !== undefined && { connectorGroupId: values['connector-group'] }),
    }),
  );
}
