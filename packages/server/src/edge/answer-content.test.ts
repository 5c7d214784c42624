import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { describe, test } from 'node:test';
import * as zlib from 'node:zlib';
import type { ContentTranslator } from '../translation/content-edits.ts';
import type { ContentCoding } from '../translation/content-plan.ts';
import { CodedContent, type ContentReceiver, PlainContent } from './answer-content.ts';

/** Makes every `a` an `A`, and says so at the end. */
class Shouting implements ContentTranslator {
  push(bytes: Buffer): Buffer {
    return Buffer.from(bytes.toString('latin1').replaceAll('a', 'A'), 'latin1');
  }
  end(): Buffer {
    return Buffer.from('!');
  }
}

class Receiver extends EventEmitter implements ContentReceiver {
  isWritable = true;
  readonly pieces: Buffer[] = [];
  onContent(bytes: Buffer): void {
    this.pieces.push(bytes);
    this.emit('content');
  }
  onContentFlush(): void {}
  onContentRoom(): void {
    this.emit('room');
  }
  onContentEnd(): void {
    this.emit('over', null);
  }
  onContentFailure(detail: string): void {
    this.emit('over', detail);
  }
  get bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }
}

const codings: Record<ContentCoding, [(bytes: Buffer) => Buffer, (bytes: Buffer) => Buffer]> = {
  gzip: [zlib.gzipSync, zlib.gunzipSync],
  deflate: [zlib.deflateSync, zlib.inflateSync],
  br: [zlib.brotliCompressSync, zlib.brotliDecompressSync],
  zstd: [zlib.zstdCompressSync, zlib.zstdDecompressSync],
};

function open(coding: ContentCoding): { content: CodedContent; receiver: Receiver } {
  const receiver = new Receiver();
  return { receiver, content: new CodedContent(coding, new Shouting(), receiver) };
}

function pushAll(content: CodedContent, bytes: Buffer, size = 1_000): void {
  for (let at = 0; at < bytes.length; at += size) {
    content.push(bytes, at, Math.min(at + size, bytes.length));
    content.flush();
  }
}

const page = Buffer.from('banana '.repeat(50_000));
const shouted = `${page.toString().replaceAll('a', 'A')}!`;

describe('content in a coding is translated and encoded in it again (RFC 9110 §8.4)', () => {
  for (const [coding, [encode, decode]] of Object.entries(codings)) {
    test(coding, async () => {
      const { content, receiver } = open(coding as ContentCoding);

      pushAll(content, encode(page));
      content.end();

      assert.deepEqual(await once(receiver, 'over'), [null]);
      assert.equal(decode(receiver.bytes).toString(), shouted);
    });
  }

  test('deflate without the header of zlib, as some servers send it', async () => {
    const { content, receiver } = open('deflate');

    pushAll(content, zlib.deflateRawSync(page));
    content.end();
    await once(receiver, 'over');

    assert.equal(zlib.inflateRawSync(receiver.bytes).toString(), shouted);
  });

  test('gzip in two members, and with junk behind it', async () => {
    const { content, receiver } = open('gzip');
    const two = Buffer.concat([zlib.gzipSync('ba'), zlib.gzipSync('na'), Buffer.from('junk')]);

    pushAll(content, two, 3);
    content.end();

    assert.deepEqual(await once(receiver, 'over'), [null]);
    assert.equal(zlib.gunzipSync(receiver.bytes).toString(), 'bAnA!');
  });

  test('zstd in several frames, with some to be skipped between, and with junk behind it', async () => {
    const skippable = Buffer.from('5a2a4d1803000000616161', 'hex');
    const checked = zlib.zstdCompressSync('na', { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } });
    const frames = Buffer.concat([
      ...[skippable, zlib.zstdCompressSync('ba'), skippable, checked, zlib.zstdCompressSync('')],
      ...[zlib.zstdCompressSync(page), skippable, Buffer.from('x')],
    ]);
    for (const size of [1, 2, 3, 7, 1_000_000]) {
      const { content, receiver } = open('zstd');

      pushAll(content, frames, size);
      content.end();

      assert.deepEqual(await once(receiver, 'over'), [null], `in pieces of ${size}`);
      assert.equal(zlib.zstdDecompressSync(receiver.bytes).toString(), `bAnA${shouted}`);
    }
  });

  test('zstd whose second frame is cut off, or is none, breaks off behind what was good', async () => {
    const frame = zlib.zstdCompressSync('banana');
    for (const [rest, reason] of [
      [frame.subarray(0, -2), 'zstd: unexpected end of file'],
      [Buffer.from('junk'), null],
      [Buffer.from('ju'), null],
    ] as const) {
      const { content, receiver } = open('zstd');

      pushAll(content, Buffer.concat([frame, rest]));
      content.end();

      assert.deepEqual(await once(receiver, 'over'), [reason]);
    }
  });

  for (const bad of ['', 'j', 'junk', 'junk and more']) {
    test(`zstd that is ${bad === '' ? 'nothing' : JSON.stringify(bad)}`, async () => {
      const { content, receiver } = open('zstd');
      const over = once(receiver, 'over');

      pushAll(content, Buffer.from(bad), 3);
      content.end();

      const [reason] = (await over) as [string | null];
      assert.equal(reason === null, bad === '', String(reason));
    });
  }

  test('no content at all', () => {
    const { content, receiver } = open('gzip');
    let isOver = false;
    receiver.once('over', () => {
      isOver = true;
    });

    content.end();

    assert.ok(isOver);
    assert.equal(receiver.bytes.length, 0);
  });

  test('what has come can be read before the next part comes', async () => {
    for (const [coding, decode] of [
      ['gzip', () => zlib.createGunzip()],
      ['br', () => zlib.createBrotliDecompress()],
      ['zstd', () => zlib.createZstdDecompress()],
    ] as const) {
      const { content, receiver } = open(coding);
      const client = decode();
      receiver.on('content', () => client.write(receiver.pieces.at(-1)));
      const backend = { gzip: zlib.createGzip, br: zlib.createBrotliCompress, zstd: zlib.createZstdCompress }[
        coding
      ]();
      backend.on('data', (bytes: Buffer) => {
        content.push(bytes, 0, bytes.length);
        content.flush();
      });

      backend.write('first part');
      backend.flush();
      const [got] = await once(client, 'data');

      assert.equal(String(got), 'first pArt', coding);
      backend.destroy();
      content.destroy();
      client.destroy();
    }
  });
});

