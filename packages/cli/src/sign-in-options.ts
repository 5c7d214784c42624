import { type Command, Option } from 'commander';
import { CliError } from './cli-error.ts';
import type { ServiceConnection } from './command-context.ts';
import type { Tokens } from './credentials.ts';
import type { Output } from './output.ts';
import { askSecret, readSecretFromInput } from './read-secret.ts';
import { discover, signInWithBrowser, signInWithDeviceCode, signInWithPassword } from './sign-in.ts';

/** How a person wants to sign in. */
export interface SignInOptions {
  readonly browser?: boolean;
  readonly device?: boolean;
  readonly user?: string;
  readonly passwordStdin?: boolean;
}

export function addSignInOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--browser', 'open the browser of this machine, even where none seems to be').conflicts([
        'device',
        'user',
        'passwordStdin',
      ]),
    )
    .addOption(
      new Option('--device', 'show a code to enter in a browser on any machine').conflicts([
        'user',
        'passwordStdin',
      ]),
    )
    .option('--user <name>', 'sign in with this name; the password is asked for without echo')
    .option('--password-stdin', 'read the password from standard input');
}

/**
 * Signs a person in, in the way that the options name: by default with a browser here, or with a code where there is none.
 *
 * @throws CliError
 */
export async function signIn(
  connection: ServiceConnection,
  options: SignInOptions,
  { scope, output }: { scope: string; output: Output },
): Promise<Tokens> {
  if (options.passwordStdin && options.user === undefined) {
    throw new CliError('usage', '--password-stdin needs --user NAME.');
  }
  // Asked for before the network is touched, so that a mistake in either is told from one in the other.
  const password = options.user === undefined ? undefined : await readPassword(options);
  const configuration = await discover(connection.service, connection.fetch);
  if (options.user !== undefined && password !== undefined) {
    return signInWithPassword(configuration, { scope, userName: options.user, password });
  }
  const notice = (text: string) => output.notice(text);
  return options.device || !(options.browser || mayHaveBrowser(process.platform, process.env))
    ? signInWithDeviceCode(configuration, { scope, notice })
    : signInWithBrowser(configuration, { scope, notice });
}

function readPassword(options: SignInOptions): Promise<string> {
  return options.passwordStdin
    ? readSecretFromInput(process.stdin)
    : askSecret(`Password of ${options.user}: `, { input: process.stdin, output: process.stderr });
}

/** Whether a browser that this program opens could appear before the person who typed the command. */
export function mayHaveBrowser(platform: NodeJS.Platform, environment: NodeJS.ProcessEnv): boolean {
  // Over SSH the browser would open on the other machine's screen, if it has one.
  if (environment.SSH_CONNECTION && !environment.DISPLAY) {
    return false;
  }
  const hasDesktop = platform === 'darwin' || platform === 'win32';
  return hasDesktop || Boolean(environment.DISPLAY || environment.WAYLAND_DISPLAY);
}
