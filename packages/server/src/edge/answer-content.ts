import type { Transform } from 'node:stream';
import {
  constants,
  createBrotliCompress,
  createBrotliDecompress,
  createDeflate,
  createDeflateRaw,
  createGunzip,
  createGzip,
  createInflate,
  createInflateRaw,
  createZstdCompress,
  createZstdDecompress,
} from 'node:zlib';
import type { ContentTranslator } from '../translation/content-edits.ts';
import type { ContentCoding } from '../translation/content-plan.ts';
import { ZstdFrames } from './zstd-frames.ts';

/** What changes the content of one answer on its way from the exchange to the client. */
export interface AnswerContent {
  /** False: whoever pushes waits until the receiver's `onContentRoom`. */
  readonly hasRoom: boolean;
  push(bytes: Buffer, start: number, end: number): void;
  /** All bytes that arrived together have been pushed. */
  flush(): void;
  /** The backend's content is complete. */
  end(): void;
  /** The client has room again. */
  resume(): void;
  /** Nobody wants the rest. */
  destroy(): void;
}

/** Who gets the changed content. */
export interface ContentReceiver {
  readonly isWritable: boolean;
  onContent(bytes: Buffer): void;
  /** What was given since the last time may go out. */
  onContentFlush(): void;
  onContentRoom(): void;
  onContentEnd(): void;
  /** The rest cannot be had: what was given is all. */
  onContentFailure(detail: string): void;
}

/** Decoded content beyond this and beyond so many times what came is an attack on us (threat H5). */
const maxFreeDecodedBytes = 10 * 1024 * 1024;
const maxRatio = 100;
/** Encoded bytes that wait for the decoder. */
const maxWaitingBytes = 64 * 1024;

/** Content without a coding: translated at once, and never more held than the translator holds. */
export class PlainContent implements AnswerContent {
  readonly hasRoom = true;
  readonly #translator: ContentTranslator;
  readonly #receiver: ContentReceiver;

  constructor(translator: ContentTranslator, receiver: ContentReceiver) {
    this.#translator = translator;
    this.#receiver = receiver;
  }

  push(bytes: Buffer, start: number, end: number): void {
    const piece = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    this.#give(this.#translator.push(piece));
  }

  flush(): void {
    this.#receiver.onContentFlush();
  }

  end(): void {
    this.#give(this.#translator.end());
    this.#receiver.onContentEnd();
  }

  resume(): void {}

  destroy(): void {}

  #give(bytes: Buffer): void {
    if (bytes.length > 0) this.#receiver.onContent(bytes);
  }
}

type Coder = Transform & { flush(kind: number): void };

/**
 * Content in a coding: decoded, translated and encoded again in the same coding, which the client has asked for, with as
 * much waiting between these steps as they need to be busy. Decoding and encoding are done by other threads.
 */
export class CodedContent implements AnswerContent {
  readonly #coding: ContentCoding;
  readonly #translator: ContentTranslator;
  readonly #receiver: ContentReceiver;
  readonly #frames: ZstdFrames | null;
  #decoder: Coder | null = null;
  #encoder: Coder | null = null;
  #waitingBytes = 0;
  #encodedBytes = 0;
  #decodedBytes = 0;
  #hasDecodedAll = false;
  #hasUnflushed = false;
  #failure: string | null = null;
  #isOver = false;

  constructor(coding: ContentCoding, translator: ContentTranslator, receiver: ContentReceiver) {
    this.#coding = coding;
    this.#frames = coding === 'zstd' ? new ZstdFrames() : null;
    this.#translator = translator;
    this.#receiver = receiver;
  }

  get hasRoom(): boolean {
    return this.#waitingBytes < maxWaitingBytes;
  }

