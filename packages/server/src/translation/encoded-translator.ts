import { TextDecoder } from 'node:util';
import type { ContentTranslator } from './content-edits.ts';

const none = Buffer.alloc(0);

/**
 * Finds out by the first bytes whether content is UTF-16, which a byte order mark says louder than any field (Encoding
 * Standard §6.1), and lets another translator see it in UTF-8. All other content it hands on as it is.
 */
export class EncodedTranslator implements ContentTranslator {
  readonly #inner: ContentTranslator;
  readonly #declared: 'ascii' | 'utf-16le' | 'utf-16be';
  #chosen: ContentTranslator | null = null;
  #first: Buffer = none;

  constructor(inner: ContentTranslator, declared: 'ascii' | 'utf-16le' | 'utf-16be') {
    this.#inner = inner;
    this.#declared = declared;
  }

  push(bytes: Buffer): Buffer {
    if (this.#chosen !== null) return this.#chosen.push(bytes);
    const first = this.#first.length === 0 ? bytes : Buffer.concat([this.#first, bytes]);
    if (first.length < 2) {
      this.#first = first;
      return none;
    }
    this.#first = none;
    this.#chosen = this.#choose(first);
    return this.#chosen.push(first);
  }

  end(): Buffer {
    if (this.#chosen !== null) return this.#chosen.end();
    const translated = this.#inner.push(this.#first);
    return Buffer.concat([translated, this.#inner.end()]);
  }

  #choose(bytes: Buffer): ContentTranslator {
    if (bytes[0] === 0xff && bytes[1] === 0xfe) return new Utf16Translator(this.#inner, 'utf-16le');
    if (bytes[0] === 0xfe && bytes[1] === 0xff) return new Utf16Translator(this.#inner, 'utf-16be');
    const isUtf8 = bytes[0] === 0xef && bytes[1] === 0xbb;
    return this.#declared === 'ascii' || isUtf8
      ? this.#inner
      : new Utf16Translator(this.#inner, this.#declared);
  }
}

class Utf16Translator implements ContentTranslator {
  readonly #inner: ContentTranslator;
  readonly #isBigEndian: boolean;
  readonly #decoder: TextDecoder;
  readonly #reader = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(inner: ContentTranslator, encoding: 'utf-16le' | 'utf-16be') {
    this.#inner = inner;
    this.#isBigEndian = encoding === 'utf-16be';
    this.#decoder = new TextDecoder(encoding, { ignoreBOM: true });
  }

  push(bytes: Buffer): Buffer {
    const text = this.#decoder.decode(bytes, { stream: true });
    return this.#encode(this.#inner.push(Buffer.from(text)), true);
  }

  end(): Buffer {
    const last = this.#inner.push(Buffer.from(this.#decoder.decode()));
    return this.#encode(Buffer.concat([last, this.#inner.end()]), false);
  }

  #encode(bytes: Buffer, stream: boolean): Buffer {
    const encoded = Buffer.from(this.#reader.decode(bytes, { stream }), 'utf16le');
    return this.#isBigEndian ? encoded.swap16() : encoded;
  }
}