describe('content that is not what its head says', () => {
  test('is passed on as far as it can be decoded, and then is a failure', async () => {
    const { content, receiver } = open('gzip');
    const whole = zlib.gzipSync(page);

    pushAll(content, whole.subarray(0, whole.length - 100));
    content.end();

    assert.match((await once(receiver, 'over'))[0], /^gzip: unexpected end of file/);
    const got = zlib.gunzipSync(receiver.bytes).toString();
    assert.ok(got.length > 1_000);
    assert.ok(shouted.startsWith(got.slice(0, -1)));
  });

  test('is a failure where it is no gzip from the start', async () => {
    const { content, receiver } = open('gzip');

    pushAll(content, Buffer.from('<p>not gzip'));

    assert.match((await once(receiver, 'over'))[0], /^gzip: incorrect header check/);
  });

  test('is a failure where it is a bomb (threat H5)', async () => {
    const { content, receiver } = open('gzip');

    pushAll(content, zlib.gzipSync(Buffer.alloc(200_000_000)));
    content.end();

    assert.match((await once(receiver, 'over'))[0], /more than 100 times/);
  });
});

test('a client that takes nothing stops decoder and backend, and starts them again', async () => {
  const { content, receiver } = open('gzip');
  const noise = randomBytes(3_000_000);
  const encoded = zlib.gzipSync(noise);
  receiver.isWritable = false;
  let at = 0;
  const pushOn = () => {
    while (content.hasRoom && at < encoded.length) {
      content.push(encoded, at, at + 10_000);
      at += 10_000;
    }
  };
  receiver.on('room', pushOn);
  pushOn();

  await once(receiver, 'content');
  // One turn for everything that is under way in other threads, many times over.
  for (let turns = 0; turns < 200; turns++) await new Promise(setImmediate);
  const stoppedAt = at;
  assert.ok(stoppedAt < encoded.length / 2, `${stoppedAt} bytes were taken`);

  receiver.isWritable = true;
  receiver.on('room', () => {
    if (at >= encoded.length) content.end();
  });
  content.resume();
  assert.deepEqual(await once(receiver, 'over'), [null]);
  assert.equal(zlib.gunzipSync(receiver.bytes).length, noise.length + 1);
});

test('plain content goes on at once', () => {
  const receiver = new Receiver();
  const content = new PlainContent(new Shouting(), receiver);

  content.push(Buffer.from('xbananax'), 1, 7);

  assert.equal(receiver.bytes.toString(), 'bAnAnA');
  content.end();
  assert.equal(receiver.bytes.toString(), 'bAnAnA!');
});
