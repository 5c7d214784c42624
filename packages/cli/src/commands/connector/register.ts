import { withCommandLog } from '@postern/connector/installation/command-log';
import { describeSaved } from '@postern/connector/outbound-choice';
import type { RegisterOptions as RegistrationParts } from '@postern/connector/register';
import type { Outbound } from '@postern/outbound/outbound';
import { id } from '@postern/protocol/admin/collection';
import { type Command, Option } from 'commander';
import { AdminClient } from '../../admin-client.ts';
import { CliError, findCliError } from '../../cli-error.ts';
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
import { discover, revoke } from '../../sign-in.ts';
import { addSignInOptions, type SignInOptions, signIn } from '../../sign-in-options.ts';

interface RegisterOptions extends SignInOptions, ConnectorOptions {
  readonly name?: string;
  readonly connectorGroup?: string;
  readonly key: 'rsa3072' | 'p384';
  readonly new?: boolean;
  readonly tokenFile?: string;
  readonly outboundProxy?: string;
  readonly outboundProxyPasswordFile?: string;
}

/** What a sign-in for one registration asks for; `api` to find the connector group by its name. */
const registrationScope = 'openid api register';

export function addConnectorRegister(parent: Command): void {
  const command = parent
    .command('register')
    .summary('register this machine as a connector')
    .description(
      'Registers this machine as a connector: makes a key here, proves it, and has the service certify it. Takes an ' +
        'enrolment token, which names the service and says how to recognise it, or an access token (`postern login ' +
        '--scope register --token-file FILE`) from a file, standard input, POSTERN_ENROLMENT_TOKEN or POSTERN_TOKEN. ' +
        'Without a token it uses the sign-in of `postern login`, and without that it signs in for this registration ' +
        'alone and keeps nothing of it here. A machine that is a connector already stays that connector.',
    )
    .option('--token-file <file>', 'enrolment token or access token; - for standard input')
    .option('--name <name>', "name of this machine (default: the machine's own)")
    .option(
      '--outbound-proxy <url>',
      'HTTP proxy on the way to the service, http://[user@]host:port; saved where it works (default: that of the ' +
        "connector's settings, else HTTPS_PROXY)",
    )
    .option(
      '--outbound-proxy-password-file <file>',
      "that user's password; a copy is saved, which the connector's user alone can read",
    )
    .option('--connector-group <group>', 'connector group to join, by name or id (default: Default)')
    .option('--new', 'become a new connector, even where this machine is one')
    .addOption(
      new Option('--key <kind>', 'kind of key to make').choices(['rsa3072', 'p384']).default('rsa3072'),
    );
  addSignInOptions(addDataOption(command)).action(async (options: RegisterOptions) => {
    const context = contextOf(command);
    const attempt: Attempt = { dataDir: options.data, service: undefined, caFile: undefined, token: null };
    const registered = await register(context, options, attempt).catch(async error => {
      if (!context.output.json) await lookForTheCause(error, attempt);
      throw explainConnectorError(error);
    });
    context.output.result(
      registered,
      `Registered ${registered.machineName} as ${registered.isNewConnector ? '' : 'the same '}connector ` +
        `${registered.connectorId}${registered.isNewConnector ? '' : ' as before'}.\n` +
        `Its certificate ${registered.thumbprint} is valid until ` +
        `${formatTime(new Date(registered.notAfter).toISOString())}.\n` +
        `${registered.proxy === null ? '' : `${describeSaved(registered.proxy)}\n`}` +
        `Start it: postern connector run --data ${registered.dataDir}`,
    );
  });
}

/** What is known of a registration, as far as it came. */
interface Attempt {
  readonly dataDir: string;
  service: string | undefined;
  caFile: string | undefined;
  token: string | null;
  outbound?: Outbound;
}

/** Has the doctor look at the service in the way that the registration went. */
async function lookForTheCause(error: unknown, attempt: Attempt): Promise<void> {
  const { isWorthExamining } = await import('@postern/connector/commands/examine-failure');
  const isUnreachable = findCliError(error)?.code === 'unreachable';
  if (!isUnreachable && !isWorthExamining(error)) return;
  const { examine } = await import('@postern/connector/commands/doctor');
  const { formatFindings, formatLine } = await import('@postern/protocol/doctor/format-report');
  const say = (text: string) => void process.stderr.write(text);
  say('Registering failed. The doctor looks for the cause:\n');
  const report = await examine({ ...attempt, signIn: false, onResult: result => say(formatLine(result)) });
  say(`${formatFindings(report)}\n`);
}

async function register(context: CommandContext, options: RegisterOptions, attempt: Attempt) {
  // Making certificates is loaded only here: it is large, and no other command needs it.
  const { registerConnector } = await import('@postern/connector/register');
  const { chooseOutbound } = await import('@postern/connector/outbound-choice');
  const { readEnrolmentToken, readRegistrationToken } = await import('@postern/connector/registration-token');
  const way = await chooseOutbound(options.data, context.environment, {
    proxy: options.outboundProxy,
    passwordFile: options.outboundProxyPasswordFile,
  });
  attempt.outbound = way.outbound;
  const own = {
    dataDir: options.data,
    machineName: options.name,
    key: options.key,
    isNew: options.new,
    outbound: way.outbound,
  };
  const registerHere = (more: Omit<RegistrationParts, keyof typeof own>) =>
    withCommandLog('register', async () => {
      const registered = await registerConnector({ ...own, ...more });
      return { ...registered, proxy: await way.save(registered.connectHost, registered.connectPort) };
    });
  const token = wantsOwnSignIn(options)
    ? null
    : readRegistrationToken(options.tokenFile, context.environment);
  if (token !== null && readEnrolmentToken(token) !== null) {
    if (options.connectorGroup !== undefined) {
      throw new CliError(
        'usage',
        'An enrolment token is for one connector group; --connector-group has no say in it.',
        {
          remedy: 'Leave it out, or make a token for that group.',
        },
      );
    }
    const { service, caFile } = context.options;
    Object.assign(attempt, { token, service, caFile });
    return registerHere({ token, service, caFile });
  }
  const connection = selectService(context, await context.credentials.read(), own.outbound);
  const service = new URL(connection.service.connectOrigin).host;
  Object.assign(attempt, { service, caFile: connection.caFile });
  await using sign = token === null ? await authenticate(context, connection, options) : keep(token);
  attempt.token = sign.token;
  const admin = new AdminClient(connection.service, connection.fetch, async () => sign.token);
  const groupId = await connectorGroupId(admin, options.connectorGroup);
  return await registerHere({
    service,
    token: sign.token,
    connectorGroupId: groupId,
    caFile: connection.caFile,
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
  const known = await context.credentials.read();
  if (!wantsOwnSignIn(options) && known.services[connection.service.name]?.tokens !== undefined) {
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

function wantsOwnSignIn({ browser, device, user, tokenFile }: RegisterOptions): boolean {
  const isWanted = browser === true || device === true || user !== undefined;
  if (tokenFile !== undefined && isWanted) {
    throw new CliError('usage', '--token-file is instead of a sign-in.', {
      remedy: 'Leave out --browser, --device and --user, or --token-file.',
    });
  }
  return isWanted;
}

function keep(token: string): RegistrationSignIn {
  return { token, async [Symbol.asyncDispose]() {} };
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
