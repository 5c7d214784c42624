import { parseArgs } from 'node:util';
import type { OutboundProxy } from '@postern/outbound/outbound';
import { withCommandLog } from '../installation/command-log.ts';
import { chooseOutbound, describeSaved, type OutboundChoice } from '../outbound-choice.ts';
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
  --outbound-proxy <url>   HTTP proxy on the way to the service, http://[user@]host:port; where it works, it is saved in
                           Config/connector.json. Default: that file, else $HTTPS_PROXY, which is saved likewise.
  --outbound-proxy-password-file <file>
                           that user's password; a copy is saved, which the connector's user alone can read
  --connector-group <id>   default: that of the enrolment token, of this connector, or the service's default group
  --new                    become a new connector, even where this machine is one
  --name <name>            default: this machine's host name
  --key rsa3072|p384       default: rsa3072

Where registering fails, the doctor looks why; the exit code is then that of its group, as of "doctor".`,
  run: register,
};

/** A machine that was registered, and the proxy that has led there and is saved; null where there was none to save. */
export type RegisteredMachine = RegisteredConnector & { readonly proxy: OutboundProxy | null };

async function register(args: readonly string[]): Promise<number> {
  const wanted = await readRegistration(args);
  let done: RegisteredMachine;
  try {
    done = await registerMachine(wanted);
  } catch (error) {
    const { examineFailure } = await import('./examine-failure.ts');
    return (await examineFailure(error, wanted, { isSilent: false })).exitCode;
  }
  process.stdout.write(
    `Registered ${done.machineName} as ${done.isNewConnector ? '' : 'the same '}connector ${done.connectorId}` +
      `${done.isNewConnector ? '' : ' as before'}; its certificate ${done.thumbprint} is valid until ` +
      `${new Date(done.notAfter).toISOString()}.\n${done.proxy === null ? '' : `${describeSaved(done.proxy)}\n`}` +
      `Start it with: postern-connector run --data ${done.dataDir}\n`,
  );
  return exitCodes.done;
}

/** What a registration needs, as the command line says it. */
export interface Registration {
  readonly dataDir: string;
  readonly token: string;
  readonly service: string | undefined;
  readonly caFile: string | undefined;
  readonly way: OutboundChoice;
  readonly connectorGroupId: string | undefined;
  readonly isNew: boolean;
  readonly machineName: string | undefined;
  readonly key: 'rsa3072' | 'p384';
}

/**
 * Reads what `register` is given, the token included.
 *
 * @param args As of the command.
 * @throws UsageError, RangeError, RegistrationError `bad_option`, `enrolment_token_damaged`, `enrolment_token_newer`.
 */
export async function readRegistration(args: readonly string[]): Promise<Registration> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...dataOption,
      service: { type: 'string' },
      'token-file': { type: 'string' },
      'ca-file': { type: 'string' },
      'outbound-proxy': { type: 'string' },
      'outbound-proxy-password-file': { type: 'string' },
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
  const dataDir = dataDirOf(values.data);
  return {
    dataDir,
    token,
    service: values.service,
    caFile: values['ca-file'],
    way: await chooseOutbound(dataDir, process.env, {
      proxy: values['outbound-proxy'],
      passwordFile: values['outbound-proxy-password-file'],
    }),
    connectorGroupId: values['connector-group'],
    isNew: values.new,
    machineName: values.name,
    key: values.key,
  };
}

/** Does what `register` does, without a word. @throws RegistrationError */
export async function registerMachine({ way, ...wanted }: Registration): Promise<RegisteredMachine> {
  // What registration needs beside a running connector (making certificates) is loaded only here.
  const { registerConnector } = await import('../register.ts');
  return withCommandLog('register', async () => {
    const registered = await registerConnector({ ...wanted, outbound: way.outbound });
    return { ...registered, proxy: await way.save(registered.connectHost, registered.connectPort) };
  });
}
