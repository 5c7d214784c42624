import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { CommandLine } from '../testbed/command-line.ts';
import { downloadOrUpgrade, RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { upgradeFields } from '../testbed/raw-websocket.ts';
import { childrenOf, hold, startTestbed, type Testbed } from '../testbed/testbed.ts';

const execute = promisify(execFile);
const folder = mkdtempSync(path.join(tmpdir(), 'postern-programs-'));
/** What is withdrawn may work so much longer, open exchanges included. */
const boundMs = 3_000;
const maxFailures = 20;

interface Credential {
  readonly keyId: string;
  readonly clientId: string;
  readonly secretText: string;
}

const clients: RawClient[] = [];
let backend: RawBackend;
let bed: Testbed;

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [
      {
        name: 'files',
        internalUrl: backend.url,
        publishing: {
          customHeaders: { setRequestHeaders: [{ name: 'X-Who', value: '{user.id} {user.displayName}' }] },
        },
      },
      { name: 'wiki', internalUrl: backend.url },
      {
        name: 'plain',
        internalUrl: backend.url,
        publishing: { clientAuthentication: { isBasicAllowed: false } },
      },
      {
        name: 'pages',
        internalUrl: backend.url,
        publishing: { clientAuthentication: { isBearerAllowed: false } },
      },
      {
        name: 'api',
        internalUrl: backend.url,
        assignedTo: ['ada', 'bob', 'carol', 'dave'],
        publishing: { clientAuthentication: { isTokenPassedOn: true } },
      },
      { name: 'open', internalUrl: backend.url, passthrough: true },
    ],
    users: ['bob', 'carol', 'dave'],
    config: { signIn: { maxFailuresPerAddress: maxFailures } },
  });
});

after(async () => {
  for (const client of clients) client.destroy();
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await backend.reset();
  backend.onConnection = downloadOrUpgrade;
});

async function addCredential(application: string, more: object = {}): Promise<Credential> {
  const { status, body } = await bed.api(
    'POST',
    `/applications/${bed.applicationId(application)}/addPassword`,
    {
      passwordCredential: { displayName: 'backup', ...more },
    },
  );
  assert.equal(status, 200, JSON.stringify(body));
  return body as Credential;
}

async function removeCredential(application: string, { keyId }: Credential): Promise<void> {
  const { status } = await bed.api('POST', `/applications/${bed.applicationId(application)}/removePassword`, {
    keyId,
  });
  assert.equal(status, 204);
}

/** When a credential was used last, once the control process has heard of it. */
async function lastUseOf(application: string, { keyId }: Credential): Promise<string> {
  for (;;) {
    const { body } = await bed.api(
      'GET',
      `/applications/${bed.applicationId(application)}/passwordCredentials`,
    );
    const { value } = body as { value: { keyId: string; lastUsedDateTime: string | null }[] };
    const at = value.find(one => one.keyId === keyId)!.lastUsedDateTime;
    if (at !== null) return at;
  }
}

function basic({ clientId, secretText }: Pick<Credential, 'clientId' | 'secretText'>): string {
  return `Basic ${Buffer.from(`${clientId}:${secretText}`).toString('base64')}`;
}

