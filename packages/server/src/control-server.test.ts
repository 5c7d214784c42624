import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type ControlServerParts, createControlServer, internalHost } from './control-server.ts';
import { DirectoryError } from './directory/directory-error.ts';
import { StoreError } from './store/store-error.ts';
import { createLogger } from './telemetry/logger.ts';

function createServer(context: TestContext, parts: Partial<ControlServerParts> = {}) {
  const app = createControlServer({
    log: createLogger({ program: 'test', level: 'silent' }),
    checkHealth: async () => undefined,
    renderMetrics: async () => ({ contentType: 'text/plain', text: 'postern 1' }),
    ...parts,
  });
  context.after(() => app.close());
  return app;
}

describe('the HTTP server of the control process', () => {
  test('tells the relay, and no other host, its health and metrics', async context => {
    const app = createServer(context);
    const get = (host: string, url: string) => app.inject({ url, headers: { host } });

    assert.deepEqual((await get(internalHost, '/health')).json(), { status: 'ok' });
    assert.equal((await get(internalHost, '/metrics')).body, 'postern 1');
    for (const host of ['login.example.test', 'control.internal.example.test', 'wiki.example.test:8443']) {
      assert.equal((await get(host, '/health')).statusCode, 404);
      assert.equal((await get(host, '/metrics')).statusCode, 404);
    }
  });

  test('says that it is not well when the store cannot be read', async context => {
    const app = createServer(context, { checkHealth: () => Promise.reject(new Error('gone')) });

    const answer = await app.inject({ url: '/health', headers: { host: internalHost } });

    assert.equal(answer.statusCode, 503);
    assert(!answer.body.includes('gone'));
  });

  test('answers 507 when there is no space left, whichever part met it', async context => {
    const app = createServer(context);
    app.get('/directory', async () => {
      throw new DirectoryError('storage_full', 'full');
    });
    app.get('/store', async () => {
      throw new StoreError('storage_full', 'full');
    });

    for (const url of ['/directory', '/store']) {
      const answer = await app.inject({ url, headers: { 'x-request-id': 'r-1' } });
      assert.equal(answer.statusCode, 507);
      assert.equal(answer.json().error.code, 'storage_full');
      assert.equal(answer.json().error.requestId, 'r-1');
    }
  });

  test('tells nothing of a mistake of ours, and goes on', async context => {
    const app = createServer(context);
    app.get('/broken', async () => {
      throw new TypeError('secret detail of /var/lib/postern');
    });

    const answer = await app.inject({ url: '/broken' });

    assert.equal(answer.statusCode, 500);
    assert.equal(answer.json().error.code, 'internal');
    assert(!answer.body.includes('secret'));
    assert.equal((await app.inject({ url: '/health', headers: { host: internalHost } })).statusCode, 200);
  });

  test('a body that is no JSON or too large is refused without its text', async context => {
    const app = createServer(context);
    app.post('/json', async request => request.body as object);
    const post = (payload: string) =>
      app.inject({ method: 'POST', url: '/json', payload, headers: { 'content-type': 'application/json' } });

    assert.equal((await post('{"a":')).statusCode, 400);
    assert.equal((await post('{"__proto__":{"admin":true}}')).statusCode, 400);
    assert.equal((await post(`"${'x'.repeat(2_000_000)}"`)).statusCode, 413);
  });
});
