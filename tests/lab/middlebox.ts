/**
 * What stands between a connector and its service in the scenarios of the lab: `node middlebox.ts <kind> <port>`. Says
 * "ready" when it listens.
 */
import { createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type SecureVersion } from 'node:tls';
import { addresses } from './network.ts';
import { makeSelfSigned } from './self-signed.ts';

const kinds: Readonly<Record<string, () => Server>> = {
  /** Ends TLS and offers nothing newer than 1.1. */
  'tls-1.1': () =>
    terminator({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
  /** A login page of the network, whatever name was asked for. */
  'captive-portal': () => terminator({}),
  /** Cuts TLS 1.2 handshakes whose client certificate has a SHA-512 signature. */
  'no-sha512': () => relay(message => message[0] === certificateMessage && hasSha512Signature(message)),
  /** Cuts handshakes that do not offer TLS 1.3, or that do. */
  'no-tls-1.2': () => relay(message => message[0] === clientHello && !offersTls13(message)),
  'no-tls-1.3': () => relay(message => message[0] === clientHello && offersTls13(message)),
  /** Passes the client's first message on and holds whatever follows it, as a path that stalls in the middle. */
  'stalling-handshake': () => stallingHandshake(),
  /** Passes everything on, or holds it, both ways: a SIGUSR2 turns from one to the other. */
  holding: () => holdingRelay(),
  /** Passes everything on, a fifth of a second later each way. */
  late: () => lateRelay(),
  /** Takes connections and says nothing. */
  silent: () => createServer(socket => void socket.on('error', () => {}).resume()),
  /** Takes connections and cuts them at the first byte. */
  cutting: () =>
    createServer(socket => void socket.on('error', () => {}).once('data', () => socket.resetAndDestroy())),
  /** A proxy that asks for a kind of authentication that only Windows has. */
  'ntlm-proxy': () =>
    answering(
      'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n',
    ),
  /** A proxy that speaks something else. */
  'garbled-proxy': () => answering('220 mail.example.com ESMTP\r\n'),
  /** A proxy that reaches nothing. */
  'lost-proxy': () => answering('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n'),
};

const clientHello = 1;
const certificateMessage = 11;
const handshakeRecord = 22;

function terminator(options: {
  minVersion?: SecureVersion;
  maxVersion?: SecureVersion;
  ciphers?: string;
}): Server {
  const server = createTlsServer({ ...makeSelfSigned('Guest Network'), ...options }, socket => {
    socket.on('error', () => {});
    socket.once('data', () =>
      socket.end(
        'HTTP/1.1 302 Found\r\nLocation: http://login.guest.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
      ),
    );
  });
  server.on('tlsClientError', () => {});
  return server;
}

function answering(text: string): Server {
  return createServer(socket => void socket.on('error', () => {}).once('data', () => socket.end(text)));
}

/** Passes everything on to the service, until a handshake message of the client is one to object to. */
function relay(objectsTo: (message: Buffer) => boolean): Server {
  return createServer(client => {
    const service = netConnect(443, addresses.service);
    const messages = new HandshakeMessages();
    const cut = () => {
      client.resetAndDestroy();
      service.resetAndDestroy();
    };
    client.on('data', (bytes: Buffer) => {
      if (messages.push(bytes).some(objectsTo)) return cut();
      service.write(bytes);
    });
    service.on('data', bytes => void client.write(bytes));
    joinEnds(client, service);
  });
}

function stallingHandshake(): Server {
  return createServer(client => {
    const service = netConnect(443, addresses.service);
    client.once('data', bytes => {
      service.write(bytes);
      client.pause();
    });
    // Never read: the service's answer stays where it is.
    service.pause();
    joinEnds(client, service);
  });
}

function holdingRelay(): Server {
  const sockets = new Set<Socket>();
  let isHolding = false;
  process.on('SIGUSR2', () => {
    isHolding = !isHolding;
    for (const socket of sockets) {
      if (isHolding) socket.pause();
      else socket.resume();
    }
  });
  return createServer(client => {
    const service = netConnect(443, addresses.service);
    for (const [from, to] of [
      [client, service],
      [service, client],
    ] as const) {
      sockets.add(from);
      from.on('close', () => sockets.delete(from));
      from.on('data', bytes => void to.write(bytes));
      if (isHolding) from.pause();
    }
    joinEnds(client, service);
  });
}

const lateMs = 200;

function lateRelay(): Server {
  return createServer({ noDelay: true }, client => {
    const service = netConnect({ port: 443, host: addresses.service, noDelay: true });
    for (const [from, to] of [
      [client, service],
      [service, client],
    ] as const) {
      from.on('data', bytes => void setTimeout(() => to.write(bytes), lateMs));
      from.on('error', () => {});
      from.on('close', () => void setTimeout(() => to.destroy(), lateMs));
    }
  });
}

function joinEnds(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }
}

/** Reads the handshake messages that a client sends in the clear: all of TLS 1.2 until its encryption begins. */
class HandshakeMessages {
  #records: Buffer = Buffer.alloc(0);
  #messages: Buffer = Buffer.alloc(0);
  #isOver = false;

  push(bytes: Buffer): Buffer[] {
    if (this.#isOver) return [];
    this.#records = Buffer.concat([this.#records, bytes]);
    while (this.#records.length >= 5) {
      const end = 5 + this.#records.readUInt16BE(3);
      if (this.#records.length < end) break;
      if (this.#records[0] !== handshakeRecord) {
        this.#isOver = true;
        break;
      }
      this.#messages = Buffer.concat([this.#messages, this.#records.subarray(5, end)]);
      this.#records = this.#records.subarray(end);
    }
    const whole: Buffer[] = [];
    while (this.#messages.length >= 4) {
      const end = 4 + this.#messages.readUIntBE(1, 3);
      if (this.#messages.length < end) break;
      whole.push(this.#messages.subarray(0, end));
      this.#messages = this.#messages.subarray(end);
    }
    return whole;
  }
}

/** Object identifiers in DER: sha512WithRSAEncryption, ecdsa-with-SHA512. */
const sha512Signatures = ['06092a864886f70d01010d', '06082a8648ce3d040304'].map(hex =>
  Buffer.from(hex, 'hex'),
);

function hasSha512Signature(message: Buffer): boolean {
  return sha512Signatures.some(identifier => message.includes(identifier));
}

/** Whether the extension supported_versions (43) of a ClientHello names TLS 1.3. */
function offersTls13(hello: Buffer): boolean {
  let at = 4 + 2 + 32;
  at += 1 + hello[at]!;
  at += 2 + hello.readUInt16BE(at);
  at += 1 + hello[at]!;
  const end = at + 2 + hello.readUInt16BE(at);
  for (at += 2; at < end; at += 4 + hello.readUInt16BE(at + 2)) {
    if (hello.readUInt16BE(at) !== 43) continue;
    const versions = hello.subarray(at + 5, at + 4 + hello.readUInt16BE(at + 2));
    return versions.toString('hex').includes('0304');
  }
  return false;
}

const [kind = '', port = ''] = process.argv.slice(2);
const make = kinds[kind];
if (make === undefined) throw new RangeError(`${kind} is none of ${Object.keys(kinds).join(', ')}`);
make().listen(Number(port), addresses.gateway, () => process.stdout.write('ready\n'));
