import fastify from 'fastify';
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import { pino } from 'pino';
import { Directory } from '../directory/directory.ts';
import { createNameServers } from '../domains/name-servers.ts';
import type { Database } from '../store/schema.ts';
import { SealedSecrets } from '../store/sealed-secrets.ts';
import { registerAdminApi } from './register.ts';

/** The OpenAPI 3.1 document of the admin API, as `/api/openapi.json` serves it and docs/openapi.json keeps it. */
export async function describeAdminApi(): Promise<string> {
  const db = new Kysely<Database>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: database => new SqliteIntrospector(database),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
  const directory = new Directory({
    db,
    address: { domain: 'example.com', publicPort: 443 },
    now: () => 0,
  });
  await using app = fastify();
  await registerAdminApi(app, {
    directory,
    log: pino({ enabled: false }),
    authenticateBearer: async () => null,
    createInvitation: async () => ({ url: '', expiresAt: 0 }),
    isConnectorActive: () => false,
    inactiveAfterDays: 0,
    rotation: { list: async () => [], rotate: async () => {}, uses: () => true },
    examineConnector: async () => null,
    testPath: async () => null,
    reportOutcomes: async () => new Map(),
    reportBackends: async () => [],
    journal: { record: () => {} },
    testAlerts: async () => [],
    domains: { directory, nameServers: createNameServers([]), coveredByFiles: () => [] },
    secrets: new SealedSecrets(db, Buffer.alloc(32)),
    automaticCertificates: { list: async () => [], renewNow: async () => false, soon: () => {} },
    firstContact: () => ({ host: 'connect.example.com', port: 443, rootSha256: null }),
    portalOrigin: 'https://portal.example.com',
  });
  const answer = await app.inject({ url: '/api/openapi.json', headers: { host: 'portal.example.com' } });
  return `${JSON.stringify(answer.json(), null, 2)}\n`;
}
