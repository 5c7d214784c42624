import type { CommandContext, ServiceConnection } from './command-context.ts';
import { currentAccessToken } from './command-context.ts';
import { discover, exchangeToken } from './sign-in.ts';

/** A token is asked for anew when it has less than this left: what is done with it has to arrive. */
const renewBeforeMs = 60_000;

/** An access token for one application. */
export interface ApplicationToken {
  readonly accessToken: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * An access token with which the signed-in person uses an application, from the credentials file where that has one.
 *
 * @param application Its external URL, or one below that; else its name or id.
 * @throws CliError `notSignedIn`; `notFound` where there is no such application that this person may use.
 */
export async function applicationToken(
  context: CommandContext,
  connection: ServiceConnection,
  application: string,
): Promise<ApplicationToken> {
  const { name } = connection.service;
  const { services } = await context.credentials.read();
  const known = services[name]?.tokens?.applications?.[application];
  if (known !== undefined && known.expiresAt - Date.now() > renewBeforeMs) {
    return known;
  }
  const accessToken = await currentAccessToken(context, connection);
  const token = await exchangeToken(
    await discover(connection.service, connection.fetch),
    accessToken,
    application,
  );
  await context.credentials.update(credentials => {
    const tokens = credentials.services[name]?.tokens;
    if (tokens !== undefined) {
      tokens.applications = { ...tokens.applications, [application]: token };
    }
  });
  return token;
}

/** Forgets the token of an application: it was refused. */
export async function forgetApplicationToken(
  context: CommandContext,
  { service }: ServiceConnection,
  application: string,
): Promise<void> {
  await context.credentials.update(credentials => {
    delete credentials.services[service.name]?.tokens?.applications?.[application];
  });
}
