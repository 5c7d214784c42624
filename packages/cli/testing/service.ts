import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { RoleName } from '@postern/protocol/admin/directory';
import { dataPaths } from '@postern/server/config/names';
import { configSchema } from '@postern/server/config/schema';
import { startControl } from '@postern/server/control';
import { Directory } from '@postern/server/directory/directory';
import { assignRole } from '@postern/server/directory/roles';
import { createUser, setPasswordHash } from '@postern/server/directory/users';
import { PasswordHasher } from '@postern/server/sign-in/password-hash';
import { Browser } from '@postern/server/sign-in/test-browser';
import { openStore } from '@postern/server/store/open';
import { createLogger } from '@postern/server/telemetry/logger';

export const domain = 'postern.localhost';
export const password = 'correct horse battery staple';

/** What one run of the program left behind. */
export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly configDir?: string;
  /** Further variables. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** A run that has not ended. */
export interface RunningProgram {
  /** The first match of a pattern on standard error. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<Run>;
}

/** A control process behind a TLS listener on a loopback port, and the program's own folder for credentials. */
export interface TestService extends AsyncDisposable {
  readonly folder: string;
  /** `postern.localhost:<port>`. */
  readonly name: string;
  readonly caFile: string;
  /** Signs in with {@link password}; where it has a role it may use the admin API. */
  addUser(name: string, role?: RoleName): Promise<void>;
  /** Runs the program as a person would, to its end; each `configDir` has credentials of its own. */
  postern(args: readonly string[], options?: RunOptions): Promise<Run>;
  /** Starts it and gives it while it runs. */
  start(args: readonly string[], options?: RunOptions): RunningProgram;
  /** The credentials file of a `configDir`. */
  credentialsFile(configDir: string): string;
  /** A browser that can reach the service. */
  browser(): Browser;
  /** The same, signed in as a person of {@link addUser}; each person has credentials of their own. */
  as(userName: string): Promise<(...args: readonly string[]) => Promise<Run>>;
}

export async function startTestService(): Promise<TestService> {
  const folder = await mkdtemp(path.join(tmpdir(), 'postern-cli-'));
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const config = configSchema.parse({
    domain,
    publicPort: port,
    dataDir: folder,
    certificates: { local: true },
  });
  const control = await startControl(config, {
    log: createLogger({ program: 'control', level: 'error' }),
    environment: {},
    now: Date.now,
  });
  const { controlSocket, database } = dataPaths(config);
  const certificates = path.join(folder, 'certificates');
  server.setSecureContext({
    cert: readFileSync(path.join(certificates, `local-${domain}.pem`)),
    key: readFileSync(path.join(certificates, `local-${domain}.key`)),
  });
  forwardTo(server, controlSocket);

  const name = `${domain}:${port}`;
  const caFile = path.join(certificates, 'local-ca.pem');
  const configFolder = (configDir: string) => path.join(folder, 'cli', configDir);
  const start: TestService['start'] = (args, { input = '', configDir = 'nobody', environment } = {}) =>
    startPostern(args, input, { ...environment, POSTERN_CONFIG_DIR: configFolder(configDir) });
  const postern: TestService['postern'] = (args, options) => start(args, options).ended;
  return {
    folder,
    name,
    caFile,
    postern,
    start,
    credentialsFile: configDir => path.join(configFolder(configDir), 'credentials.json'),
    browser: () =>
      new Browser((options, received) => {
        // What the relay adds.
        const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.10', ...options.headers };
        return httpRequest({ ...options, headers, socketPath: controlSocket }, received);
      }),
    addUser: (userName, role) => addUser(database, port, userName, role),
    async as(userName) {
      const run = (...args: readonly string[]) => postern(args, { configDir: userName });
      const login = ['login', '--service', name, '--ca-file', caFile, '--user', userName, '--password-stdin'];
      const signedIn = await postern(login, { input: `${password}\n`, configDir: userName });
      if (signedIn.code !== 0) {
        throw new Error(`login as ${userName} failed: ${signedIn.stderr}`);
      }
      return run;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
      await control.stop(1000);
      await rm(folder, { recursive: true });
    },
  };
}

/** What the relay does with requests for the control process, as far as the program can tell. */
function forwardTo(server: Server, socketPath: string): void {
  server.on('request', (incoming, outgoing) => {
    const { host = '' } = incoming.headers;
    const headers = {
      ...incoming.headers,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': host,
    };
    const { method, url } = incoming;
    const onward = httpRequest({ socketPath, method, path: url, headers, agent: false }, answer => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
}

async function addUser(database: string, port: number, name: string, role?: RoleName): Promise<void> {
  const db = await openStore(database);
  try {
    const directory = new Directory({ db, address: { domain, publicPort: port }, now: Date.now });
    const { id } = await createUser(directory, { userPrincipalName: name, displayName: `Person ${name}` });
    await setPasswordHash(directory, id, await new PasswordHasher().hash(password));
    if (role !== undefined) {
      await assignRole(directory, id, role);
    }
  } finally {
    await db.destroy();
  }
}

const program = path.join(import.meta.dirname, '../bin/postern.mjs');

function startPostern(
  args: readonly string[],
  input: string,
  environment: Readonly<Record<string, string>>,
): RunningProgram {
  const child = spawn(process.execPath, [program, ...args], {
    // No PATH: the program must not open this machine's browser.
    env: {
      ...environment,
      TZ: 'UTC',
      NO_COLOR: '1',
      // Taking the types out of the same hundred files takes a start most of its time.
      NODE_COMPILE_CACHE: path.join(tmpdir(), 'postern-compile-cache'),
    },
    stdio: 'pipe',
  });
  const { stdout, stderr, stdin } = child;
  const output = { stdout: '', stderr: '' };
  stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  // A program that ended without reading its input is no failure of the test.
  stdin.on('error', () => undefined);
  stdin.end(input);
  const ended = once(child, 'close').then(([code]) => ({ code: Number(code ?? -1), ...output }));
  return {
    ended,
    async said(pattern) {
      for (;;) {
        const match = pattern.exec(output.stderr);
        if (match !== null) {
          return match;
        }
        await Promise.race([
          once(stderr, 'data'),
          ended.then(run => {
            if (!pattern.test(run.stderr)) {
              throw new Error(`the program ended without saying ${pattern}: ${run.stderr}`);
            }
          }),
        ]);
      }
    },
  };
}
