import assert from 'node:assert/strict';
import { generateKeyPairSync, randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { loadIdentity } from '@postern/connector/identity/identity';
import { openData } from '@postern/server/operate/open-data';
import { openAuthorities } from '@postern/server/registration/authorities';
import { createAuthority, openSigner, type Signer, wholeSeconds } from '@postern/server/registration/signer';
import { Forwarder } from '../testbed/forwarder.ts';
import { randomFrom } from '../testbed/random.ts';
import { RawBackend } from '../testbed/raw-backend.ts';
import { readAll, startTestbed, type Testbed } from '../testbed/testbed.ts';
import {
  controlFrame,
  frame,
  hello,
  type ProbeOptions,
  TunnelProbe,
  yamux,
} from '../testbed/tunnel-probe.ts';

const dayMs = 86_400_000;
const profile = '/onPremisesPublishingProfiles/applicationProxy';

interface Pair {
  readonly cert: string;
  readonly key: string;
}

let backend: RawBackend;
let bed: Testbed;
let registration: Signer;
/** The trust certificate of the connector that runs, and of one that tests speak for. */
let own: Pair;
let spoken: Pair;
let connect: string;

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [{ name: 'open', internalUrl: backend.url, passthrough: true }],
    connectors: 3,
  });
  connect = `connect.${bed.domain}`;
  await using data = await openData(bed.config, {});
  const authorities = await openAuthorities({ secrets: data.secrets, domain: bed.domain, now: Date.now });
  registration = authorities.registration;
  own = await pairOf(0);
  spoken = await pairOf(1);
  bed.connectors[1]!.process.kill('SIGKILL');
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

async function pairOf(connector: number): Promise<Pair> {
  const { pairs } = await loadIdentity(bed.connectors[connector]!.dataDir, Date.now());
  return { cert: pairs[0]!.certificate, key: pairs[0]!.privateKey };
}

interface Wanted {
  readonly commonName?: string;
  readonly usage?: 'clientAuth' | 'serverAuth';
  readonly fromMs?: number;
  readonly untilMs?: number;
}

async function issue(signer: Signer, wanted: Wanted = {}): Promise<Pair> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Date.now();
  const cert = await signer.issue({
    publicKey,
    commonName: wanted.commonName ?? bed.connectors[0]!.id,
    usage: wanted.usage ?? 'clientAuth',
    notBefore: wholeSeconds(now + (wanted.fromMs ?? -dayMs)),
    notAfter: wholeSeconds(now + (wanted.untilMs ?? dayMs)),
  });
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
}

function probe(options: Partial<ProbeOptions> = {}): Promise<TunnelProbe> {
  return TunnelProbe.connect({ port: bed.port, servername: connect, ...options });
}

/** A tunnel that the service has accepted. */
async function acceptedTunnel(options: Partial<ProbeOptions> = {}): Promise<TunnelProbe> {
  const tunnel = await probe({ ...spoken, ...options });
  tunnel.send(controlFrame(hello));
  await tunnel.message('welcome');
  return tunnel;
}

