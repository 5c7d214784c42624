import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  BodyReader,
  type BodySink,
  ChunkedDecoder,
  isAllowedTrailer,
  lastChunk,
  maxChunkHeaderBytes,
  writeChunkHeader,
} from './body.ts';
import { defaultHeadLimits, MessageHead, parseRequestHead, parseResponseHead } from './head.ts';

class Collected implements BodySink {
  text = '';
  onData(bytes: Buffer, start: number, end: number): void {
    this.text += bytes.toString('latin1', start, end);
  }
}

function responseHead(fields: string, method = 'GET'): MessageHead {
  const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${fields}\r\n`, 'latin1');
  const head = new MessageHead();
  assert.ok(parseResponseHead(bytes, 0, bytes.length, defaultHeadLimits, method, head));
  return head;
}

function decode(text: string, pieceSize: number): { content: string; rest: string; decoder: ChunkedDecoder } {
  const decoder = new ChunkedDecoder();
  const sink = new Collected();
  decoder.begin(false);
  const bytes = Buffer.from(text, 'latin1');
  let consumed = 0;
  while (!decoder.isDone && consumed < bytes.length) {
    consumed = decoder.read(bytes, consumed, Math.min(bytes.length, consumed + pieceSize), sink);
  }
  return { content: sink.text, rest: bytes.toString('latin1', consumed), decoder };
}

describe('BodyReader (RFC 9112 §6.3)', () => {
  test('a body of known length ends after its last byte, and what follows is not touched', () => {
    const reader = new BodyReader();
    const sink = new Collected();
    reader.begin(responseHead('Content-Length: 5\r\n'));

    const bytes = Buffer.from('..helloHTTP/1.1');
    assert.equal(reader.read(bytes, 2, 4, sink), 4);
    assert.equal(reader.remaining, 3);
    assert.equal(reader.read(bytes, 4, bytes.length, sink), 7);

    assert.deepEqual([sink.text, reader.isDone, reader.remaining], ['hello', true, 0]);
    assert.equal(reader.read(bytes, 7, bytes.length, sink), 7);
  });

  test('a body of known length that is cut off has not ended', () => {
    const reader = new BodyReader();
    reader.begin(responseHead('Content-Length: 5\r\n'));
    reader.read(Buffer.from('hell'), 0, 4, new Collected());

    assert.equal(reader.end(), false);
  });

  test('a body until the end of the connection ends with it', () => {
    const reader = new BodyReader();
    const sink = new Collected();
    reader.begin(responseHead(''));
    reader.read(Buffer.from('hello'), 0, 5, sink);

    assert.equal(reader.isDone, false);
    assert.equal(reader.remaining, -1);
    assert.equal(reader.end(), true);
    assert.equal(sink.text, 'hello');
  });

  test('no body is over at once', () => {
    const reader = new BodyReader();
    reader.begin(responseHead('Content-Length: 5\r\n', 'HEAD'));

    assert.equal(reader.isDone, true);
  });

  test('allowed trailers are kept for sending on, forbidden ones are not', () => {
    const reader = new BodyReader();
    reader.begin(responseHead('Transfer-Encoding: chunked\r\n'));
    const body = Buffer.from(
      '0\r\nX-Sum: 1\r\nHost: evil\r\nX-Postern-User-Id: me\r\nETag: "x"\r\n\r\n',
      'latin1',
    );

    reader.read(body, 0, body.length, new Collected());

    assert.equal(reader.trailers.toString('latin1'), 'X-Sum: 1\r\nETag: "x"\r\n');
  });

  test('the trailers of one body are not those of the next', () => {
    const reader = new BodyReader();
    const body = Buffer.from('0\r\nX-Sum: 1\r\n\r\n', 'latin1');
    reader.begin(responseHead('Transfer-Encoding: chunked\r\n'));
    reader.read(body, 0, body.length, new Collected());

    reader.begin(responseHead('Transfer-Encoding: chunked\r\n'));
    reader.read(lastChunk, 0, lastChunk.length, new Collected());

    assert.equal(reader.isDone, true);
    assert.equal(reader.trailers.length, 0);
  });
});

describe('chunked bodies (RFC 9112 §7.1)', () => {
  const body = '5;a="b\\"c"\r\nhello\r\n00A\r\n0123456789\r\n0;x\r\nX-Sum: 1\r\nY: z\r\n\r\n';

  test('read the same in pieces of every size', () => {
    for (let size = 1; size <= body.length + 4; size++) {
      const { content, rest, decoder } = decode(`${body}GET `, size);

      assert.deepEqual(
        [content, rest, decoder.isDone],
        ['hello0123456789', 'GET ', true],
        `pieces of ${size}`,
      );
      assert.equal(decoder.trailers.toString('latin1'), 'X-Sum: 1\r\nY: z\r\n');
    }
  });

  test('content is handed out without being copied, in one part per chunk and read', () => {
    const bytes = Buffer.from('5\r\nhello\r\n', 'latin1');
    const parts: unknown[] = [];
    const decoder = new ChunkedDecoder();
    decoder.begin(false);

    decoder.read(bytes, 0, bytes.length, { onData: (...part) => parts.push(part) });

    assert.deepEqual(parts, [[bytes, 3, 8]]);
  });

  test('a chunk of the largest size that is accepted does not overflow', () => {
    const { decoder } = decode('fffffffffffe\r\nx', 100);

    assert.equal(decoder.isDone, false);
    assert.throws(() => decode('fffffffffffff\r\n', 100), { code: 'bad_chunk_size', status: 400 });
  });

  test("faults of an answer are the backend's", () => {
    const decoder = new ChunkedDecoder();
    decoder.begin(true);

    assert.throws(() => decoder.read(Buffer.from('x'), 0, 1, new Collected()), {
      code: 'bad_response',
      reason: 'bad_chunk_size',
    });
  });

  test('a chunk header that we write is one that we read', () => {
    const bytes = Buffer.alloc(maxChunkHeaderBytes + 1, '.');
    for (const size of [1, 9, 10, 15, 16, 255, 256, 65_536, 2 ** 31, 2 ** 32 + 5, 2 ** 48 - 1]) {
      const end = writeChunkHeader(bytes, 1, size);

      assert.equal(bytes.toString('latin1', 0, end), `.${size.toString(16)}\r\n`);
    }
    assert.throws(() => writeChunkHeader(bytes, 0, 0), TypeError);
  });
});

describe('trailers (RFC 9110 §6.5.1)', () => {
  for (const name of [
    'x-checksum',
    'etag',
    'server-timing',
    'grpc-status',
    'content-digest',
    'repr-digest',
    'digest',
  ]) {
    test(`${name} may pass`, () => assert.equal(isAllowedTrailer(name), true));
  }
  for (const name of [
    'host',
    'authorization',
    'content-length',
    'transfer-encoding',
    'content-type',
    'set-cookie',
    'cookie',
    'connection',
    'x-forwarded-for',
    'x-forwarded-anything',
    'x-postern-user-id',
    'x_checksum',
    'proxy-anything',
    'te',
    'date',
  ]) {
    test(`${name} may not`, () => assert.equal(isAllowedTrailer(name), false));
  }
});

test('a request without a body has ended before it began', () => {
  const bytes = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'latin1');
  const head = new MessageHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, defaultHeadLimits, head));
  const reader = new BodyReader();

  reader.begin(head);

  assert.equal(reader.isDone, true);
});
