import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { describe, test } from 'node:test';
import { type CodecReading, compareWithNode, readWithCodec } from '@postern/server/http1/http1.fuzz';
import { type Http1Vector, http1Vectors } from './http1-vectors.ts';

describe('HTTP/1.1 vectors (RFC 9112)', () => {
  test('there are enough of them, and each has a name of its own', () => {
    const refused = http1Vectors.filter(vector => /^\d/.test(vector.expected));
    assert.ok(refused.length >= 150, `${refused.length} malformed messages`);
    assert.equal(new Set(http1Vectors.map(({ side, name }) => `${side} ${name}`)).size, http1Vectors.length);
  });

  for (const vector of http1Vectors) {
    test(`${vector.side}: ${vector.name} (${vector.source}) → ${vector.expected}`, () => {
      const bytes = Buffer.from(vector.bytes, 'latin1');
      const answers = [vector.answers ?? 'GET'];

      const reading = readWithCodec(vector.side, [bytes], answers);

      assert.equal(verdictOf(reading), vector.expected);
      compareWithNode(vector.side, bytes, answers, reading);
      const size = bytes.length > 4096 ? 1000 : 1;
      const inPieces = readWithCodec(vector.side, piecesOf(bytes, size), answers);
      assert.equal(verdictOf(inPieces), vector.expected, 'in pieces');
    });
  }

  test('a node:http server sees every accepted request as we do', async t => {
    const seen: SeenRequest[] = [];
    const server = http.createServer(
      { maxHeaderSize: 1 << 20, insecureHTTPParser: false },
      (request, response) => {
        const parts: Buffer[] = [];
        request.on('data', (part: Buffer) => parts.push(part));
        request.on('end', () => {
          const { method = '', url = '', rawHeaders } = request;
          seen.push({
            method,
            target: url,
            fields: rawHeaders,
            body: Buffer.concat(parts).toString('latin1'),
          });
          response.end();
        });
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const tally = { both: 0, bothRefuse: 0, onlyWeRefuse: 0, incomplete: 0 };

    for (const vector of http1Vectors.filter(({ side }) => side === 'request')) {
      seen.length = 0;
      await exchange(port, vector);
      if (vector.expected === 'accept') {
        const [ours] = readWithCodec('request', [Buffer.from(vector.bytes, 'latin1')]).messages;
        assert.deepEqual(
          seen,
          [
            {
              method: ours.method,
              target: ours.target,
              fields: ours.fields,
              body: ours.body.toString('latin1'),
            },
          ],
          vector.name,
        );
        tally.both++;
      } else if (vector.expected === 'incomplete') {
        assert.deepEqual(seen, [], vector.name);
        tally.incomplete++;
      } else if (seen.length === 0) tally.bothRefuse++;
      else tally.onlyWeRefuse++;
    }

    t.diagnostic(
      `both accept ${tally.both}, both refuse ${tally.bothRefuse}, only we refuse ${tally.onlyWeRefuse}`,
    );
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
});

interface SeenRequest {
  method: string;
  target: string;
  fields: string[];
  body: string;
}

function verdictOf({ messages, error }: CodecReading): string {
  if (error !== undefined) return `${error.status} ${error.reason}`;
  return messages.length > 0 && messages.every(message => message.isComplete) ? 'accept' : 'incomplete';
}

function piecesOf(bytes: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  return pieces;
}

/** Sends the bytes, half-closes, and waits until the server has closed. */
async function exchange(port: number, vector: Http1Vector): Promise<void> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  // A refusal may be answered with a reset while we still write.
  socket.on('error', () => {});
  socket.resume();
  socket.end(Buffer.from(vector.bytes, 'latin1'));
  if (!socket.closed) await once(socket, 'close');
}
