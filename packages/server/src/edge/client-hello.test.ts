import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, test } from 'node:test';
import tls from 'node:tls';
import { readClientHello } from './client-hello.ts';

/** The first flight of a real client. */
async function capture(options: tls.ConnectionOptions): Promise<Buffer> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = tls.connect({
    port: (server.address() as net.AddressInfo).port,
    host: '127.0.0.1',
    ...options,
  });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

/** The same handshake bytes in records of `size` bytes. */
function inRecordsOf(size: number, flight: Buffer): Buffer {
  const message = flight.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    records.push(Buffer.from([0x16, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(records);
}

describe('ClientHello (RFC 8446 §4.1.2)', () => {
  test('server name and protocols of a real client are read', async () => {
    const hello = await capture({ servername: 'Wiki.Example.COM', ALPNProtocols: ['h2', 'http/1.1'] });

    assert.deepEqual(readClientHello(hello), {
      serverName: 'wiki.example.com',
      protocols: ['h2', 'http/1.1'],
    });
  });

  test('a hello that comes byte by byte is incomplete until its last byte', async () => {
    const hello = await capture({ servername: 'connect.example.com', ALPNProtocols: ['postern/1'] });

    for (let length = 0; length < hello.length; length++) {
      assert.equal(readClientHello(hello.subarray(0, length)), 'incomplete', `at ${length}`);
    }
    assert.deepEqual(readClientHello(hello), { serverName: 'connect.example.com', protocols: ['postern/1'] });
  });

  test('a hello split over records of one to forty bytes reads the same (threat G6)', async () => {
    const hello = await capture({ servername: 'connect.example.com', ALPNProtocols: ['postern/1'] });

    for (let size = 1; size <= 40; size++) {
      const split = inRecordsOf(size, hello);
      assert.deepEqual(readClientHello(split), {
        serverName: 'connect.example.com',
        protocols: ['postern/1'],
      });
      assert.equal(readClientHello(split.subarray(0, split.length - 1)), 'incomplete');
    }
  });

  test('a client without a server name is read as such', async () => {
    const hello = await capture({ host: '127.0.0.1' });

    assert.deepEqual(readClientHello(hello), { serverName: null, protocols: [] });
  });

  test('what is no ClientHello is invalid at its first byte that says so', () => {
    assert.equal(readClientHello(Buffer.from('GET / HTTP/1.1\r\n')), 'invalid');
    assert.equal(readClientHello(Buffer.from([0x16, 2, 0, 0, 1])), 'invalid');
    assert.equal(readClientHello(Buffer.from([0x16, 3, 1, 0, 4, 2, 0, 0, 0])), 'invalid');
    assert.equal(readClientHello(Buffer.from([0x16, 3, 1, 0xff, 0xff, 1])), 'invalid');
    assert.equal(readClientHello(Buffer.from([0x16, 3, 1, 0, 4, 1, 1, 0, 0])), 'invalid');
  });

  test('lengths that point beyond the message are invalid, at every position', async () => {
    const hello = await capture({ servername: 'a.example', ALPNProtocols: ['h2'] });

    for (let at = 9; at < hello.length; at++) {
      const broken = Buffer.from(hello);
      broken[at] = 0xff;
      const read = readClientHello(broken);
      assert.ok(read === 'invalid' || typeof read === 'object', `at ${at}: ${JSON.stringify(read)}`);
    }
  });
});