/** The whole answer to one request with further fields. */
function ask(application: string, fields: string, target = '/'): Promise<string> {
  const host = bed.hostOf(application);
  return bed.exchange(host, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${fields}Connection: close\r\n\r\n`);
}

function statusOf(answer: string): number {
  return Number(answer.slice(9, 12));
}

/** The values of a field of an answer, one for each line. */
function valuesOf(answer: string, name: string): string[] {
  const head = answer.slice(0, answer.indexOf('\r\n\r\n'));
  return [...head.matchAll(new RegExp(`^${name}: (.*?)\\r?$`, 'gim'))].map(match => match[1]!);
}

async function openAt(application: string, authorization: string) {
  const host = bed.hostOf(application);
  const field = `Authorization: ${authorization}\r\n`;
  const socket = new RawClient(await bed.connect(host));
  socket.send(`GET /socket HTTP/1.1\r\nHost: ${host}\r\n${field}${upgradeFields}\r\n`);
  await socket.until('\x81\x05hello');
  const download = new RawClient(await bed.connect(host));
  download.send(`GET /download HTTP/1.1\r\nHost: ${host}\r\n${field}\r\n`);
  await download.until('the first bytes');
  clients.push(socket, download);
  return { socket, download };
}

async function assertEnded(open: Awaited<ReturnType<typeof openAt>>, dueAt: number): Promise<void> {
  const socket = await open.socket.closed();
  const download = await open.download.closed();
  const late = performance.now() - dueAt;

  assert.ok(late <= boundMs, `ended ${Math.round(late)} ms late`);
  // FIN, opcode close, the length, then the code: 1008.
  assert.match(socket, /\x81\x05hello.*\x88[\x02-\x7d]\x03\xf0/s);
  assert.match(download, /the first bytes$/);
}

const wrongSecret = 'A'.repeat(43);

describe('a program with a credential of an application', { timeout: 300_000 }, () => {
  test('is let in by HTTP Basic as itself; the backend gets who it is, and not the credential', async () => {
    const credential = await addCredential('files');

    const { stdout } = await execute('curl', [
      ...['--silent', '--show-error', '--cacert', bed.caFile],
      ...['--user', `${credential.clientId}:${credential.secretText}`],
      `https://${bed.hostOf('files')}:${bed.port}/list`,
    ]);
    await bed.log.until(`"clientId":"${credential.clientId}"`);

    assert.equal(stdout, 'ok');
    await lastUseOf('files', credential);
    const { received } = backend.connections.at(-1)!;
    assert.doesNotMatch(received, /authorization/i);
    assert.match(received, new RegExp(`^x-who: ${credential.clientId} backup\\r$`, 'im'));
    assert.match(received, new RegExp(`^x-forwarded-user: ${credential.clientId}\\r$`, 'im'));
    assert.doesNotMatch(bed.serviceLog(), new RegExp(credential.secretText));
  });

  test('gets 401 with every way in named, and no page, for a wrong secret or none', async () => {
    const { clientId } = await addCredential('files');

    const none = await ask('files', '');
    const wrong = await ask('files', `Authorization: ${basic({ clientId, secretText: wrongSecret })}\r\n`);
    const elsewhere = await ask('plain', '');

    const origin = `https://${bed.hostOf('files')}:${bed.port}`;
    for (const answer of [none, wrong]) {
      assert.equal(statusOf(answer), 401);
      assert.deepEqual(valuesOf(answer, 'www-authenticate').slice(0, 2), [
        `Basic realm="${origin}/", charset="UTF-8"`,
        `Bearer realm="${origin}/", resource_metadata="${origin}/.well-known/oauth-protected-resource"`,
      ]);
    }
    assert.match(wrong, /"code":"invalid_credentials"/);
    assert.equal(backend.connections.length, 0);
    assert.doesNotMatch(elsewhere, /^www-authenticate: basic/im);
  });

  test('is told of every way in over HTTP/2, too', async () => {
    const { stdout } = await execute('curl', [
      ...['--silent', '--show-error', '--cacert', bed.caFile, '--http2', '--include'],
      `https://${bed.hostOf('files')}:${bed.port}/`,
    ]);

    assert.match(stdout, /^HTTP\/2 401/);
    const schemes = valuesOf(stdout, 'www-authenticate').map(value => value.split(' ')[0]);
    assert.deepEqual(schemes, ['Basic', 'Bearer', 'Postern']);
  });

  test('is not one that a page of another site makes a browser be', async () => {
    const credential = await addCredential('files');

    const answer = await ask(
      'files',
      `Authorization: ${basic(credential)}\r\nOrigin: https://evil.example\r\n${upgradeFields}`,
    );

    assert.equal(statusOf(answer), 403);
    assert.match(answer, /"code":"foreign_origin"/);
  });

  test('has its credential at that application alone', async () => {
    const credential = await addCredential('files');
    await addCredential('wiki');

    assert.equal(statusOf(await ask('wiki', `Authorization: ${basic(credential)}\r\n`)), 401);
  });

  test('changes its secret and stays who it is', async () => {
    const first = await addCredential('files');
    const second = await addCredential('files', { clientId: first.clientId });
    const listed = await bed.api('GET', `/applications/${bed.applicationId('files')}/passwordCredentials`);

    assert.equal(second.clientId, first.clientId);
    assert.doesNotMatch(JSON.stringify(listed.body), new RegExp(`${first.secretText}|${second.secretText}`));
    assert.equal(statusOf(await ask('files', `Authorization: ${basic(first)}\r\n`)), 200);
    await removeCredential('files', first);
    assert.equal(statusOf(await ask('files', `Authorization: ${basic(first)}\r\n`)), 401);
    assert.equal(statusOf(await ask('files', `Authorization: ${basic(second)}\r\n`)), 200);
  });

  test('loses its WebSocket and its download within 3 s of the removal', async () => {
    const credential = await addCredential('wiki');
    const open = await openAt('wiki', basic(credential));
    const other = await openAt('wiki', basic(await addCredential('wiki')));

    const dueAt = performance.now();
    await removeCredential('wiki', credential);
    await assertEnded(open, dueAt);

    for (const connection of backend.connections.filter(one => !one.isClosed)) {
      if (connection.received.startsWith('GET /socket')) connection.send('\x81\x02on');
    }
    await other.socket.until('\x81\x02on');
  });

  test('loses them within 3 s of the expiry, which nobody has to tell the relay', async () => {
    const lifetimeMs = 10_000;
    const dueAt = performance.now() + lifetimeMs;
    const credential = await addCredential('wiki', {
      endDateTime: new Date(Date.now() + lifetimeMs).toISOString(),
    });
    const open = await openAt('wiki', basic(credential));

    await assertEnded(open, dueAt);
    assert.equal(statusOf(await ask('wiki', `Authorization: ${basic(credential)}\r\n`)), 401);
  });

  test('stays in while the control process stands still', async () => {
    const credential = await addCredential('files');
    const [control] = childrenOf(bed.service.pid!);
    await hold(control!);
    try {
      assert.equal(statusOf(await ask('files', `Authorization: ${basic(credential)}\r\n`)), 200);
    } finally {
      process.kill(control!, 'SIGCONT');
    }
  });

  test('keeps the credential to the service where the application has been opened to everybody', async () => {
    const credential = await addCredential('open');

    assert.equal(statusOf(await ask('open', `Authorization: ${basic(credential)}\r\n`)), 200);
    assert.doesNotMatch(backend.connections.at(-1)!.received, /authorization/i);
  });
});

