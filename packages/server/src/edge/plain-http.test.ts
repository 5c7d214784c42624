import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { defaultHeadLimits } from '../http1/head.ts';
import { RouteTable } from '../routes/route-table.ts';
import { createLogger } from '../telemetry/logger.ts';
import { PlainHttpListener } from './plain-http.ts';

let listener: PlainHttpListener;
let port: number;

before(async () => {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  port = (probe.address() as net.AddressInfo).port;
  await new Promise(resolve => probe.close(resolve));
  const routes = new RouteTable([], { domain: 'example.com', portSuffix: ':8443' });
  listener = new PlainHttpListener({
    routes: () => routes,
    portSuffix: ':8443',
    answerInTheClear: (host, path) =>
      host === 'portcheck.example.com' && path === '/clear'
        ? { status: 200, headers: { 'x-own': 'yes' }, body: 'Grüße' }
        : null,
    limits: defaultHeadLimits,
    headTimeoutMs: 1_000,
    maxConnections: 10,
    log: createLogger({ program: 'test', level: 'silent' }),
  });
  await listener.listen({ host: '127.0.0.1', port });
});

after(() => listener.drain(0));

async function ask(bytes: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  socket.write(bytes);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe('plain HTTP', () => {
  test('a request for a name of ours is sent to HTTPS with its path and query', async () => {
    const answer = await ask('GET /a?b=c HTTP/1.1\r\nHost: Portal.Example.com:8080\r\n\r\n');

    assert.match(answer, /^HTTP\/1\.1 308 /);
    assert.match(answer, /\r\nLocation: https:\/\/portal\.example\.com:8443\/a\?b=c\r\n/);
    assert.match(answer, /\r\nConnection: close\r\n/);
  });

  test('a request for another name is 404: it redirects nobody elsewhere', async () => {
    assert.match(await ask('GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n'), /^HTTP\/1\.1 404 /);
  });

  test('an absolute target does not choose where to', async () => {
    const answer = await ask('GET http://evil.example/x HTTP/1.1\r\nHost: portal.example.com\r\n\r\n');

    assert.doesNotMatch(answer, /evil/);
  });

  test('what is made to be read by everybody is answered in the clear, whatever the query', async () => {
    const answer = await ask('GET /clear?x=/y HTTP/1.1\r\nHost: PortCheck.example.com.:80\r\n\r\n');

    assert.equal(
      answer,
      'HTTP/1.1 200 \r\nx-own: yes\r\ncontent-length: 7\r\nconnection: close\r\n\r\nGrüße',
    );
  });

  test('HEAD is answered without a body, and no other method changes anything', async () => {
    const head = await ask('HEAD /clear HTTP/1.1\r\nHost: portcheck.example.com\r\n\r\n');
    const post = await ask('POST /clear HTTP/1.1\r\nHost: portcheck.example.com\r\n\r\n');

    assert.match(head, /^HTTP\/1\.1 200 .*\r\ncontent-length: 7\r\n.*\r\n\r\n$/s);
    assert.match(post, /^HTTP\/1\.1 405 .*\r\nAllow: GET, HEAD, OPTIONS\r\n/s);
  });

  test('every other path of that host, and the same path of another, goes to HTTPS', async () => {
    for (const [host, path] of [
      ['portcheck.example.com', '/clear/'],
      ['portal.example.com', '/clear'],
    ]) {
      const answer = await ask(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assert.match(answer, new RegExp(`\\r\\nLocation: https://${host}:8443${path}\\r\\n`));
    }
  });

  test('a malformed head is refused', async () => {
    assert.match(await ask('GET / HTTP/1.1\nHost: portal.example.com\n\n'), /^HTTP\/1\.1 400 /);
  });

  test('a head that does not come is not waited for', async () => {
    assert.equal(await ask('GET / HTTP/1.1\r\n'), '');
  });

  test('a connection that was taken is answered before a stop, unless it says nothing', async () => {
    const socket = net.connect(port, '127.0.0.1');
    const mute = net.connect(port, '127.0.0.1');
    await Promise.all([once(socket, 'connect'), once(mute, 'connect')]);
    const ended = once(mute, 'close');
    // Both have been taken once a later one is answered.
    await ask('GET / HTTP/1.1\r\nHost: portal.example.com\r\n\r\n');

    const limitMs = 20;
    const drained = listener.drain(limitMs);
    socket.write('GET /late HTTP/1.1\r\nHost: portal.example.com\r\n\r\n');
    // The process is held up for longer than a stop waits.
    for (const from = performance.now(); performance.now() < from + 2 * limitMs; );

    assert.match(await text(socket), /^HTTP\/1\.1 308 .*\/late\r\n/s);
    await Promise.all([drained, ended]);
    await assert.rejects(ask('GET / HTTP/1.1\r\n'), { code: 'ECONNREFUSED' });
  });
});
