import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { answerEveryRequest, type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import {
  data,
  type Field,
  flags,
  frame,
  frameTypes,
  headers,
  RawHttp2,
  windowUpdate,
} from '../testbed/raw-http2.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';
import { type Http2Vector, host, http2Vectors } from './http2-vectors.ts';

let backend: RawBackend;
let bed: Testbed;

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [{ name: 'open', internalUrl: backend.url, passthrough: true }],
  });
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await backend.reset();
  backend.onConnection = answerUnlessHeld;
});

describe('HTTP/2 vectors (RFC 9113, RFC 7541)', () => {
  test('there are enough of them, and each has a name of its own', t => {
    assert.ok(http2Vectors.length >= 150, `${http2Vectors.length} vectors`);
    const names = http2Vectors.map(({ name, expected }) => `${name} → ${expected}`);
    assert.equal(new Set(names).size, names.length);
    const explained = http2Vectors.filter(({ because }) => because !== undefined);
    t.diagnostic(
      `${http2Vectors.length} vectors, ${explained.length} with another outcome than the RFC names`,
    );
  });

  for (const vector of http2Vectors) {
    test(`${vector.name} (${vector.source}) → ${vector.expected}`, async () => {
      const client = new RawHttp2(await bed.connect(host, ['h2']), vector.opening);

      const verdict = await verdictOf(client, vector);
      client.socket.destroy();

      if (vector.expected === 'GOAWAY') assert.match(verdict, /^GOAWAY (?!NO_ERROR)/);
      else assert.ok(vector.expected.split(' or ').includes(verdict), verdict);
      assert.doesNotMatch(backend.received, /unwanted/);
    });
  }
});

describe('what HTTP/2 has to answer', () => {
  async function connect(): Promise<RawHttp2> {
    return new RawHttp2(await bed.connect(host, ['h2']));
  }

  test('SETTINGS come first, and within the limits of RFC 9113 §6.5.2', async () => {
    const client = await connect();
    await client.until(() => client.frames.length > 0);
    client.socket.destroy();

    const [first] = client.frames;
    assert.deepEqual([first!.type, first!.flags, first!.streamId], [frameTypes.settings, 0, 0]);
    assert.equal(first!.payload.length % 6, 0);
  });

  test('each SETTINGS is acknowledged, once and empty (RFC 9113 §6.5.3)', async () => {
    const client = await connect();
    const acknowledged = () => client.of(0, frameTypes.settings).filter(one => one.flags === flags.ack);
    const settings = frame(frameTypes.settings, 0, 0);
    client.send(settings, settings, headers(1, fieldsOf('/')));
    await client.until(() => acknowledged().length >= 3 && hasEnded(client, 1));
    client.socket.destroy();

    assert.deepEqual(
      acknowledged().map(one => one.payload.length),
      [0, 0, 0],
    );
  });

  test('PING is acknowledged with its own bytes (RFC 9113 §6.7)', async () => {
    const client = await connect();
    client.send(frame(frameTypes.ping, 0, 0, Buffer.from('8 octets')));
    await client.until(() => client.of(0, frameTypes.ping).length > 0);
    client.socket.destroy();

    const [answer] = client.of(0, frameTypes.ping);
    assert.deepEqual([answer!.flags, answer!.payload.toString()], [flags.ack, '8 octets']);
  });

  test('content keeps to the window of its stream, also to one below zero (RFC 9113 §6.9.2)', async () => {
    const client = await connect();
    const initialWindow = (size: number) =>
      frame(frameTypes.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, size]));
    const answer = 'answer 1';
    client.send(initialWindow(3), headers(1, fieldsOf('/')));
    await client.until(() => client.body(1).length >= 3);
    assert.equal(client.body(1), answer.slice(0, 3));
    // 3 of 3 are used, so that 1 makes -2 of it; 4 more are then room for 2.
    client.send(initialWindow(1), windowUpdate(1, 4));
    await client.until(() => client.body(1).length >= 5);
    client.send(frame(frameTypes.ping, 0, 0, Buffer.alloc(8)));
    await client.until(() => client.of(0, frameTypes.ping).length > 0);
    assert.equal(client.body(1), answer.slice(0, 5));
    client.send(windowUpdate(1, 100));
    await client.until(() => hasEnded(client, 1));
    client.socket.destroy();

    assert.equal(client.body(1), answer);
  });

  test('what was read of a body is given back to the windows (RFC 9113 §6.9)', async () => {
    const client = await connect();
    client.send(headers(1, [[':method', 'POST'], ...fieldsOf('/').slice(1)], false));
    // Of more than half of a window a receiver lets its sender know.
    const piece = Buffer.alloc(16_384);
    for (let sent = 0; sent < 14; sent++) client.send(data(1, piece));
    await client.until(() => client.of(1, frameTypes.windowUpdate).length > 0);
    client.send(data(1, 'end', true));
    await client.until(() => hasEnded(client, 1));
    client.socket.destroy();

    assert.equal(endOfStream(client, 1), '200');
  });
});