describe('a person with a session', { timeout: 300_000 }, () => {
  test('sends the backend’s own name and password through', async () => {
    await addCredential('wiki');
    const own = `Basic ${Buffer.from('ada:her password there').toString('base64')}`;

    const signedIn = await ask('wiki', `Cookie: ${bed.cookie('wiki')}\r\nAuthorization: ${own}\r\n`);
    const received = backend.connections.at(-1)!.received;
    const signedOut = await ask('wiki', `Authorization: ${own}\r\n`);

    assert.equal(statusOf(signedIn), 200);
    assert.ok(received.includes(`Authorization: ${own}\r\n`), received);
    assert.equal(statusOf(signedOut), 401);
  });

  test('is not asked for a name and password by a page’s script, and a preflight meets no sign-in page', async () => {
    await addCredential('wiki');

    const script = await ask('wiki', 'Sec-Fetch-Mode: cors\r\nAccept: */*\r\n');
    const host = bed.hostOf('wiki');
    const preflight = await bed.exchange(
      host,
      `OPTIONS / HTTP/1.1\r\nHost: ${host}\r\nOrigin: https://other.example\r\nSec-Fetch-Mode: cors\r\n` +
        'Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization\r\nConnection: close\r\n\r\n',
    );

    for (const answer of [script, preflight]) {
      assert.equal(statusOf(answer), 401);
      assert.doesNotMatch(answer, /^(location:|www-authenticate: basic)/im);
      assert.match(answer, /^content-type: application\/json/im);
    }
  });
});

