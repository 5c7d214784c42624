import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { CliError } from './cli-error.ts';

const tokens = z.object({
  accessToken: z.string(),
  /** Milliseconds since the epoch. */
  expiresAt: z.number(),
  refreshToken: z.string().optional(),
  scope: z.string(),
  userPrincipalName: z.string(),
  /** Access tokens for applications, by what those were called; they end with the sign-in. */
  applications: z.record(z.string(), z.object({ accessToken: z.string(), expiresAt: z.number() })).optional(),
});
export type Tokens = z.infer<typeof tokens>;

const serviceEntry = z.object({
  /** Absolute path of the PEM file with the authorities to trust for this service. */
  caFile: z.string().optional(),
  tokens: tokens.optional(),
});

const credentials = z.object({
  version: z.literal(1),
  /** The service that commands use where none is named. */
  current: z.string().optional(),
  services: z.record(z.string(), serviceEntry),
});
export type Credentials = z.infer<typeof credentials>;

/** How long one program waits for another that is changing the file; a refresh takes a round trip or two. */
const lockTimeoutMs = 30_000;
/** A lock that is older belongs to a program that was killed. */
const staleLockMs = 60_000;

/**
 * The credentials file of one person: `credentials.json`, mode 0600, in the configuration folder. Written whole and
 * renamed into place, so that a crash leaves the old one.
 */
export class CredentialsFile {
  readonly path: string;

  constructor(environment: NodeJS.ProcessEnv) {
    this.path = path.join(configFolder(environment), 'credentials.json');
  }

  /** @throws CliError `failed` where the file is unreadable. */
  async read(): Promise<Credentials> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        return { version: 1, services: {} };
      }
      throw new CliError('failed', `${this.path} cannot be read.`, { cause: error });
    }
    const parsed = credentials.safeParse(parseJson(text));
    if (!parsed.success) {
      throw new CliError('failed', `${this.path} is not a credentials file of this program.`, {
        remedy: 'Remove it and run `postern login`.',
        cause: parsed.error,
      });
    }
    return parsed.data;
  }

  /**
   * Changes the file while no other program does. Refresh tokens work once: two programs that used the same one would
   * look like a thief to the service and be signed out.
   */
  async update<Result>(change: (current: Credentials) => Promise<Result> | Result): Promise<Result> {
    await using _lock = await this.#lock();
    const current = await this.read();
    const before = JSON.stringify(current);
    const result = await change(current);
    if (JSON.stringify(current) !== before) {
      await this.#write(current);
    }
    return result;
  }

  async #write(content: Credentials): Promise<void> {
    const temporary = `${this.path}.${process.pid}`;
    try {
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(`${JSON.stringify(content, null, 2)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw new CliError('failed', `${this.path} cannot be written: ${(error as Error).message}`, {
        remedy: 'Make its folder writable, or choose another with POSTERN_CONFIG_DIR.',
        cause: error,
      });
    }
  }

  async #lock(): Promise<AsyncDisposable> {
    const lock = `${this.path}.lock`;
    const deadline = Date.now() + lockTimeoutMs;
    try {
      await mkdir(path.dirname(lock), { recursive: true, mode: 0o700 });
    } catch (error) {
      throw unwritable(path.dirname(lock), error);
    }
    for (;;) {
      try {
        await (await open(lock, 'wx', 0o600)).close();
        return { [Symbol.asyncDispose]: () => rm(lock, { force: true }) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
          throw unwritable(path.dirname(lock), error);
        }
      }
      if (await isStale(lock)) {
        await rm(lock, { force: true });
      } else if (Date.now() > deadline) {
        throw new CliError('failed', `Another program has been using ${this.path} for too long.`, {
          remedy: `End it, or remove ${lock}.`,
        });
      } else {
        await delay(50);
      }
    }
  }
}

function configFolder(environment: NodeJS.ProcessEnv): string {
  if (environment.POSTERN_CONFIG_DIR) {
    return path.resolve(environment.POSTERN_CONFIG_DIR);
  }
  return path.join(environment.XDG_CONFIG_HOME || path.join(homedir(), '.config'), 'postern');
}

async function isStale(lock: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(lock)).mtimeMs > staleLockMs;
  } catch {
    return false;
  }
}

function unwritable(folder: string, cause: unknown): CliError {
  return new CliError('failed', `${folder} cannot be written: ${(cause as Error).message}`, {
    remedy: 'Make it writable, or choose another folder with POSTERN_CONFIG_DIR.',
    cause,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
