import { maxControlMessageBytes } from './messages.ts';

/**
 * Encodes one message of the control stream.
 *
 * @throws RangeError if the message is larger than {@link maxControlMessageBytes}.
 */
export function encodeControlMessage(message: object): Buffer {
  const json = Buffer.from(JSON.stringify(message));
  if (json.length > maxControlMessageBytes)
    throw new RangeError('a control message of that size is not sent');
  const out = Buffer.allocUnsafe(4 + json.length);
  out.writeUInt32BE(json.length, 0);
  json.copy(out, 4);
  return out;
}

/**
 * Cuts the control stream into messages. Nothing is known of their types here: a message is any JSON object with a
 * `type`, so that the newer side may say what the older does not know.
 */
export class ControlDecoder {
  #chunks: Buffer[] = [];
  #buffered = 0;

  /**
   * Takes the next bytes and returns the messages that they complete, in order.
   *
   * @throws SyntaxError if a message is too long or no JSON object with a string `type`: the stream is unusable then.
   */
  push(bytes: Buffer): { readonly type: string }[] {
    this.#chunks.push(bytes);
    this.#buffered += bytes.length;
    const messages: { readonly type: string }[] = [];
    while (this.#buffered >= 4) {
      const length = this.#peekLength();
      if (length > maxControlMessageBytes) throw new SyntaxError('a control message is too long');
      if (this.#buffered < 4 + length) break;
      messages.push(parseMessage(this.#take(4 + length).subarray(4)));
    }
    return messages;
  }

  #peekLength(): number {
    if (this.#chunks[0]!.length < 4) this.#join();
    return this.#chunks[0]!.readUInt32BE(0);
  }

  // Joins only when a whole message is there: joining at every chunk would copy a large message over and over.
  #take(length: number): Buffer {
    if (this.#chunks[0]!.length < length) this.#join();
    const first = this.#chunks[0]!;
    if (first.length === length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(length);
    this.#buffered -= length;
    return first.subarray(0, length);
  }

  #join(): void {
    this.#chunks = [Buffer.concat(this.#chunks)];
  }
}

function parseMessage(json: Buffer): { readonly type: string } {
  const value: unknown = JSON.parse(json.toString('utf8'));
  if (typeof value !== 'object' || value === null || typeof (value as { type?: unknown }).type !== 'string') {
    throw new SyntaxError('a control message is an object with a type');
  }
  return value as { readonly type: string };
}
