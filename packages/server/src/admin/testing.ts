import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { RoleName } from '@postern/protocol/admin/directory';
import { type FastifyInstance, fastify, type InjectOptions, type LightMyRequestResponse } from 'fastify';
import { pino } from 'pino';
import type { ChannelResult } from '../alerts/alert.ts';
import { ConnectorJournal } from '../directory/connector-journal.ts';
import { Directory } from '../directory/directory.ts';
import { assignRole } from '../directory/roles.ts';
import { createUser } from '../directory/users.ts';
import { openStore } from '../store/open.ts';
import { SealedSecrets } from '../store/sealed-secrets.ts';
import type { AdminApiParts } from './parts.ts';
import { registerAdminApi } from './register.ts';

/** The admin API of `test.example` on a database of its own, with one person for each kind of caller. */
export interface AdminApiBench extends AsyncDisposable {
  readonly app: FastifyInstance;
  /** What the API was made from. */
  readonly parts: AdminApiParts;
  /** `METHOD /path` of every route that was registered. */
  readonly routes: ReadonlySet<string>;
  readonly directory: Directory;
  /** What was logged. */
  readonly events: Record<string, unknown>[];
  /** Connectors that answer through a tunnel. */
  readonly live: Set<string>;
  /** Names of authorities that were to be exchanged. */
  readonly rotated: readonly string[];
  readonly journal: ConnectorJournal;
  /** What becomes of a test alert. */
  readonly alertResults: ChannelResult[];
  /** What the name servers know, by name. */
  readonly dns: { readonly texts: Map<string, string[]>; readonly addresses: Map<string, string[]> };
  /** Access tokens: the person's user name is the token. */
  readonly tokens: Map<string, { userId: string; scopes: readonly string[] }>;
  /**
   * A request as one of `global`, `application`, `nobody` (no role) or `portal` (a Global Administrator whose token
   * lacks the scope); null sends no token.
   */
  call(
    as: string | null,
    method: NonNullable<InjectOptions['method']>,
    url: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<LightMyRequestResponse>;
}

export const portalHost = 'portal.test.example';

export async function openAdminApi(): Promise<AdminApiBench> {
  const folder = await mkdtemp(path.join(tmpdir(), 'postern-admin-'));
  const db = await openStore(path.join(folder, 'postern.db'));
  const secrets = new SealedSecrets(db, Buffer.alloc(32, 7));
  const directory = new Directory({
    db,
    address: { domain: 'test.example', publicPort: 443 },
    now: Date.now,
    secrets,
  });
  const dns: AdminApiBench['dns'] = { texts: new Map(), addresses: new Map() };
  const tokens: AdminApiBench['tokens'] = new Map();
  const addPerson = async (name: string, scopes: readonly string[], role?: RoleName) => {
    const { id } = await createUser(directory, { userPrincipalName: name, displayName: `Person ${name}` });
    if (role !== undefined) {
      await assignRole(directory, id, role);
    }
    tokens.set(name, { userId: id, scopes });
  };
  await addPerson('global', ['openid', 'api'], 'Global Administrator');
  await addPerson('application', ['api'], 'Application Administrator');
  await addPerson('nobody', ['api']);
  await addPerson('portal', ['openid'], 'Global Administrator');

  const events: AdminApiBench['events'] = [];
  const live = new Set<string>();
  const rotated: string[] = [];
  const alertResults: ChannelResult[] = [];
  const journal = new ConnectorJournal({
    db,
    now: Date.now,
    onFailed: error => {
      throw error;
    },
  });
  const app = fastify();
  const routes = new Set<string>();
  app.addHook('onRoute', ({ method, url }) => {
    routes.add(`${method} ${url}`);
  });
  const parts: AdminApiParts = {
    directory,
    log: pino({}, { write: (line: string) => void events.push(JSON.parse(line)) }),
    authenticateBearer: async token => {
      const identity = tokens.get(token);
      return identity === undefined ? null : { ...identity, clientId: 'postern-cli' };
    },
    createInvitation: async userId => ({
      url: `https://login.test.example/set-up?secret=${userId}`,
      expiresAt: Date.now() + 1000,
    }),
    isConnectorActive: id => live.has(id),
    inactiveAfterDays: 10,
    rotation: {
      list: async () => [],
      rotate: async name => void rotated.push(name),
      uses: name => name !== 'local',
    },
    examineConnector: async () => null,
    testPath: async () => null,
    reportOutcomes: async () => new Map(),
    reportBackends: async () => [],
    journal,
    testAlerts: async () => alertResults,
    domains: {
      directory,
      nameServers: {
        texts: async name => dns.texts.get(name) ?? [],
        addresses: async name => dns.addresses.get(name) ?? [],
      },
      coveredByFiles: () => [],
    },
    secrets,
    automaticCertificates: { list: async () => [], renewNow: async () => false, soon: () => {} },
    firstContact: () => ({ host: 'connect.test.example', port: 443, rootSha256: 'AB'.repeat(32) }),
    portalOrigin: `https://${portalHost}`,
  };
  await registerAdminApi(app, parts);

  return {
    app,
    parts,
    routes,
    events,
    directory,
    live,
    rotated,
    journal,
    alertResults,
    dns,
    tokens,
    call: (as, method, url, body, headers) =>
      app.inject({
        method,
        url: url.startsWith('/api/') ? url : `/api/v1.0/${url}`,
        headers: {
          host: portalHost,
          ...(as === null ? {} : { authorization: `Bearer ${as}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body === undefined || typeof body === 'string' ? (body as string) : JSON.stringify(body),
      }),
    async [Symbol.asyncDispose]() {
      await app.close();
      await db.destroy();
      await rm(folder, { recursive: true });
    },
  };
}
