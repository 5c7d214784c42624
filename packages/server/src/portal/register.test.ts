import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type FastifyInstance, fastify } from 'fastify';
import { parseConfig } from '../config/load.ts';
import type { ConfigInput } from '../config/schema.ts';
import { Directory } from '../directory/directory.ts';
import { createUser, updateUser } from '../directory/users.ts';
import { openStore } from '../store/open.ts';
import { findPortalFiles } from './portal-files.ts';
import { registerPortal } from './register.ts';

const host = 'portal.example.test';

describe('the pages of the Admin center', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-portal-'));
  const config = parseConfig({ domain: 'example.test', dataDir: folder, certificates: { local: true } }, {});
  let directory: Directory;
  let userId: string;
  let app: FastifyInstance;

  before(async () => {
    for (const name of ['main-1.js', 'main-2.css', 'manifest.json.old']) {
      writeFileSync(path.join(folder, name), `content of ${name}`);
      writeFileSync(path.join(folder, `${name}.gz`), gzipSync(`content of ${name}`));
    }
    writeFileSync(
      path.join(folder, 'manifest.json'),
      JSON.stringify({ script: 'main-1.js', stylesheet: 'main-2.css', names: ['main-1.js', 'main-2.css'] }),
    );
    const db = await openStore(path.join(folder, 'postern.db'));
    directory = new Directory({ db, address: config, now: Date.now });
    userId = (await createUser(directory, { userPrincipalName: 'ann', displayName: 'Ann' })).id;
    app = fastify();
    registerPortal(app, { config, db }, findPortalFiles([folder]));
  });
  after(async () => {
    await app.close();
    await directory.db.destroy();
    rmSync(folder, { recursive: true });
  });

  const get = (url: string, headers: Record<string, string> = {}) =>
    app.inject({ url, headers: { host, 'x-postern-user-id': userId, ...headers } });

  test('every address below /admin is the same document, which begins with the built files', async () => {
    for (const url of ['/admin', '/admin/connectors', '/admin/users/1/directory-role']) {
      const { body, statusCode, headers } = await get(url);

      assert.equal(statusCode, 200);
      assert.match(body, /<script type="module" src="\/admin\/assets\/main-1\.js"><\/script>/);
      assert.match(body, /<link rel="stylesheet" href="\/admin\/assets\/main-2\.css">/);
      assert.equal(headers['cache-control'], 'no-store');
    }
  });

  test('the document says where plain HTTP is answered, if anywhere', async () => {
    const port = async (settings: Pick<ConfigInput, 'publicPort' | 'listen'>) => {
      const input = { domain: 'example.test', dataDir: folder, certificates: { local: true }, ...settings };
      await using other = fastify();
      registerPortal(other, { config: parseConfig(input, {}), db: directory.db }, findPortalFiles([folder]));
      const { body } = await other.inject({ url: '/admin', headers: { host, 'x-postern-user-id': userId } });
      return /<meta name="plain-http-port" content="(\d*)">/.exec(body)?.[1];
    };

    assert.equal(await port({}), '80');
    assert.equal(await port({ publicPort: 8443, listen: { http: ['127.0.0.1:8080'] } }), '8080');
    assert.equal(await port({ listen: { http: [] } }), '');
  });

  test('threats D16, D18: the document allows nothing inline but styles with a nonce of its own, and no frame', async () => {
    const nonces = new Set<string>();
    for (let time = 0; time < 2; time++) {
      const { body, headers } = await get('/admin');
      const policy = String(headers['content-security-policy']);
      const nonce = /name="style-nonce" nonce="([^"]{22,})"/.exec(body)?.[1] ?? assert.fail(body);

      assert.match(policy, /^default-src 'none'; script-src 'self'; /);
      assert.ok(policy.includes(`style-src 'self' 'nonce-${nonce}'`), policy);
      assert.match(policy, /frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'/);
      assert.doesNotMatch(policy, /unsafe/);
      assert.equal(headers['x-frame-options'], 'DENY');
      nonces.add(nonce);
    }
    assert.equal(nonces.size, 2);
  });

  test('files are kept for ever, since another content has another name', async () => {
    const plain = await get('/admin/assets/main-1.js');
    const compressed = await get('/admin/assets/main-1.js', { 'accept-encoding': 'gzip, br' });

    assert.equal(plain.body, 'content of main-1.js');
    assert.match(String(plain.headers['content-type']), /^text\/javascript/);
    assert.match(String(plain.headers['cache-control']), /immutable/);
    assert.equal(compressed.headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(compressed.rawPayload).toString(), 'content of main-1.js');
  });

  test('nothing is read that the build has not written down', async () => {
    for (const name of [
      'manifest.json',
      'manifest.json.old',
      'postern.db',
      '..%2fpostern.db',

      'main-3.js',
    ]) {
      assert.equal((await get(`/admin/assets/${name}`)).statusCode, 404, name);
    }
  });

  test('nobody and a disabled account are sent to sign in, and back to where they were going', async () => {
    const nobody = await app.inject({ url: '/admin/connectors?a=1', headers: { host } });
    await updateUser(directory, userId, { accountEnabled: false });
    const disabled = await get('/admin');
    await updateUser(directory, userId, { accountEnabled: true });

    assert.equal(nobody.headers.location, '/.postern/sign-in?return=%2Fadmin%2Fconnectors%3Fa%3D1');
    assert.equal(disabled.headers.location, '/.postern/sign-in?return=%2Fadmin');
  });

  test('a working copy that was not built says how to build it', async context => {
    const unbuilt = fastify();
    context.after(() => unbuilt.close());
    registerPortal(unbuilt, { config, db: directory.db }, findPortalFiles([path.join(folder, 'none')]));

    const { statusCode, body } = await unbuilt.inject({
      url: '/admin',
      headers: { host, 'x-postern-user-id': userId },
    });

    assert.equal(statusCode, 503);
    assert.match(body, /npm run build:portal/);
  });
});