/** Asks the token endpoint, as a form. */
async function askForToken(form: Record<string, string>, fields = '') {
  const host = bed.hostOf('login');
  const body = new URLSearchParams(form).toString();
  const answer = await bed.exchange(
    host,
    `POST /token HTTP/1.1\r\nHost: ${host}:${bed.port}\r\nContent-Type: application/x-www-form-urlencoded\r\n${fields}` +
      `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
  const text = answer.slice(answer.indexOf('\r\n\r\n') + 4);
  return {
    status: statusOf(answer),
    body: JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as {
      access_token: string;
      error?: string;
      error_description?: string;
      expires_in?: number;
    },
  };
}

async function tokenOf(user: string, target: { resource: string } | { audience: string }): Promise<string> {
  const { status, body } = await exchangeToken(user, target);
  assert.equal(status, 200, JSON.stringify(body));
  return body.access_token;
}

async function exchangeToken(user: string, target: { resource: string } | { audience: string }) {
  return askForToken({
    client_id: 'postern-cli',
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: await bed.token(user),
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    ...target,
  });
}

const bearer = (token: string) => `Bearer ${token}`;

describe('a person’s access token for an application', { timeout: 300_000 }, () => {
  test('lets in as that person, at that application alone, and stays with the service', async () => {
    const token = await tokenOf('ada', {
      resource: `https://${bed.hostOf('files')}:${bed.port}/some/folder`,
    });

    const answer = await ask('files', `Authorization: ${bearer(token)}\r\n`);
    const { received } = backend.connections.at(-1)!;
    const again = await ask('files', `Authorization: ${bearer(token)}\r\n`);
    const asPassword = await ask(
      'files',
      `Authorization: Basic ${Buffer.from(`token:${token}`).toString('base64')}\r\n`,
    );
    const elsewhere = await ask('wiki', `Authorization: ${bearer(token)}\r\n`);

    assert.equal(statusOf(answer), 200);
    assert.match(received, /^x-forwarded-user: ada\r$/im);
    assert.doesNotMatch(received, /authorization/i);
    assert.equal(statusOf(again), 200);
    assert.equal(statusOf(asPassword), 200);
    assert.doesNotMatch(backend.connections.at(-1)!.received, /authorization/i);
    assert.equal(statusOf(elsewhere), 401);
    assert.match(elsewhere, /^www-authenticate: Bearer .*error="invalid_token"/im);
    const { aud, sub } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as {
      aud: string;
      sub: string;
    };
    assert.equal(aud, bed.applicationId('files'));
    assert.equal(sub, bed.userId('ada'));
    assert.doesNotMatch(bed.serviceLog(), new RegExp(token.slice(-40)));
  });

  test('goes on to an application that wants to read it', async () => {
    const token = await tokenOf('ada', { audience: 'api' });

    assert.equal(statusOf(await ask('api', `Authorization: ${bearer(token)}\r\n`)), 200);
    assert.ok(backend.connections.at(-1)!.received.includes(`Authorization: ${bearer(token)}\r\n`));
  });

  test('holds for no changed byte, no other algorithm, no other kind of token', async () => {
    const token = await tokenOf('ada', { audience: 'files' });
    const [header = '', payload = '', signature = ''] = token.split('.');
    const flipped = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url');
    const changed = Buffer.from(
      Buffer.from(payload, 'base64url')
        .toString()
        .replace(bed.applicationId('files'), bed.applicationId('wiki')),
    ).toString('base64url');

    const attempts = [
      ['files', `${header}.${payload}.${flipped}`],
      ['files', `${none}.${payload}.`],
      ['wiki', `${header}.${changed}.${signature}`],
      ['files', await bed.token()],
    ] as const;
    for (const [application, attempt] of attempts) {
      const answer = await ask(application, `Authorization: ${bearer(attempt)}\r\n`);
      assert.ok([401, 429].includes(statusOf(answer)), answer.slice(0, 200));
    }
    assert.equal(backend.connections.length, 0);
  });

  test('is not given for an application that is not assigned, and opens none from which it is taken away', async () => {
    const refused = await exchangeToken('bob', { audience: 'files' });
    const token = await tokenOf('bob', { audience: 'api' });
    const open = await openAt('api', bearer(token));
    const { body } = await bed.api('GET', '/servicePrincipals');
    const principal = (body as { value: { id: string; displayName: string }[] }).value.find(
      one => one.displayName === 'api',
    )!;
    const assignments = (await bed.api('GET', `/servicePrincipals/${principal.id}/appRoleAssignedTo`))
      .body as {
      value: { id: string; principalId: string }[];
    };
    const { id } = assignments.value.find(one => one.principalId === bed.userId('bob'))!;

    const dueAt = performance.now();
    await bed.api('DELETE', `/servicePrincipals/${principal.id}/appRoleAssignedTo/${id}`);
    await assertEnded(open, dueAt);

    assert.equal(refused.status, 400);
    assert.equal(refused.body.error, 'invalid_target');
    assert.equal(statusOf(await ask('api', `Authorization: ${bearer(token)}\r\n`)), 403);
  });

  test('ends within 3 s with the account and with the sign-in that it came from', async () => {
    const ofCarol = await tokenOf('carol', { audience: 'api' });
    const open = await openAt('api', bearer(ofCarol));
    let dueAt = performance.now();
    await bed.api('PATCH', `/users/${bed.userId('carol')}`, { accountEnabled: false });
    await assertEnded(open, dueAt);
    assert.equal(statusOf(await ask('api', `Authorization: ${bearer(ofCarol)}\r\n`)), 401);

    const ofDave = await tokenOf('dave', { audience: 'api' });
    const openOfDave = await openAt('api', bearer(ofDave));
    dueAt = performance.now();
    await bed.api('POST', `/users/${bed.userId('dave')}/revokeSignInSessions`);
    await assertEnded(openOfDave, dueAt);
    assert.equal(statusOf(await ask('api', `Authorization: ${bearer(ofDave)}\r\n`)), 401);
  });

  test('lets nobody stay for longer than 3 s where the application takes none any more', async () => {
    const configure = (isBearerAllowed: boolean, isBasicAllowed: boolean) =>
      bed.api('PATCH', `/applications/${bed.applicationId('wiki')}`, {
        onPremisesPublishing: { clientAuthentication: { isBearerAllowed, isBasicAllowed } },
      });
    const ofPerson = await openAt('wiki', bearer(await tokenOf('ada', { audience: 'wiki' })));
    const ofProgram = await openAt('wiki', basic(await addCredential('wiki')));

    let dueAt = performance.now();
    await configure(false, true);
    await assertEnded(ofPerson, dueAt);
    for (const connection of backend.connections.filter(one => !one.isClosed)) {
      if (connection.received.startsWith('GET /socket')) connection.send('\x81\x02on');
    }
    await ofProgram.socket.until('\x81\x02on');
    dueAt = performance.now();
    await configure(false, false);
    await assertEnded(ofProgram, dueAt);
    await configure(true, true);
  });

  test('is not taken where the application does not, and not given for it', async () => {
    const refused = await exchangeToken('ada', { audience: 'pages' });
    const answer = await ask('pages', '');

    assert.equal(refused.body.error, 'invalid_target');
    assert.doesNotMatch(answer, /^www-authenticate: bearer/im);
  });

  test('is found the way to by a program that knows nothing but the address', async () => {
    const origin = `https://${bed.hostOf('files')}:${bed.port}`;
    const challenge = valuesOf(await ask('files', ''), 'www-authenticate').find(one =>
      one.startsWith('Bearer'),
    )!;
    const metadataUrl = /resource_metadata="([^"]+)"/.exec(challenge)![1]!;
    const answer = await ask('files', '', new URL(metadataUrl).pathname);
    const off = await ask('pages', '', new URL(metadataUrl).pathname);

    assert.equal(statusOf(answer), 200);
    assert.match(answer, /^access-control-allow-origin: \*\r$/im);
    assert.deepEqual(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)), {
      resource: `${origin}/`,
      resource_name: 'files',
      authorization_servers: [`https://login.${bed.domain}:${bed.port}`],
      bearer_methods_supported: ['header'],
    });
    assert.equal(statusOf(off), 401);
  });
});

