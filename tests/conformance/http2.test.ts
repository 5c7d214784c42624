import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { answerEveryRequest, type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import { type Field, flags, frameTypes, headers, RawHttp2 } from '../testbed/raw-http2.ts';
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

beforeEach(() => {
  backend.reset();
  backend.onConnection = answerUnlessHeld;
});

describe('HTTP/2 vectors (RFC 9113, RFC 7541)', () => {
  test('there are enough of them, and each has a name of its own', () => {
    assert.ok(http2Vectors.length >= 150, `${http2Vectors.length} vectors`);
    const names = http2Vectors.map(({ name, expected }) => `${name} → ${expected}`);
    assert.equal(new Set(names).size, names.length);
  });

  for (const vector of http2Vectors) {
    test(`${vector.name} (${vector.source}) → ${vector.expected}`, async () => {
      const client = new RawHttp2(await bed.connect(host, ['h2']), vector.opening);

      const verdict = await verdictOf(client, vector);
      client.socket.destroy();

      if (vector.expected === 'GOAWAY') assert.match(verdict, /^GOAWAY (?!NO_ERROR)/);
      else assert.equal(verdict, vector.expected);
      assert.doesNotMatch(backend.received, /unwanted/);
    });
  }
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
