import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { readServiceSettings, writeServiceSettings } from '@postern/connector/identity/service-settings';
import { registerConnector } from '@postern/connector/register';
import type { OnPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import { parseConfig } from '@postern/server/config/load';
import type { Config, ConfigInput } from '@postern/server/config/schema';
import { configurePublishing, createApplication, updateAccess } from '@postern/server/directory/applications';
import { assign } from '@postern/server/directory/assignments';
import { Directory } from '@postern/server/directory/directory';
import { assignRole } from '@postern/server/directory/roles';
import { createSession } from '@postern/server/directory/sessions';
import { createUser, setPasswordHash } from '@postern/server/directory/users';
import { openData } from '@postern/server/operate/open-data';
import { openAuthorities } from '@postern/server/registration/authorities';
import { PasswordHasher } from '@postern/server/sign-in/password-hash';
import { stringify } from 'yaml';

const repository = path.join(import.meta.dirname, '..', '..');

/** An application to publish, reachable at `https://<name>.<domain>`. */
export interface TestApplication {
  readonly name: string;
  readonly internalUrl: string;
  readonly passthrough?: boolean;
  /** Names of users; the administrator where absent. */
  readonly assignedTo?: readonly string[];
  readonly translateHostHeader?: boolean;
  readonly timeoutSeconds?: number;
  /** Further settings. */
  readonly publishing?: OnPremisesPublishingUpdate;
}

export interface TestbedOptions {
  readonly applications: readonly TestApplication[];
  /** Beside the administrator `ada`. */
  readonly users?: readonly string[];
  readonly config?: Omit<ConfigInput, 'domain' | 'dataDir'>;
  /** Connectors to start; default 1. */
  readonly connectors?: number;
  /** Environment of the service's processes. */
  readonly environment?: Record<string, string>;
  /** What to run in place of the sources: the programs of built packages, say. */
  readonly programs?: { readonly service: string; readonly connector: string };
  /** Default `bed.localhost`, which is the loopback everywhere. */
  readonly domain?: string;
  /** Address beside the loopback on which the public port listens. */
  readonly address?: string;
  /** Roots beside the local authority that clients and connectors trust, PEM. */
  readonly roots?: string;
  /** The public port; a free one where absent. */
  readonly port?: number;
  /** With it, plain HTTP is answered on the same addresses. */
  readonly httpPort?: number;
  /** Program and parameters that the connectors are started through, in a network of their own, say. */
  readonly connectorThrough?: readonly string[];
  /** Gives the port that a connector's tunnels dial in place of the public one: that of a forwarder, say. */
  readonly tunnelPort?: (publicPort: number, index: number) => Promise<number>;
}

export interface TestConnector {
  readonly id: string;
  readonly dataDir: string;
  process: ChildProcess;
  /** What the connector has logged since its last start. */
  readonly log: Journal;
  /** Starts the connector's process again, and waits until it has a tunnel. */
  restart(): Promise<void>;
  /**
   * Starts the connector's process again and waits for nothing.
   *
   * @param through Program and parameters to start it through.
   */
  launch(through?: readonly string[]): Promise<void>;
}

/** What a process has written, with a way to wait for more. */
export class Journal {
  text = '';
  readonly #waiters = new Set<() => void>();

  push(text: string): void {
    this.text += text;
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  /** Resolves when a text has been written, behind offset `from`. */
  async until(wanted: string, from = 0): Promise<void> {
    while (!this.text.includes(wanted, from)) {
      await new Promise<void>(resolve => this.#waiters.add(resolve));
    }
  }
}

/** Everything of Postern on free ports of the loopback: service, control process, connectors, real certificates. */
export interface Testbed extends AsyncDisposable {
  readonly domain: string;
  readonly port: number;
  readonly privatePort: number;
  readonly caFile: string;
  readonly ca: string;
  readonly configFile: string;
  readonly dataDir: string;
  readonly config: Config;
  readonly administrator: { readonly name: string; readonly password: string };
  /** The relay's process; the control process is its child. */
  readonly service: ChildProcess;
  readonly log: Journal;
  readonly connectors: readonly TestConnector[];
  /** What the service has logged so far. */
  serviceLog(): string;
  /** Cookie of a signed-in person at an application. */
  cookie(application: string, user?: string): string;
  userId(name: string): string;
  applicationId(name: string): string;
  hostOf(application: string): string;
  /** Kills the service as a power cut would and starts it again; resolves when it is ready. */
  restartService(): Promise<void>;
  /** A TLS connection to the public port for a host; HTTP/1.1 unless other protocols are named. */
  connect(host: string, protocols?: readonly string[]): Promise<tls.TLSSocket>;
  /** Sends bytes for an application's host on a connection of their own and collects the answer until it closes. */
  exchange(host: string, bytes: string | Buffer): Promise<string>;
  /** An access token of somebody, by default the administrator. */
  token(user?: string): Promise<string>;
  /** Calls the admin API as the administrator. */
  api(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>;
}

const password = 'correct horse battery staple';
/** A test that waits longer than this for an answer has found a hang, and shows the service's log. */
const answerLimitMs = 60_000;

/** Starts a constellation; dispose of it when done. */
export async function startTestbed(options: TestbedOptions): Promise<Testbed> {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-testbed-'));
  const [freePort, privatePort] = await freePorts(2);
  const port = options.port ?? freePort!;
  // Names under localhost are the loopback's (RFC 6761), for the connector too.
  const domain = options.domain ?? 'bed.localhost';
  const programs = options.programs ?? {
    service: path.join(repository, 'packages/server/src/postern-server.ts'),
    connector: path.join(repository, 'packages/connector/src/main.ts'),
  };
  const addresses = ['127.0.0.1', ...(options.address === undefined ? [] : [options.address])];
  const dataDir = path.join(folder, 'data');
  const input: ConfigInput = {
    ...options.config,
    domain,
    dataDir,
    publicPort: port,
    listen: {
      https: addresses.map(address => `${address}:${port}`),
      http: options.httpPort === undefined ? [] : addresses.map(address => `${address}:${options.httpPort}`),
      private: [`127.0.0.1:${privatePort}`],
    },
    certificates: { local: true, ...options.config?.certificates },
  };
  const configFile = path.join(folder, 'postern.yaml');
  writeFileSync(configFile, stringify(input));
  const config = parseConfig(input, {}, configFile);
  const seeded = await seed(config, options);

  const log = new Journal();
  const startService = () =>
    start([process.execPath, programs.service], ['serve', '--config', configFile], log, options.environment);
  let service = startService();
  const stopFolder = () => rmSync(folder, { recursive: true, force: true });
  try {
    await waitForLog(service, log, 'service ready');
  } catch (error) {
    service.kill('SIGKILL');
    stopFolder();
    throw error;
  }
  const localCaFile = path.join(dataDir, 'certificates', 'local-ca.pem');
  const ca = readFileSync(localCaFile, 'utf8') + (options.roots ?? '');
  const caFile = options.roots === undefined ? localCaFile : path.join(folder, 'roots.pem');
  if (options.roots !== undefined) writeFileSync(caFile, ca);
  const connect = (host: string, protocols: readonly string[] = ['http/1.1']) =>
    connectTo(port, host, ca, protocols);
  const exchange = async (host: string, bytes: string | Buffer) => {
    const socket = await connect(host);
    const timer = setTimeout(() => socket.destroy(), answerLimitMs);
    socket.write(bytes);
    const answer = await readAll(socket);
    clearTimeout(timer);
    if (answer === '') throw new Error(`nothing came from ${host}:\n${log.text}`);
    return answer;
  };
  const tokens = new Map<string, string>();
  const token = async (user = 'ada') => {
    const known = tokens.get(user) ?? (await fetchToken(exchange, domain, user));
    tokens.set(user, known);
    return known;
  };
  const connectors: TestConnector[] = [];
  const dispose = async () => {
    for (const connector of connectors) await end(connector.process);
    await end(service);
    stopFolder();
  };
  for (let index = 0; index < (options.connectors ?? 1); index++) {
    const connectorDir = path.join(folder, `connector-${index}`);
    try {
      connectors.push(
        await startConnector(
          options.connectorThrough ?? [],
          programs.connector,
          connectorDir,
          `${domain}:${port}`,
          caFile,
          token,
          index,
          await options.tunnelPort?.(port, index),
        ),
      );
    } catch (error) {
      await dispose();
      throw error;
    }
  }

  return {
    domain,
    port,
    privatePort: privatePort!,
    caFile,
    ca,
    configFile,
    dataDir,
    config,
    administrator: { name: 'ada', password },
    get service() {
      return service;
    },
    log,
    connectors,
    serviceLog: () => log.text,
    cookie: (application, user = 'ada') => {
      const value = seeded.cookies.get(`${application} ${user}`);
      if (value === undefined) throw new TypeError(`${user} has no session at ${application}`);
      return `__Host-postern=${value}`;
    },
    userId: name => seeded.users.get(name)!,
    applicationId: name => seeded.applications.get(name)!,
    hostOf: application => `${application}.${domain}`,
    restartService: async () => {
      await end(service, 'SIGKILL');
      const from = log.text.length;
      service = startService();
      await waitForLog(service, log, 'service ready', from);
    },
    connect,
    exchange,
    token,
    api: async (method, apiPath, body) => callApi(exchange, domain, await token(), method, apiPath, body),
    [Symbol.asyncDispose]: dispose,
  };
}

interface Seeded {
  readonly users: ReadonlyMap<string, string>;
  readonly applications: ReadonlyMap<string, string>;
  /** By application and user. */
  readonly cookies: ReadonlyMap<string, string>;
}

/** Fills the store before the service starts, with the functions that the service itself uses. */
async function seed(config: Config, options: TestbedOptions): Promise<Seeded> {
  await using data = await openData(config, {});
  const directory = new Directory({ db: data.db, address: config, now: Date.now });
  await openAuthorities({ secrets: data.secrets, domain: config.domain, now: Date.now });
  const hasher = new PasswordHasher({});
  const users = new Map<string, string>();
  for (const name of ['ada', ...(options.users ?? [])]) {
    const user = await createUser(directory, { userPrincipalName: name, displayName: name });
    await setPasswordHash(directory, user.id, await hasher.hash(password));
    users.set(name, user.id);
  }
  await assignRole(directory, users.get('ada')!, 'Global Administrator');
  const applications = new Map<string, string>();
  const cookies = new Map<string, string>();
  for (const wanted of options.applications) {
    const application = await createApplication(directory, { displayName: wanted.name });
    await configurePublishing(directory, application.id, {
      internalUrl: wanted.internalUrl,
      externalUrl: `https://${wanted.name}.${config.domain}:${config.publicPort}/`,
      externalAuthenticationType: wanted.passthrough ? 'passthru' : 'aadPreAuthentication',
      isTranslateHostHeaderEnabled: wanted.translateHostHeader ?? true,
      ...(wanted.timeoutSeconds === undefined ? {} : { applicationServerTimeout: wanted.timeoutSeconds }),
      ...wanted.publishing,
    });
    await updateAccess(directory, application.id, { assignmentRequired: true });
    applications.set(wanted.name, application.id);
    for (const name of wanted.assignedTo ?? ['ada']) {
      await assign(directory, application.servicePrincipalId, users.get(name)!);
    }
    for (const [name, userId] of users) {
      const host = `${wanted.name}.${config.domain}`;
      const session = await createSession(directory, {
        host,
        userId,
        loginSessionUid: null,
        lifetimeMs: 3_600_000,
      });
      cookies.set(`${wanted.name} ${name}`, session.value);
    }
  }
  return { users, applications, cookies };
}

async function startConnector(
  outerThrough: readonly string[],
  program: string,
  dataDir: string,
  service: string,
  caFile: string,
  token: () => Promise<string>,
  index: number,
  tunnelPort: number | undefined,
): Promise<TestConnector> {
  const registered = await registerConnector({
    service,
    token,
    dataDir,
    machineName: `connector-${index}`,
    caFile,
    key: 'p384',
  });
  if (tunnelPort !== undefined) {
    const settings = await readServiceSettings(dataDir);
    await writeServiceSettings(dataDir, { ...settings!, connectPort: tunnelPort });
  }
  let log = new Journal();
  const launch = (through: readonly string[] = []) => {
    log = new Journal();
    const command = [...outerThrough, ...through, process.execPath, program];
    return start(command, ['run', '--data', dataDir], log);
  };
  const run = async () => {
    const child = launch();
    await waitForLog(child, log, 'tunnel_connected');
    return child;
  };
  const connector: TestConnector = {
    id: registered.connectorId,
    dataDir,
    process: await run(),
    get log() {
      return log;
    },
    async restart() {
      await end(connector.process);
      connector.process = await run();
    },
    async launch(through) {
      await end(connector.process);
      connector.process = launch(through);
    },
  };
  return connector;
}

function start(
  [program, ...parameters]: readonly string[],
  args: string[],
  log: Journal,
  environment: Record<string, string> = {},
): ChildProcess {
  const child = spawn(program!, [...parameters, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => log.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => log.push(text));
  return child;
}

/** Waits until a child has logged a text, unless it ends or five minutes pass. */
async function waitForLog(child: ChildProcess, log: Journal, text: string, from = 0): Promise<void> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const fail = () => reject(new Error(`"${text}" was not logged:\n${log.text}`));
  const timer = setTimeout(fail, 300_000);
  child.once('exit', fail);
  try {
    await Promise.race([log.until(text, from), over]);
  } finally {
    clearTimeout(timer);
    child.off('exit', fail);
  }
}

/** Process ids of the children of a process, in the order in which they were started (Linux). */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

/** Holds a process still; resolves when it is, which it is not before it has been given its turn (Linux). */
export async function hold(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  while (!/\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) await sleep(5);
}

/** Ends a child and waits until it has gone. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  const force = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await gone;
  clearTimeout(force);
}

async function connectTo(
  port: number,
  host: string,
  ca: string,
  protocols: readonly string[],
): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    servername: host,
    ca,
    ALPNProtocols: [...protocols],
  });
  await once(socket, 'secureConnect');
  return socket;
}

/** Everything that comes until the other side ends; what came is kept if it ends with an error. */
export async function readAll(socket: tls.TLSSocket | net.Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => chunks.push(bytes));
  socket.on('error', () => {});
  if (!socket.destroyed && !socket.readableEnded) await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

type ExchangeBytes = (host: string, bytes: string | Buffer) => Promise<string>;

async function fetchToken(exchange: ExchangeBytes, domain: string, username: string): Promise<string> {
  const form = new URLSearchParams({
    grant_type: 'urn:postern:params:grant-type:credentials',
    client_id: 'postern-cli',
    username,
    password,
    scope: 'openid api register',
  }).toString();
  const answer = await exchange(
    `login.${domain}`,
    `POST /token HTTP/1.1\r\nHost: login.${domain}\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
      `Content-Length: ${form.length}\r\nConnection: close\r\n\r\n${form}`,
  );
  const body = bodyOf(answer) as { access_token?: string };
  if (body.access_token === undefined) throw new Error(`no token:\n${answer}`);
  return body.access_token;
}

async function callApi(
  exchange: ExchangeBytes,
  domain: string,
  token: string,
  method: string,
  apiPath: string,
  body: unknown,
): Promise<{ status: number; body: unknown }> {
  const json = body === undefined ? '' : JSON.stringify(body);
  const answer = await exchange(
    `portal.${domain}`,
    `${method} /api/v1.0${apiPath} HTTP/1.1\r\nHost: portal.${domain}\r\nAuthorization: Bearer ${token}\r\n` +
      (body === undefined
        ? ''
        : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(json)}\r\n`) +
      `Connection: close\r\n\r\n${json}`,
  );
  return { status: Number(answer.slice(9, 12)), body: bodyOf(answer) };
}

/** The JSON body of an answer with a length. */
function bodyOf(answer: string): unknown {
  const at = answer.indexOf('\r\n\r\n');
  const text = Buffer.from(answer.slice(at + 4), 'latin1').toString('utf8');
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`no JSON in:\n${answer}`);
  }
}

/** Systems hand out ports from 32,768 on to whoever asks for any; these are below, and nobody takes one of them by chance. */
const firstPort = 12_000;
const portsOfProcess = 20;
let portsTried = 0;

/** Ports that nobody listens on, nor will before they are used or while a program that has one is started again. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tried = 0; ports.length < count; tried++) {
    if (tried === portsOfProcess) throw new Error(`${count} ports are more than are free`);
    // Test files run side by side; each takes its ports from others.
    const port = firstPort + (process.pid % 1_000) * portsOfProcess + (portsTried++ % portsOfProcess);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch {
    return false;
  }
  await new Promise(resolve => server.close(resolve));
  return true;
}