describe('a program’s access token', { timeout: 300_000 }, () => {
  test('is got with its credential, and ends within 3 s with that', async () => {
    const credential = await addCredential('wiki');
    const other = await addCredential('wiki', { clientId: credential.clientId });
    const grant = { grant_type: 'client_credentials' };

    const byField = await askForToken(grant, `Authorization: ${basic(credential)}\r\n`);
    const byForm = await askForToken({
      ...grant,
      client_id: other.clientId,
      client_secret: other.secretText,
      resource: `https://${bed.hostOf('wiki')}:${bed.port}/`,
    });
    assert.equal(byField.status, 200, JSON.stringify(byField.body));
    assert.equal(byForm.status, 200, JSON.stringify(byForm.body));
    const open = await openAt('wiki', bearer(byField.body.access_token));
    assert.match(
      backend.connections.at(-1)!.received,
      new RegExp(`^x-forwarded-user: ${credential.clientId}`, 'im'),
    );

    const dueAt = performance.now();
    await removeCredential('wiki', credential);
    await assertEnded(open, dueAt);

    const { access_token: ended } = byField.body;
    assert.equal(statusOf(await ask('wiki', `Authorization: ${bearer(ended)}\r\n`)), 401);
    assert.equal(statusOf(await ask('wiki', `Authorization: ${bearer(byForm.body.access_token)}\r\n`)), 200);
    assert.equal((await askForToken(grant, `Authorization: ${basic(credential)}\r\n`)).status, 401);
  });

  test('is given for no other application', async () => {
    const credential = await addCredential('wiki');

    const { status, body } = await askForToken(
      { grant_type: 'client_credentials', resource: `https://${bed.hostOf('files')}:${bed.port}/` },
      `Authorization: ${basic(credential)}\r\n`,
    );

    assert.equal(status, 400);
    assert.equal(body.error, 'invalid_target');
  });
});

