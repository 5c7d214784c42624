import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fastify from 'fastify';
import type { Kysely } from 'kysely';
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
  /** Moves the service's clock. The provider's own clock does not move with it. */
  advance(ms: number): void;
  addUser(name: string, password?: string | null): Promise<UserRow>;
  addApplication(label: string, options?: { path?: string; assignmentRequired?: boolean }): Promise<string>;
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
  const signIn = await SignIn.open({
    config,
    directory,
    secrets: new SealedSecrets(db, randomBytes(32)),
    onServerError: error => serverErrors.push(error),
  });
  const app = fastify();
  const { fetch, close } = controlFetch(socketPath);
  await registerSignIn(app, signIn);
  await registerPreauth(app, { signIn, fetch });
  registerMyApps(app, signIn);
  await app.listen({ path: socketPath });
  return {
    signIn,
    db,
    directory,
    socketPath,
    serverErrors,
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
    browser: address => new Browser(socketPath, address),
    async [Symbol.asyncDispose]() {
      await close();
      await app.close();
      await db.destroy();
      await rm(folder, { recursive: true });
    },
  };
}

async function addApplication(
  db: Kysely<Database>,
  label: string,
  { path: applicationPath = '/', assignmentRequired = true } = {},
): Promise<string> {
  const group = await db.selectFrom('connectorGroup').select('id').executeTakeFirstOrThrow();
  const id = randomUUID();
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
      publishingJson: null,
      externalUrl: `https://${label}.${testDomain}${applicationPath}`,
      createdAt: Date.now(),
    })
    .execute();
  return id;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly url: URL;
  /** Where it redirects to. */
  readonly location: URL | null;
}

interface StoredCookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
}

/** A browser as far as cookies, forms and redirects go; it follows a redirect only when told to. */
export class Browser {
  readonly #socketPath: string;
  readonly #address: string;
  /** By host. */
  readonly cookies = new Map<string, StoredCookie[]>();

  constructor(socketPath: string, address = '192.0.2.10') {
    this.#socketPath = socketPath;
    this.#address = address;
  }

  get(url: string | URL, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('GET', new URL(url), { headers });
  }

  /** Sends a form as from a page of the same origin, unless `headers` say otherwise. */
  post(
    url: string | URL,
    fields: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const target = new URL(url);
    return this.send('POST', target, {
      headers: {
        origin: target.origin,
        'sec-fetch-site': 'same-origin',
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      },
      body: new URLSearchParams(fields).toString(),
    });
  }

  /** Sends a form as a program does, which has no origin and wants JSON. */
  call(
    url: string | URL,
    fields: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return this.send('POST', new URL(url), {
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
        ...headers,
      },
      body: new URLSearchParams(fields).toString(),
    });
  }

  /** Follows redirects until an answer is none, or leads to a URL that `until` names. */
  async follow(answer: Answer, until: (url: URL) => boolean = () => false): Promise<Answer> {
    let current = answer;
    for (let hops = 0; current.location !== null && !until(current.location); hops++) {
      if (hops > 10) throw new Error(`redirected in a circle at ${current.url.href}`);
      current = await this.get(current.location);
    }
    return current;
  }

  /** Types name and password into the sign-in page that an answer shows. */
  submitSignIn(
    page: Answer,
    name: string,
    password: string,
    headers?: Record<string, string>,
  ): Promise<Answer> {
    return this.post(page.url, { username: name, password }, headers);
  }

  async send(
    method: string,
    url: URL,
    { headers = {}, body }: { headers?: Record<string, string>; body?: string },
  ): Promise<Answer> {
    const cookie = this.#cookiesFor(url);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const outgoing = request(
      {
        socketPath: this.#socketPath,
        method,
        path: `${url.pathname}${url.search}`,
        headers: {
          host: url.host,
          'x-forwarded-proto': 'https',
          'x-forwarded-for': this.#address,
          accept: 'text/html',
          ...(cookie !== '' && { cookie }),
          ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
          ...headers,
        },
      },
      incoming => {
        const chunks: Buffer[] = [];
        incoming.on('data', chunk => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          this.#store(url, incoming.headers['set-cookie'] ?? []);
          const { location } = incoming.headers;
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString('utf8'),
            url,
            location: location === undefined ? null : new URL(location, url),
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
    return await promise;
  }

  cookie(host: string, name: string): string | undefined {
    return this.cookies.get(host)?.find(cookie => cookie.name === name)?.value;
  }

  #cookiesFor({ hostname, pathname }: URL): string {
    return (this.cookies.get(hostname) ?? [])
      .filter(
        ({ path: cookiePath }) =>
          pathname === cookiePath || pathname.startsWith(`${cookiePath.replace(/\/$/, '')}/`),
      )
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  #store({ hostname }: URL, fields: readonly string[]): void {
    const stored = this.cookies.get(hostname) ?? [];
    for (const field of fields) {
      const [pair, ...attributes] = field.split(';').map(part => part.trim());
      const equals = pair.indexOf('=');
      const name = pair.slice(0, equals);
      const value = pair.slice(equals + 1);
      const attribute = (wanted: string) =>
        attributes.find(text => text.toLowerCase().startsWith(`${wanted}=`))?.slice(wanted.length + 1);
      const cookiePath = attribute('path') ?? '/';
      const known = stored.findIndex(cookie => cookie.name === name && cookie.path === cookiePath);
      if (known >= 0) stored.splice(known, 1);
      const expires = attribute('expires');
      const isGone =
        attribute('max-age') === '0' || (expires !== undefined && Date.parse(expires) < Date.now());
      if (!isGone) stored.push({ name, value, path: cookiePath });
    }
    this.cookies.set(hostname, stored);
  }
}

/** The value of a hidden field of a page. */
export function hiddenField(page: Answer, name: string): string {
  const value = new RegExp(`name="${name}" value="([^"]*)"`).exec(page.body)?.[1];
  if (value === undefined) throw new Error(`${page.url.href} has no field ${name}: ${page.body}`);
  return value;
}
