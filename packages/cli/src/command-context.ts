import path from 'node:path';
import { type Outbound, outboundFrom } from '@postern/outbound/outbound';
import type { Command } from 'commander';
import { AdminClient } from './admin-client.ts';
import { CliError, findCliError } from './cli-error.ts';
import { type Credentials, CredentialsFile, type Tokens } from './credentials.ts';
import { Output } from './output.ts';
import { parseServiceAddress, type ServiceAddress } from './service-address.ts';
import { createServiceFetch, type ServiceFetch } from './service-fetch.ts';
import { discover, refresh } from './sign-in.ts';

interface GlobalOptions {
  readonly service?: string;
  readonly caFile?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** What every command works with. */
export interface CommandContext {
  readonly output: Output;
  readonly credentials: CredentialsFile;
  readonly options: GlobalOptions;
  readonly environment: NodeJS.ProcessEnv;
}

/** A service that a command talks to, and how to reach it. */
export interface ServiceConnection {
  readonly service: ServiceAddress;
  readonly caFile: string | undefined;
  readonly fetch: ServiceFetch;
}

/** An access token is renewed when it has less than this left: a request with it has to arrive. */
const renewBeforeMs = 30_000;

export function contextOf(command: Command): CommandContext {
  const options = command.optsWithGlobals<GlobalOptions>();
  return {
    output: new Output(process, { json: options.json ?? false, verbose: options.verbose ?? false }),
    credentials: new CredentialsFile(process.env),
    options,
    environment: process.env,
  };
}

/**
 * The service that `--service` or POSTERN_SERVICE names, else the one signed in to last.
 *
 * @param outbound How connections are made; by default as the variables HTTPS_PROXY and NO_PROXY say.
 * @throws CliError `notSignedIn` where there is none, `usage` where the name is no address.
 */
export function selectService(
  context: CommandContext,
  known: Credentials,
  outbound: Outbound = outboundOf(context),
): ServiceConnection {
  const named = context.options.service ?? context.environment.POSTERN_SERVICE ?? known.current;
  if (named === undefined) {
    throw new CliError('notSignedIn', 'No service is named, and you are not signed in to any.', {
      remedy: 'Run `postern login --service DOMAIN`.',
    });
  }
  const service = parseServiceAddress(named);
  const { caFile: given } = context.options;
  const caFile = given === undefined ? known.services[service.name]?.caFile : path.resolve(given);
  return { service, caFile, fetch: createServiceFetch({ caFile, outbound }) };
}

/** How connections are made: as the variables HTTPS_PROXY and NO_PROXY say. */
export function outboundOf({ environment }: CommandContext): Outbound {
  try {
    return outboundFrom({}, environment);
  } catch (error) {
    throw new CliError('usage', (error as Error).message, { cause: error });
  }
}

/**
 * The admin API for the person signed in to the selected service.
 *
 * @throws CliError `notSignedIn`.
 */
export async function connectAdmin(context: CommandContext): Promise<AdminClient> {
  const connection = selectService(context, await context.credentials.read());
  return new AdminClient(connection.service, connection.fetch, () => currentAccessToken(context, connection));
}

/**
 * An access token of the signed-in person that works for at least half a minute.
 *
 * @throws CliError `notSignedIn`.
 */
export async function currentAccessToken(
  context: CommandContext,
  connection: ServiceConnection,
): Promise<string> {
  const { name } = connection.service;
  const tokens = requireTokens(await context.credentials.read(), name);
  if (isFresh(tokens)) {
    return tokens.accessToken;
  }
  const outcome = await context.credentials.update(async credentials => {
    // Another program may have renewed it while this one waited for the file.
    const latest = requireTokens(credentials, name);
    if (isFresh(latest)) {
      return latest;
    }
    try {
      const renewed = await refresh(await discover(connection.service, connection.fetch), latest);
      credentials.services[name].tokens = renewed;
      return renewed;
    } catch (error) {
      if (findCliError(error)?.code !== 'notSignedIn') {
        throw error;
      }
      // Returned rather than thrown, so that the tokens that work no longer are taken out of the file.
      delete credentials.services[name].tokens;
      return error as CliError;
    }
  });
  if (outcome instanceof CliError) {
    throw outcome;
  }
  return outcome.accessToken;
}

function requireTokens(credentials: Credentials, name: string): Tokens {
  const tokens = credentials.services[name]?.tokens;
  if (tokens === undefined) {
    throw new CliError('notSignedIn', `You are not signed in to ${name}.`, {
      remedy: `Run \`postern login --service ${name}\`.`,
    });
  }
  return tokens;
}

function isFresh(tokens: Tokens): boolean {
  return tokens.expiresAt - Date.now() > renewBeforeMs;
}