describe('postern app token', { timeout: 300_000 }, () => {
  test('prints a token that works, the same one while it does, and one that ends with the sign-in', async () => {
    using commandLine = await CommandLine.signIn(bed);

    const token = (await commandLine.print(['app', 'token', 'api'])).trim();
    const again = (await commandLine.print(['app', 'token', 'api'])).trim();
    const { stdout } = await execute('curl', [
      ...['--silent', '--show-error', '--cacert', bed.caFile, '-H', `Authorization: Bearer ${token}`],
      `https://${bed.hostOf('api')}:${bed.port}/`,
    ]);
    await assert.rejects(commandLine.print(['app', 'token', 'nowhere']), /ended with 5: .*nowhere/);
    await commandLine.print(['logout']);

    assert.equal(again, token);
    assert.equal(stdout, 'ok');
    assert.equal(statusOf(await ask('api', `Authorization: ${bearer(token)}\r\n`)), 401);
  });
});

// Last, since all of the tests come from one address.
describe('whoever guesses', { timeout: 300_000 }, () => {
  test('is refused for a while after too many wrong secrets from its address; people are not', async () => {
    const credential = await addCredential('files');
    const wrong = `Authorization: ${basic({ ...credential, secretText: wrongSecret })}\r\n`;
    let answer = '';
    // Other tests have presented wrong ones, too.
    for (let guess = 0; guess <= maxFailures && statusOf(answer) !== 429; guess++) {
      answer = await ask('files', wrong);
    }

    assert.equal(statusOf(answer), 429);
    assert.ok(Number(valuesOf(answer, 'retry-after')[0]) >= 1);
    assert.equal(statusOf(await ask('files', `Authorization: ${basic(credential)}\r\n`)), 429);
    assert.equal(statusOf(await ask('files', `Cookie: ${bed.cookie('files')}\r\n`)), 200);
  });
});