/** By code (RFC 9113 §7). */
const errorNames = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

/** The last stream that a client can have. */
const probeId = 0x7fffffff;

async function verdictOf(client: RawHttp2, { steps, streamId }: Http2Vector): Promise<string> {
  // Limits hold once they are acknowledged.
  if (!(await reached(client, () => client.of(0, frameTypes.settings).length > 0))) return endOf(client);
  for (const step of steps) {
    if (Buffer.isBuffer(step)) client.send(step);
    else if (!(await reached(client, () => hasEnded(client, step.ended)))) return endOf(client);
  }
  let verdict = 'goes on';
  if (streamId > 0) {
    if (!(await reached(client, () => hasEnded(client, streamId)))) return endOf(client);
    verdict = endOfStream(client, streamId);
  }
  client.send(headers(probeId, fieldsOf('/probe')));
  if (!(await reached(client, () => hasEnded(client, probeId)))) return endOf(client);
  assert.equal(endOfStream(client, probeId), '200');
  return verdict;
}

/** Resolves with false if the connection ends, or is said to end, before a test holds. */
async function reached(client: RawHttp2, wanted: () => boolean): Promise<boolean> {
  const isGone = () => client.of(0, frameTypes.goAway).length > 0;
  await client.until(() => wanted() || isGone()).catch(() => {});
  return wanted() && !isGone();
}

/** The connection is about to end, and has to. */
async function endOf(client: RawHttp2): Promise<string> {
  await client.closed();
  const code = await client.goneAway();
  return code === null ? 'closed' : `GOAWAY ${nameOf(code)}`;
}

function hasEnded(client: RawHttp2, streamId: number): boolean {
  return client.frames.some(
    one =>
      one.streamId === streamId &&
      (one.type === frameTypes.reset || (one.type <= 1 && (one.flags & flags.endStream) !== 0)),
  );
}

function endOfStream(client: RawHttp2, streamId: number): string {
  const reset = client.of(streamId, frameTypes.reset)[0];
  return reset === undefined
    ? String(client.status(streamId))
    : `RST_STREAM ${nameOf(reset.payload.readUInt32BE(0))}`;
}

/** Of an error code. */
function nameOf(code: number): string {
  return errorNames[code] ?? String(code);
}

function fieldsOf(path: string): Field[] {
  return [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':authority', host],
    [':path', path],
  ];
}

function answerUnlessHeld(connection: BackendConnectionLog): void {
  answerEveryRequest(connection, received => lastPathOf(received) === '/hold');
  void connection
    .until(() => lastPathOf(connection.received) === '/stall')
    .then(() => connection.socket.pause());
}

function lastPathOf(received: string): string | undefined {
  return [...received.matchAll(/^[A-Z]+ (\S+) HTTP/gm)].at(-1)?.[1];
}