  push(bytes: Buffer, start: number, end: number): void {
    // Some servers send something behind the last byte of a coding; browsers ignore it too.
    if (this.#isOver || this.#hasDecodedAll || start === end) return;
    this.#decoder ??= this.#open(bytes[start]!);
    const piece = bytes.subarray(start, end);
    if (this.#frames === null) this.#decode(piece, this.#decoder);
    else for (const part of this.#frames.split(piece)) this.#decode(part, this.#decoder);
  }

  #decode(bytes: Buffer, decoder: Coder): void {
    const { length } = bytes;
    this.#waitingBytes += length;
    this.#encodedBytes += length;
    decoder.write(bytes, () => this.#decoded(length));
  }

  flush(): void {}

  end(): void {
    if (this.#isOver) return;
    // No content is no coding's beginning either, but nothing is wrong with it.
    if (this.#decoder === null) this.#finish();
    else if (!this.#hasDecodedAll) this.#decoder.end(this.#frames?.end());
  }

  resume(): void {
    this.#encoder?.resume();
  }

  destroy(): void {
    this.#isOver = true;
    this.#decoder?.destroy();
    this.#encoder?.destroy();
  }

  #open(firstByte: number): Coder {
    const decoder = openDecoder(this.#coding, firstByte);
    const encoder = openEncoder(this.#coding, firstByte);
    this.#encoder = encoder;
    decoder.on('data', (bytes: Buffer) => this.#translate(bytes, decoder, encoder));
    decoder.on('end', () => this.#endDecoded(encoder));
    decoder.on('error', (error: Error) => {
      // What was decoded is good, and goes to its reader before the answer breaks off. What has no header of gzip behind
      // what had one is no member, but something that servers leave there and browsers ignore.
      const isBehindAll = this.#decodedBytes > 0 && error.message === 'incorrect header check';
      if (!isBehindAll) this.#failure = error.message;
      this.#endDecoded(encoder);
    });
    encoder.on('drain', () => decoder.resume());
    encoder.on('data', (bytes: Buffer) => {
      if (this.#isOver) return;
      this.#receiver.onContent(bytes);
      this.#receiver.onContentFlush();
      if (!this.#receiver.isWritable) encoder.pause();
    });
    encoder.on('end', () => this.#finish());
    encoder.on('error', (error: Error) => this.#fail(error.message));
    return decoder;
  }

  #translate(bytes: Buffer, decoder: Coder, encoder: Coder): void {
    this.#decodedBytes += bytes.length;
    if (this.#decodedBytes > maxFreeDecodedBytes && this.#decodedBytes > this.#encodedBytes * maxRatio) {
      return this.#fail(`more than ${maxRatio} times its size when decoded`);
    }
    const translated = this.#translator.push(bytes);
    if (translated.length === 0) return;
    this.#hasUnflushed = true;
    if (!encoder.write(translated)) decoder.pause();
  }

  #decoded(length: number): void {
    this.#waitingBytes -= length;
    if (this.#isOver) return;
    // Everything that came is decoded: what a backend sends in parts must not wait in the encoder for the next one.
    if (this.#waitingBytes === 0 && this.#hasUnflushed && !this.#hasDecodedAll) {
      this.#hasUnflushed = false;
      this.#encoder?.flush(flushOf(this.#coding));
    }
    this.#receiver.onContentRoom();
  }

  #endDecoded(encoder: Coder): void {
    if (this.#isOver) return;
    this.#hasDecodedAll = true;
    encoder.end(this.#translator.end());
    this.#waitingBytes = 0;
    this.#receiver.onContentRoom();
  }

  #finish(): void {
    if (this.#isOver) return;
    if (this.#failure !== null) return this.#fail(this.#failure);
    this.#isOver = true;
    this.#receiver.onContentEnd();
  }

  #fail(detail: string): void {
    if (this.#isOver) return;
    this.destroy();
    this.#receiver.onContentFailure(`${this.#coding}: ${detail}`);
  }
}

// What costs a third of the default and saves nearly as much; the bytes go over the internet once.
const gzipLevel = 4;
const brotliQuality = 4;
const zstdLevel = 3;
/** 256 KiB: with the window that these codings choose by themselves, a thousand answers at a time would take gigabytes. */
const encoderWindowLog = 18;
/** 8 MiB, which is what a zstd decoder of the web may take (RFC 9659). */
const maxZstdWindowLog = 23;
const chunkSize = 64 * 1024;

function openDecoder(coding: ContentCoding, firstByte: number): Coder {
  switch (coding) {
    case 'gzip':
      return createGunzip({ chunkSize });
    case 'deflate':
      return isZlib(firstByte) ? createInflate({ chunkSize }) : createInflateRaw({ chunkSize });
    case 'br':
      return createBrotliDecompress({ chunkSize });
    case 'zstd':
      return createZstdDecompress({
        chunkSize,
        params: { [constants.ZSTD_d_windowLogMax]: maxZstdWindowLog },
      });
  }
}

function openEncoder(coding: ContentCoding, firstByte: number): Coder {
  switch (coding) {
    case 'gzip':
      return createGzip({ chunkSize, level: gzipLevel });
    case 'deflate':
      return isZlib(firstByte)
        ? createDeflate({ chunkSize, level: gzipLevel })
        : createDeflateRaw({ chunkSize, level: gzipLevel });
    case 'br':
      return createBrotliCompress({
        chunkSize,
        params: {
          [constants.BROTLI_PARAM_QUALITY]: brotliQuality,
          [constants.BROTLI_PARAM_LGWIN]: encoderWindowLog,
        },
      });
    case 'zstd':
      return createZstdCompress({
        chunkSize,
        params: {
          [constants.ZSTD_c_compressionLevel]: zstdLevel,
          [constants.ZSTD_c_windowLog]: encoderWindowLog,
        },
      });
  }
}

// Servers never agreed on what deflate means: with the header of zlib, as RFC 9110 §8.4.1.2 says, or without.
function isZlib(firstByte: number): boolean {
  return (firstByte & 0x0f) === 8;
}

function flushOf(coding: ContentCoding): number {
  if (coding === 'br') return constants.BROTLI_OPERATION_FLUSH;
  return coding === 'zstd' ? constants.ZSTD_e_flush : constants.Z_SYNC_FLUSH;
}
