import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** A name server (RFC 1035) that knows what it is told, and of every other name that it is the loopback. */
export interface TestNameServer extends AsyncDisposable {
  /** `127.0.0.1:<port>`. */
  readonly address: string;
  readonly texts: Map<string, string[]>;
  /** IPv4; a name with an empty list has none. */
  readonly addresses: Map<string, string[]>;
  /** Names that it is silent about. */
  readonly silent: Set<string>;
}

const typeA = 1;
const typeTxt = 16;

export async function startNameServer(): Promise<TestNameServer> {
  const texts = new Map<string, string[]>();
  const addresses = new Map<string, string[]>();
  const silent = new Set<string>();
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const { name, type, end } = readQuestion(query);
    if (silent.has(name)) return;
    const records =
      type === typeTxt
        ? (texts.get(name) ?? []).map(textData)
        : type === typeA
          ? (addresses.get(name) ?? ['127.0.0.1']).map(address => Buffer.from(address.split('.').map(Number)))
          : [];
    const head = Buffer.alloc(12);
    head.writeUInt16BE(query.readUInt16BE(0), 0);
    // An authoritative answer; recursion desired and available.
    head.writeUInt16BE(0x8580, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    const answers = records.map(data => Buffer.concat([recordHead(type, data.length), data]));
    socket.send(Buffer.concat([head, query.subarray(12, end), ...answers]), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${(socket.address() as AddressInfo).port}`,
    texts,
    addresses,
    silent,
    [Symbol.asyncDispose]: () => new Promise(resolve => socket.close(() => resolve())),
  };
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let offset = 12;
  for (let length = query[offset]!; length > 0; length = query[offset]!) {
    labels.push(query.toString('latin1', offset + 1, offset + 1 + length));
    offset += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(offset + 1), end: offset + 5 };
}

/** Owner (a pointer to the question), type, class, a time to live of 0 s, length. */
function recordHead(type: number, length: number): Buffer {
  return Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, length]);
}

function textData(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')]);
}
