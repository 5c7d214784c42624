import { readFile } from 'node:fs/promises';
import { id } from '@postern/protocol/admin/collection';
import { type Command, Option } from 'commander';
import { AdminClient } from '../../admin-client.ts';
import { CliError } from '../../cli-error.ts';
import {
  type CommandContext,
  contextOf,
  currentAccessToken,
  type ServiceConnection,
  selectService,
} from '../../command-context.ts';
import { addDataOption, type ConnectorOptions, explainConnectorError } from '../../connector-options.ts';
import { findConnectorGroup } from '../../find-object.ts';
import { formatTime } from '../../format-time.ts';
import { readSecretFromInput } from '../../read-secret.ts';
import { discover, revoke } from '../../sign-in.ts';
import { addSignInOptions, type SignInOptions, signIn } from '../../sign-in-options.ts';

interface RegisterOptions extends SignInOptions, ConnectorOptions {
  readonly name?: string;
  readonly connectorGroup?: string;
  readonly key: 'rsa3072' | 'p384';
  readonly tokenFile?: string;
}

/** What a sign-in for one registration asks for; `api` to find the connector group by its name. */
const registrationScope = 'openid api register';

export function addConnectorRegister(parent: Command): void {
  const command = parent
    .command('register')
    .summary('register this machine as a connector')
    .description(
      'Registers this machine as a connector: makes a key here, proves it, and has the service certify it. Uses the ' +
        'sign-in of `postern login`; without one it signs in for this registration alone and keeps nothing of it here.',
    )
    .option('--name <name>', "name of this machine (default: the machine's own)")
    .option('--connector-group <group>', 'connector group to join, by name or id (default: Default)')
    .addOption(
      new Option('--key <kind>', 'kind of key to make').choices(['rsa3072', 'p384']).default('rsa3072'),
    )
    .option(
      '--token-file <file>',
      'access token of an administrator, instead of a sign-in; - for standard input',
    );
  addSignInOptions(addDataOption(command)).action(async (options: RegisterOptions) => {
    const context = contextOf(command);
    const connection = selectService(context, await context.credentials.read());
    await using sign = await authenticate(context, connection, options);
    const admin = new AdminClient(connection.service, connection.fetch, async () => sign.token);
    // Making certificates is loaded only here: it is large, and no other command needs it.
    const { registerConnector } = await import('@postern/connector/register');
    const registered = await registerConnector({
      service: new URL(connection.service.connectOrigin).host,
      token: sign.token,
      dataDir: options.data,
      machineName: options.name,
      connectorGroupId: await connectorGroupId(admin, options.connectorGroup),
      key: options.key,
      caFile: connection.caFile,
    }).catch(error => {
      throw explainConnectorError(error);
    });
    context.output.result(
      registered,
      `Registered ${registered.machineName} as connector ${registered.connectorId}.\n` +
        `Its certificate ${registered.thumbprint} is valid until ` +
        `${formatTime(new Date(registered.notAfter).toISOString())}.\n` +
        `Start it: postern connector run --data ${registered.dataDir}`,
    );
  });
}

interface RegistrationSignIn extends AsyncDisposable {
  readonly token: string;
}

async function authenticate(
  context: CommandContext,
  connection: ServiceConnection,
  options: RegisterOptions,
): Promise<RegistrationSignIn> {
  if (options.tokenFile !== undefined) {
    return keep(await readToken(options.tokenFile));
  }
  const wantsOwnSignIn = options.device === true || options.user !== undefined;
  const known = await context.credentials.read();
  if (!wantsOwnSignIn && known.services[connection.service.name]?.tokens !== undefined) {
    return keep(await currentAccessToken(context, connection));
  }
  const tokens = await signIn(connection, options, { scope: registrationScope, output: context.output });
  return {
    token: tokens.accessToken,
    // No credential of an administrator stays on the connector's machine, nor working anywhere else. The registration
    // is done by then, and a failure here must not read as one of it.
    async [Symbol.asyncDispose]() {
      await discover(connection.service, connection.fetch)
        .then(configuration => revoke(configuration, tokens))
        .catch(() => undefined);
    },
  };
}

function keep(token: string): RegistrationSignIn {
  return { token, async [Symbol.asyncDispose]() {} };
}

async function readToken(file: string): Promise<string> {
  const text = file === '-' ? await readSecretFromInput(process.stdin) : await readTokenFile(file);
  if (text.trim() === '') {
    throw new CliError('usage', 'The access token is empty.');
  }
  return text.trim();
}

async function readTokenFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError('usage', `${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

async function connectorGroupId(
  admin: AdminClient,
  nameOrId: string | undefined,
): Promise<string | undefined> {
  if (nameOrId === undefined || id.safeParse(nameOrId).success) {
    return nameOrId;
  }
  return (await findConnectorGroup(admin, nameOrId)).id;
}