/** The connector that runs serves a request, so the service and its tunnels are alive. */
async function assertServed(): Promise<void> {
  const open = bed.hostOf('open');
  const answer = await bed.exchange(open, `GET / HTTP/1.1\r\nHost: ${open}\r\nConnection: close\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 200 /);
}

function assertNothingWasLost(): void {
  assert.equal(bed.service.exitCode, null);
  assert.doesNotMatch(bed.connectors[0]!.log.text, /tunnel_lost/);
}

describe('a tunnel that is not accepted is told why, and nothing that it sends is read (threat G4)', () => {
  const cases: readonly [name: string, reason: string, present: () => Promise<Partial<ProbeOptions>>][] = [
    ['no certificate', 'no_certificate', async () => ({})],
    [
      'a self-made certificate with a connector’s name',
      'unknown_issuer',
      async () => {
        const made = await createAuthority('p384', bed.connectors[0]!.id, Date.now());
        return issue(openSigner(made));
      },
    ],
    [
      'a self-made authority with a connector’s name',
      'wrong_usage',
      async () => {
        const made = await createAuthority('p384', bed.connectors[0]!.id, Date.now());
        return { cert: made.certificate, key: made.privateKey };
      },
    ],
    [
      'a certificate of another authority of the same name',
      'unknown_issuer',
      async () => {
        const other = await createAuthority('p384', `connectorregistrationca.${bed.domain}`, Date.now());
        const pair = await issue(openSigner(other));
        return { ...pair, cert: pair.cert + other.certificate };
      },
    ],
    ['an expired certificate', 'expired', () => issue(registration, { untilMs: -3_600_000 })],
    [
      'a certificate that is not valid yet',
      'not_yet_valid',
      () => issue(registration, { fromMs: 3_600_000 }),
    ],
    ['a certificate for servers', 'wrong_usage', () => issue(registration, { usage: 'serverAuth' })],
    [
      'a certificate signed with a connector’s own key',
      'unknown_issuer',
      async () => {
        const pair = await issue(openSigner({ certificate: own.cert, privateKey: own.key }));
        return { ...pair, cert: pair.cert + own.cert };
      },
    ],
    ['a right certificate that was never recorded', 'unknown_certificate', () => issue(registration)],
    [
      'the certificate of a revoked connector',
      'revoked',
      async () => {
        const pair = await pairOf(2);
        const answer = await bed.api('DELETE', `${profile}/connectors/${bed.connectors[2]!.id}`);
        assert.equal(answer.status, 204);
        return pair;
      },
    ],
  ];
  for (const [name, reason, present] of cases) {
    for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
      test(`${name}: ${reason} (${maxVersion})`, async () => {
        const tunnel = await probe({ ...(await present()), maxVersion });
        // A ping would be answered if a frame were read.
        tunnel.send(Buffer.concat([frame(yamux.ping, yamux.syn, 0, undefined, 7), controlFrame(hello)]));

        const refused = await tunnel.message('refused');
        await tunnel.closed();

        assert.equal(refused['reason'], reason);
        assert.equal(typeof refused['detail'], 'string');
        assert.equal(tunnel.frames.length, 1);
        assert.equal(tunnel.frames[0]!.stream, 1);
      });
    }
  }

  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    test(`a resumed session, which would prove no key, is not to be had (${maxVersion})`, async () => {
      let session: Buffer | undefined;
      const options = { ...spoken, servername: connect, port: bed.port, maxVersion };
      const first = await TunnelProbe.connect(options);
      first.socket.on('session', (one: Buffer) => {
        session = one;
      });
      session ??= first.socket.getSession();
      first.send(controlFrame(hello));
      await first.message('welcome');
      first.destroy();

      const again = await probe({ maxVersion, session });
      again.send(controlFrame(hello));

      assert.equal(again.socket.isSessionReused(), false);
      assert.equal((await again.message('refused'))['reason'], 'no_certificate');
      again.destroy();
    });
  }
});

describe('names and protocols in the ClientHello (threat G6)', () => {
  for (const name of [
    'open.bed.localhost',
    'portal.bed.localhost',
    'nothing.bed.localhost',
    'bed.localhost',
    '',
  ]) {
    test(`the tunnel protocol is spoken at no other name: "${name}"`, async () => {
      await assert.rejects(probe({ ...spoken, servername: name }));
    });
  }

  test('connect without the tunnel protocol is ordinary HTTPS', async () => {
    const answer = await bed.exchange(
      connect,
      `GET /nothing HTTP/1.1\r\nHost: ${connect}\r\nConnection: close\r\n\r\n`,
    );

    assert.match(answer, /^HTTP\/1\.1 404 /);
  });

  for (const name of ['CONNECT.Bed.LocalHost', 'connect.bed.localhost.', 'Connect.bed.localhost.']) {
    test(`a certificate is asked for whatever the spelling: ${name}`, async () => {
      const nobody = await probe({ servername: name });
      assert.equal((await nobody.message('refused'))['reason'], 'no_certificate');
      nobody.destroy();

      const somebody = await acceptedTunnel({ servername: name });
      somebody.destroy();
    });
  }

  for (const [name, transform] of [
    [
      'in TCP segments of one byte',
      (hello: Buffer) => Array.from(hello, (_, at) => hello.subarray(at, at + 1)),
    ],
    ['over TLS records of 20 bytes', (hello: Buffer) => [splitRecord(hello, 20)]],
    [
      'over TLS records of one byte, each in a segment',
      (hello: Buffer) => segments(splitRecord(hello, 1), 6),
    ],
  ] as const) {
    test(`a ClientHello ${name}: the certificate is still asked for, and still enough`, async () => {
      await using link = await Forwarder.start(bed.port);
      const begun = new Set<number>();
      link.transform = (bytes, connection) => {
        if (begun.has(connection)) return [bytes];
        begun.add(connection);
        return transform(bytes);
      };

      const nobody = await probe({ port: link.port });
      assert.equal((await nobody.message('refused'))['reason'], 'no_certificate');
      const somebody = await acceptedTunnel({ port: link.port });

      nobody.destroy();
      somebody.destroy();
    });
  }
});

/** The same handshake message in more records (RFC 8446 §5.1). */
function splitRecord(record: Buffer, size: number): Buffer {
  assert.equal(record.readUInt16BE(3), record.length - 5, 'one whole record');
  const records: Buffer[] = [];
  for (const piece of segments(record.subarray(5), size)) {
    const header = Buffer.from(record.subarray(0, 5));
    header.writeUInt16BE(piece.length, 3);
    records.push(header, piece);
  }
  return Buffer.concat(records);
}

function segments(bytes: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  return pieces;
}

describe('a connector that breaks the protocol loses its tunnel; nobody else loses anything (threats A17, G9, G10)', () => {
  const control = (text: string) => {
    const json = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(json.length);
    return frame(yamux.data, 0, 1, Buffer.concat([length, json]));
  };
  const cases: readonly [name: string, bytes: Buffer][] = [
    ['a second hello', controlFrame(hello, 0)],
    ['a control message that is no JSON', control('{"type":')],
    ['a control message that is no object', control('[1]')],
    ['a control message without type', control('{}')],
    ['a control message that is too long', frame(yamux.data, 0, 1, Buffer.from([0x7f, 0xff, 0xff, 0xff]))],
    ['an end report without numbers', control('{"type":"ended","stream":2,"reason":"backend_closed"}')],
    [
      'an end report of less than nothing',
      control('{"type":"ended","stream":2,"reason":"x","bytesWritten":-1}'),
    ],
    ['the end of the control stream', frame(yamux.data, yamux.fin, 1)],
    ['a reset of the control stream', frame(yamux.data, yamux.rst, 1)],
    ['a stream of its own', frame(yamux.windowUpdate, yamux.syn, 3)],
    ['a stream of its own with data', frame(yamux.data, yamux.syn, 3, Buffer.from('GET / HTTP/1.1\r\n\r\n'))],
    ['a stream with an id of the service', frame(yamux.data, yamux.syn, 2, Buffer.from('x'))],
    ['data on a stream that was never opened', frame(yamux.data, 0, 4_000, Buffer.from('x'))],
    ['a stream with an id that was used', frame(yamux.data, yamux.syn, 1, Buffer.from('x'))],
    ['more data than the window', frame(yamux.data, 0, 1, undefined, 0xffff_ffff)],
    [
      'a window beyond 32 bits',
      Buffer.concat([
        frame(yamux.windowUpdate, 0, 1, undefined, 0xffff_ffff),
        frame(yamux.windowUpdate, 0, 1, undefined, 0xffff_ffff),
      ]),
    ],
    ['another version', Buffer.from('010000000000000100000000', 'hex')],
    ['a frame type that does not exist', frame(9, 0, 1)],
    ['flags that do not exist', frame(yamux.data, 0x100, 1)],
    ['a go-away with an error', frame(yamux.goAway, 0, 0, undefined, 1)],
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ];
  for (const [name, bytes] of cases) {
    test(name, async () => {
      const tunnel = await acceptedTunnel();

      tunnel.send(bytes);
      await tunnel.closed();

      await assertServed();
      assertNothingWasLost();
    });
  }

  test('a flood of new streams', async () => {
    const tunnel = await acceptedTunnel();

    tunnel.send(
      Buffer.concat(
        Array.from({ length: 20_000 }, (_, at) => frame(yamux.windowUpdate, yamux.syn, 3 + 2 * at)),
      ),
    );
    await tunnel.closed();

    await assertServed();
    assertNothingWasLost();
  });

  test('a flood of pings whose answers nobody reads', async () => {
    const tunnel = await acceptedTunnel();
    tunnel.socket.pause();
    const pings = Buffer.concat(
      Array.from({ length: 50_000 }, (_, at) => frame(yamux.ping, yamux.syn, 0, undefined, at)),
    );
    for (let round = 0; round < 40 && !tunnel.socket.destroyed; round++) {
      // Comes with an error where the service has ended the tunnel.
      await new Promise<void>(resolve => tunnel.socket.write(pings, () => resolve()));
    }
    tunnel.socket.resume();
    await tunnel.closed();

    await assertServed();
    assertNothingWasLost();
  });

  test('each bit of a right beginning turned over, and garbage', async t => {
    const beginning = controlFrame(hello);
    const flips = Array.from({ length: 16 * 8 }, (_, bit) => {
      const bytes = Buffer.from(beginning);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      return bytes;
    });
    const seed = randomInt(2 ** 31);
    t.diagnostic(`seed ${seed}`);
    const random = randomFrom(seed);
    const garbage = Array.from({ length: 64 }, () => Buffer.concat([beginning, noise(random, 1_000)]));

    for (const bytes of [...flips, ...garbage]) {
      const tunnel = await probe(spoken);
      tunnel.send(bytes);
      // A turned bit may leave a message that waits for more bytes; the end of the connection is the end of that.
      tunnel.socket.end();
      await tunnel.closed();
    }

    await assertServed();
    assertNothingWasLost();
  });
});

describe('handshakes that are not what they seem', () => {
  test('500 half-open ones keep nobody out, and an address may not have more (threat G7)', async () => {
    const from = (localAddress: string) =>
      net.connect({ host: '127.0.0.1', port: bed.port, localAddress }).on('error', () => {});
    const start = await clientHelloFor(connect);
    const halfOpen = Array.from({ length: 500 }, () => from('127.0.0.2'));
    try {
      await Promise.all(halfOpen.map(socket => once(socket, 'connect')));
      // For some the ClientHello is whole, and the service waits for the certificate; for the others it never ends.
      for (const [at, socket] of halfOpen.entries()) {
        socket.write(start.subarray(0, at < 50 ? start.length : at % start.length));
      }

      const tunnel = await acceptedTunnel();
      tunnel.destroy();
      await assertServed();

      const more = from('127.0.0.2');
      await once(more, 'close');
    } finally {
      for (const socket of halfOpen) socket.destroy();
    }
    assertNothingWasLost();
  });

  test('connections whose handshake is over do not count as half-open', async () => {
    const open = bed.hostOf('open');
    const sockets: tls.TLSSocket[] = [];
    try {
      for (let batch = 0; batch < 11; batch++) {
        sockets.push(...(await Promise.all(Array.from({ length: 50 }, () => bed.connect(open)))));
      }
      assert.equal(sockets.length, 550);
      await assertServed();
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  test('damaged certificates and handshakes end that connection alone (threat G8)', async t => {
    const seed = randomInt(2 ** 31);
    t.diagnostic(`seed ${seed}`);
    const random = randomFrom(seed);
    await using link = await Forwarder.start(bed.port);
    const seen = new Map<number, number>();
    link.transform = (bytes, connection) => {
      const flight = seen.get(connection) ?? 0;
      seen.set(connection, flight + 1);
      // The second flight of TLS 1.2 carries the certificate in the clear.
      if (flight !== 1) return [bytes];
      const damaged = Buffer.from(bytes);
      for (let turned = 0; turned < 3; turned++) {
        const place = Math.floor(random() * Math.min(damaged.length, 900));
        damaged[place]! ^= 1 << Math.floor(random() * 8);
      }
      return [damaged];
    };
    for (let round = 0; round < 150; round++) {
      const tunnel = await probe({ ...spoken, port: link.port, maxVersion: 'TLSv1.2' }).catch(() => null);
      tunnel?.destroy();
    }

    assert.ok(seen.size === 150);
    await assertServed();
    assertNothingWasLost();
  });

  test('what is no TLS at all is closed', async () => {
    const socket = net.connect({ host: '127.0.0.1', port: bed.port });
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');

    assert.equal(await readAll(socket), '');
    await assertServed();
  });
});

/** What a client says first. */
async function clientHelloFor(servername: string): Promise<Buffer> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const client = tls
    .connect({ port, host: '127.0.0.1', servername, ALPNProtocols: ['postern/1'] })
    .on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

function noise(random: () => number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}
