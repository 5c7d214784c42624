import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, LookupFunction } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Outbound } from '@postern/outbound/outbound';
import { issueServerLeaf } from '@postern/server/registration/authorities';
import { createAuthority, openSigner } from '@postern/server/registration/signer';
import { type ProxyReply, RawProxy } from '../../outbound/testing/raw-proxy.ts';
import { createServiceFetch } from './service-fetch.ts';

describe('requests through an outbound proxy', () => {
  const host = 'login.example.test';
  let folder: string;
  let caFile: string;
  let server: Server;
  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'postern-service-fetch-'));
    caFile = path.join(folder, 'ca.pem');
    const signer = openSigner(await createAuthority('p384', 'Test', Date.now()));
    writeFileSync(caFile, signer.certificate);
    const leaf = await issueServerLeaf(signer, [host], Date.now());
    server = createServer({ cert: leaf.certificate, key: leaf.privateKey }, (request, response) => {
      request
        .resume()
        .on('end', () => response.end(`${request.method} ${request.headers.host}${request.url}`));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });
  after(async () => {
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  const port = () => (server.address() as AddressInfo).port;
  function fetchThrough(proxy: RawProxy) {
    const outbound = new Outbound({
      host: '127.0.0.1',
      port: proxy.port,
      tls: false,
      user: null,
      source: 'HTTPS_PROXY',
    });
    return createServiceFetch({ caFile, outbound });
  }
  const carry = (): ProxyReply => ({ through: { host: '127.0.0.1', port: port() } });

  test('reach the service, whose name only the proxy has to know', async () => {
    await using proxy = await RawProxy.start(carry);

    const answer = await fetchThrough(proxy)(`https://${host}:${port()}/token`, {
      method: 'POST',
      body: 'a=b',
    });

    assert.equal(await answer.text(), `POST ${host}:${port()}/token`);
    assert.equal(proxy.heads.length, 1);
    assert.ok(proxy.heads[0].startsWith(`CONNECT ${host}:${port()} HTTP/1.1\r\n`));
  });

  test('still check the certificate', async () => {
    await using proxy = await RawProxy.start(carry);

    const attempt = fetchThrough(proxy)(`https://other.example.test:${port()}/`);

    await assert.rejects(attempt, { code: 'unreachable', message: /is for other names/ });
  });

  test('say what the proxy said when it refuses', async () => {
    await using proxy = await RawProxy.start(() => ({
      say: 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n',
      thenClose: true,
    }));

    const attempt = fetchThrough(proxy)(`https://${host}:${port()}/`);

    await assert.rejects(attempt, { code: 'unreachable', message: /403/, remedy: /CONNECT/ });
  });
});

test('what went wrong with each of several addresses is said', async () => {
  const lookup: LookupFunction = (_host, _options, callback) =>
    callback(null, [
      { address: '255.255.255.255', family: 4 },
      { address: '::1', family: 6 },
    ]);

  await assert.rejects(
    createServiceFetch({ lookup })('https://portal.example.test:9/'),
    /portal\.example\.test:9 cannot be reached: .*255\.255\.255\.255:9.*; .*ECONNREFUSED ::1:9/,
  );
});
