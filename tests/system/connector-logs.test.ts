/** A connector writes down what happens to it, and, where it is told to, every request that goes through it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { followLog, type LogLine, readLog } from '@postern/connector/events/read-log';
import { RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { freePorts, startTestbed, type Testbed, type TestConnector } from '../testbed/testbed.ts';

const postern = path.join(import.meta.dirname, '../../packages/cli/bin/postern.mjs');

describe('the logs of a connector', { timeout: 300_000 }, () => {
  let backend: RawBackend;
  const orders = http2.createServer();
  let bed: Testbed;
  let connector: TestConnector;

  before(async () => {
    backend = await RawBackend.start();
    await once(orders.listen(0, '127.0.0.1'), 'listening');
    bed = await startTestbed({
      applications: [
        { name: 'open', internalUrl: backend.url, passthrough: true },
        {
          name: 'orders',
          internalUrl: `http://127.0.0.1:${(orders.address() as net.AddressInfo).port}/`,
          passthrough: true,
          publishing: { backendProtocol: 'h2c' },
        },
        { name: 'gone', internalUrl: `http://127.0.0.1:${(await freePorts(1))[0]}/`, passthrough: true },
      ],
      config: { limits: { maxConnections: 20 } },
    });
    connector = bed.connectors[0]!;
    mkdirSync(path.join(connector.dataDir, 'Config'), { recursive: true });
    writeFileSync(
      path.join(connector.dataDir, 'Config', 'connector.json'),
      JSON.stringify({ sessionLog: true }),
    );
    await connector.restart();
  });

  after(async () => {
    await bed?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
    orders.close();
  });

  /** Waits until a log has a line that fits. */
  async function lineOf(name: 'admin' | 'session', fits: (line: LogLine) => boolean): Promise<LogLine> {
    const stop = new AbortController();
    for await (const line of followLog(connector.dataDir, name, stop.signal)) if (fits(line)) return line;
    throw new Error('the log ended');
  }

  async function events(...parameters: string[]): Promise<string> {
    const args = [postern, 'connector', 'events', '--data', connector.dataDir, ...parameters];
    return (await promisify(execFile)(process.execPath, args)).stdout;
  }

  test('hold requests that share an HTTP/2 connection, answered and broken off', async () => {
    const seen = new Map<string, string>();
    const { promise: held, resolve: onHeld } = Promise.withResolvers<void>();
    orders.on('stream', (stream, fields) => {
      stream.on('error', () => {});
      seen.set(String(fields[':path']), String(fields['x-request-id']));
      if (fields[':path'] === '/held') return onHeld();
      stream.respond({ ':status': 200 });
      stream.end('answer');
    });
    const host = bed.hostOf('orders');
    const ask = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    const waiting = new RawClient(await bed.connect(host));
    waiting.send(ask('/held'));
    await held;
    for (const path of ['/one', '/two']) assert.match(await bed.exchange(host, ask(path)), /answer/);
    waiting.destroy();

    for (const [path, outcome] of [
      ['/one', 'answered'],
      ['/two', 'answered'],
      ['/held', 'service_closed'],
    ] as const) {
      const line = await lineOf('session', one => one['requestId'] === seen.get(path));
      assert.equal(line['outcome'], outcome);
    }
  });

  test('hold every request with its id, its backend and its bytes, also of those that share a connection', async () => {
    const host = bed.hostOf('open');
    const client = new RawClient(await bed.connect(host));
    const body = 'a secret body';

    for (const number of [1, 2, 3]) {
      // What may be sent twice takes a connection that has rested for longer.
      await client.ask(
        `PUT /secret-path-${number} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    }
    client.destroy();
    const ids = [...backend.received.matchAll(/^x-request-id: (\S+)\r$/gim)].map(([, id]) => id!);
    assert.equal(ids.length, 3);
    const lines = await Promise.all(ids.map(id => lineOf('session', line => line['requestId'] === id)));

    assert.equal(backend.connections.length, 1);
    for (const line of lines) {
      assert.equal(line['applicationId'], bed.applicationId('open'));
      assert.equal(line['backend'], new URL(backend.url).host);
      assert.equal(line['outcome'], 'answered');
      assert.ok(Number(line['bytesToBackend']) > body.length);
      assert.ok(Number(line['bytesFromBackend']) > 0);
      assert.ok(Number(line['durationMs']) > 0);
    }
    const sent = lines.reduce((sum, line) => sum + Number(line['bytesToBackend']), 0);
    assert.equal(sent, backend.received.length);
    const text = JSON.stringify(lines);
    assert.ok(!text.includes('secret'), text);
  });

  test('say of a request why its backend could not be reached, by the id that the person saw', async () => {
    const host = bed.hostOf('gone');
    const answer = await bed.exchange(host, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    const requestId = /^x-request-id: (\S+)\r$/im.exec(answer)?.[1];

    const request = await lineOf('session', line => line['requestId'] === requestId);
    const event = await lineOf('admin', line => line['event'] === 'backend_failed');

    assert.match(answer, /^HTTP\/1\.1 502 /);
    assert.equal(request['outcome'], 'connection_refused');
    assert.equal(request['bytesFromBackend'], 0);
    assert.deepEqual([event['id'], event['level'], event['requestId']], [3001, 'warn', requestId]);
  });

  test('are files for the connector alone', () => {
    const folder = path.join(connector.dataDir, 'logs');

    for (const file of readdirSync(folder)) {
      assert.equal(statSync(path.join(folder, file)).mode & 0o077, 0, file);
    }
  });

  test('are shown by one command, for people and for programs', async () => {
    const text = await events();
    const json = await events('--json', '--since', '1h');
    const session = await events('--log', 'session');

    assert.match(text, /^\S+Z {2}info {3}4000 connector_started {2}Connector \S+ connects to /m);
    assert.match(text, /2000 tunnel_connected/);
    const lines = json
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as LogLine);
    const written: LogLine[] = [];
    for await (const line of readLog(connector.dataDir, 'admin')) written.push(line);
    assert.deepEqual(lines, written);
    assert.match(session, /connection_refused {2}127\.0\.0\.1:\d+ {2}\d+ bytes sent, 0 received/);
    await assert.rejects(events('--since', 'yesterday'), /--since is a time/);
    assert.equal(await events('--since', '2999-01-01'), '');
  });

  test('have no session log where nobody asked for one', async () => {
    writeFileSync(path.join(connector.dataDir, 'Config', 'connector.json'), '{}');
    await connector.restart();
    const count = (await events('--log', 'session', '--json', '--since', '1h')).length;
    const host = bed.hostOf('open');

    await bed.exchange(host, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    await connector.restart();

    assert.equal((await events('--log', 'session', '--json', '--since', '1h')).length, count);
  });

  test('leave connections that the service refuses to a metric', async () => {
    const sockets = Array.from({ length: 40 }, () =>
      net.connect(bed.port, '127.0.0.1').on('error', () => {}),
    );
    await Promise.any(sockets.map(socket => new Promise(resolve => socket.once('close', resolve))));

    const answer = await fetch(`http://127.0.0.1:${bed.privatePort}/metrics`);
    const refused = /^postern_refused_connections\{[^}]*\} (\d+)$/m.exec(await answer.text())?.[1];
    for (const socket of sockets) socket.destroy();

    assert.ok(Number(refused) > 0, refused);
  });
});
