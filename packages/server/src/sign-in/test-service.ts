import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { publishingDefaults } from '@postern/protocol/admin/publishing';
import fastify from 'fastify';
import type { Kysely } from 'kysely';
import { pino } from 'pino';
import { configSchema } from '../config/schema.ts';
import { Directory } from '../directory/directory.ts';
import { createUser, setPasswordHash } from '../directory/users.ts';
import { controlFetch } from '../preauth/control-fetch.ts';
import { registerPreauth } from '../preauth/register.ts';
import { openStore } from '../store/open.ts';
import type { Database } from '../store/schema.ts';
import { SealedSecrets } from '../store/sealed-secrets.ts';
import type { UserRow } from '../store/users.ts';
import { registerMyApps } from './my-apps.ts';
import { registerSignIn } from './register.ts';
import { SignIn } from './sign-in.ts';
import { Browser } from './test-browser.ts';

export const testPassword = 'correct horse battery staple';
export const testDomain = 'example.test';
export const loginOrigin = `https://login.${testDomain}`;

/** The control process's sign-in on a real socket and a real store in a folder of its own. */
export interface TestService extends AsyncDisposable {
  readonly signIn: SignIn;
  readonly db: Kysely<Database>;
  readonly directory: Directory;
  readonly socketPath: string;
  readonly serverErrors: unknown[];
  /** What was logged, line by line. */
  readonly logged: readonly Readonly<Record<string, unknown>>[];
  /** Ids of the connectors that have a tunnel. */
  readonly liveConnectors: Set<string>;
  /** Moves the service's clock. The provider's own clock does not move with it. */
  advance(ms: number): void;
  addUser(name: string, password?: string | null): Promise<UserRow>;
  addApplication(label: string, options?: { path?: string; assignmentRequired?: boolean }): Promise<string>;
  /** Of the default group. Returns its id. */
  addConnector(): Promise<string>;
  browser(address?: string): Browser;
}

export async function startTestService(
  signInOptions: { readonly maxFailuresPerAccount?: number; readonly maxFailuresPerAddress?: number } = {},
): Promise<TestService> {
  const folder = await mkdtemp(path.join(tmpdir(), 'postern-sign-in-'));
  const socketPath = path.join(folder, 'control.sock');
  const db = await openStore(path.join(folder, 'postern.db'));
  const config = configSchema.parse({ domain: testDomain, signIn: signInOptions });
  let offset = 0;
  const now = () => Date.now() + offset;
  const directory = new Directory({ db, address: config, now });
  const serverErrors: unknown[] = [];
  const logged: Record<string, unknown>[] = [];
  const liveConnectors = new Set<string>();
  const signIn = await SignIn.open({
    config,
    directory,
    secrets: new SealedSecrets(db, randomBytes(32)),
    log: pino({ base: null }, { write: line => void logged.push(JSON.parse(line)) }),
    onServerError: error => serverErrors.push(error),
  });
  const app = fastify();
  const { fetch, close } = controlFetch(socketPath);
  await registerSignIn(app, signIn);
  await registerPreauth(app, { signIn, fetch });
  registerMyApps(app, signIn, {
    isConnectorLive: id => liveConnectors.has(id),
    reportOutcomes: async () => new Map(),
  });
  await app.listen({ path: socketPath });
  return {
    signIn,
    db,
    directory,
    socketPath,
    serverErrors,
    logged,
    liveConnectors,
    advance: ms => {
      offset += ms;
    },
    addUser: async (name, password = testPassword) => {
      const user = await createUser(directory, { userPrincipalName: name, displayName: name.split('@')[0] });
      if (password !== null) {
        await setPasswordHash(directory, user.id, await signIn.credentials.hasher.hash(password));
      }
      return user;
    },
    addApplication: (label, options) => addApplication(db, label, options),
    addConnector: () => addConnector(db),
    browser: (address = '192.0.2.10') =>
      new Browser((options, received) => {
        // What the relay adds.
        const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-for': address, ...options.headers };
        return request({ ...options, headers, socketPath }, received);
      }),
    async [Symbol.asyncDispose]() {
      await close();
      await app.close();
      await db.destroy();
      await rm(folder, { recursive: true });
    },
  };
}

async function addConnector(db: Kysely<Database>): Promise<string> {
  const group = await db.selectFrom('connectorGroup').select('id').executeTakeFirstOrThrow();
  const id = randomUUID();
  const machine = { machineName: 'machine', version: '0.1.0', os: 'Linux', externalIp: null };
  const times = { createdAt: Date.now(), lastSeenAt: null, revokedAt: null };
  await db
    .insertInto('connector')
    .values({ id, groupId: group.id, ...machine, ...times })
    .execute();
  return id;
}

async function addApplication(
  db: Kysely<Database>,
  label: string,
  { path: applicationPath = '/', assignmentRequired = true } = {},
): Promise<string> {
  const group = await db.selectFrom('connectorGroup').select('id').executeTakeFirstOrThrow();
  const id = randomUUID();
  const externalUrl = `https://${label}.${testDomain}${applicationPath}`;
  const publishing = { ...publishingDefaults, externalUrl, internalUrl: `http://${label}.corp.example/` };
  await db
    .insertInto('application')
    .values({
      id,
      appId: randomUUID(),
      servicePrincipalId: randomUUID(),
      displayName: label[0].toUpperCase() + label.slice(1),
      connectorGroupId: group.id,
      assignmentRequired: assignmentRequired ? 1 : 0,
      accountEnabled: 1,
      visibleToUsers: 1,
      homePageUrl: null,
      publishingJson: JSON.stringify(publishing),
      externalUrl,
      createdAt: Date.now(),
    })
    .execute();
  return id;
}
