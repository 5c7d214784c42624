import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { YamuxError } from './errors.ts';
import {
  flagAck,
  flagFin,
  flagRst,
  flagSyn,
  headerBytes,
  initialWindow,
  readUint32,
  typeData,
  typeGoAway,
  typePing,
  typeWindowUpdate,
  writeHeader,
} from './frame.ts';
import { endOfStreamIds } from './session.ts';
import type { YamuxStream } from './stream.ts';
import { WindowBudget } from './window-budget.ts';
import { settle, WiredSession } from './wired-sessions.ts';

function pair(options = {}): { client: WiredSession; server: WiredSession } {
  return { client: new WiredSession('client', options), server: new WiredSession('server', options) };
}

function frame(type: number, flags: number, id: number, length: number, payload = ''): Buffer {
  const bytes = Buffer.alloc(headerBytes + payload.length);
  writeHeader(bytes, 0, type, flags, id, length);
  bytes.write(payload, headerBytes, 'latin1');
  return bytes;
}

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly length: number;
}

function framesOn(side: WiredSession): Frame[] {
  side.endTurn();
  const bytes = Buffer.concat(side.wire.chunks);
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += headerBytes) {
    const type = bytes[at + 1];
    const length = readUint32(bytes, at + 8);
    frames.push({ type, flags: bytes[at + 3], id: readUint32(bytes, at + 4), length });
    if (type === typeData) at += length;
  }
  return frames;
}

/** Keeps what a stream says. */
class Log {
  text = '';
  bytes = 0;
  hasEnded = false;
  error: Error | null = null;

  constructor(stream: YamuxStream, consumes = true) {
    stream.onData = bytes => {
      if (this.bytes < 1024) this.text += bytes.toString('latin1');
      this.bytes += bytes.length;
      if (consumes) stream.consumed(bytes.length);
    };
    stream.onEnd = () => {
      this.hasEnded = true;
    };
    stream.onError = error => {
      this.error = error;
    };
  }
}

function codeOf(error: Error | null | undefined): string | undefined {
  return error instanceof YamuxError ? error.code : undefined;
}

describe('streams', () => {
  test('bytes written to a stream arrive at the stream of the same id, in both directions', () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    const nearLog = new Log(near);

    near.write(Buffer.from('question'));
    settle(client, server);
    const far = server.accepted[0];
    const farLog = new Log(far);
    far.write(Buffer.from('answer'));
    near.write(Buffer.from(' and more'));
    settle(client, server);

    assert.equal(far.id, near.id);
    assert.equal(near.id, 1);
    assert.equal(farLog.text, ' and more');
    assert.equal(nearLog.text, 'answer');
  });

  test('a header and a payload split at every byte are put together', () => {
    const { client, server } = pair();
    server.session.openStream();
    const stream = server.session.openStream();
    stream.write(Buffer.from('one'));
    stream.end();
    const logs: Log[] = [];
    const receiver = new WiredSession('client', { onStream: s => logs.push(new Log(s)) });

    server.endTurn();
    while (server.deliverTo(receiver, 1));

    assert.deepEqual(
      logs.map(log => [log.text, log.hasEnded]),
      [
        ['', false],
        ['one', true],
      ],
    );
    assert.equal(client.closedWith, undefined);
  });

  test('the frames of one turn go out in one write, and the writes of one stream in one frame', () => {
    const { client } = pair();
    const first = client.session.openStream();
    const second = client.session.openStream();

    first.write(Buffer.from('head'));
    first.write(Buffer.from('body'));
    second.write(Buffer.from('x'));
    client.endTurn();

    assert.equal(client.wire.chunks.length, 1);
    assert.deepEqual(
      framesOn(client)
        .filter(f => f.type === typeData)
        .map(f => [f.id, f.length]),
      [
        [1, 8],
        [3, 1],
      ],
    );
  });

  test('a half-closed stream still receives, and is forgotten when both sides have ended', () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    const nearLog = new Log(near);
    near.write(Buffer.from('all'));
    near.end();
    settle(client, server);
    const far = server.accepted[0];

    far.write(Buffer.from('late answer'));
    settle(client, server);
    assert.equal(near.isClosed, false);
    far.end();
    settle(client, server);

    assert.equal(nearLog.text, 'late answer');
    assert.equal(nearLog.hasEnded, true);
    assert.equal(client.session.streamCount, 0);
    assert.equal(server.session.streamCount, 0);
  });

  test('FIN follows everything that was written before it, also where the window made it wait', () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    near.write(Buffer.alloc(initialWindow + 5));
    near.end();
    settle(client, server);
    const log = new Log(server.accepted[0], false);
    // What was received before the reader was there is gone; only its window counts.
    assert.equal(near.pendingBytes, 5);

    server.accepted[0].consumed(initialWindow);
    settle(client, server);

    assert.equal(log.bytes, 5);
    assert.equal(log.hasEnded, true);
  });

  test('a reset reaches the other side as an error, and later frames of the stream are ignored', () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    settle(client, server);
    const far = server.accepted[0];
    const log = new Log(far);
    const nearLog = new Log(near);

    near.reset();
    far.write(Buffer.from('under way'));
    server.endTurn();
    server.deliverTo(client);
    settle(client, server);

    assert.equal(codeOf(log.error), 'reset');
    assert.equal(nearLog.text, '');
    assert.equal(nearLog.error, null);
    assert.equal(client.session.ignoredFrames, 1);
    assert.equal(client.session.isClosed, false);
    assert.equal(far.write(Buffer.from('nowhere')), true);
    far.consumed(1);
    far.end();
    far.reset();
    assert.equal(server.session.queuedBytes, 0);
  });

  test('a stream that is reset in onStream is refused: the other side knows that nothing of it was read', () => {
    const client = new WiredSession('client');
    const server = new WiredSession('server', { onStream: stream => stream.reset() });
    const log = new Log(client.session.openStream());

    settle(client, server);

    assert.equal(codeOf(log.error), 'refused');
  });

  test('a stream may be reset amid a payload, whose rest is skipped', () => {
    const { client, server } = pair();
    const other = client.session.openStream();
    const near = client.session.openStream();
    near.write(Buffer.alloc(1000));
    other.write(Buffer.from('after'));
    settle(client, new WiredSession('server'));
    const receiver = new WiredSession('server');
    receiver.session.receive(frame(typeWindowUpdate, flagSyn, 1, 0));
    receiver.session.receive(frame(typeWindowUpdate, flagSyn, 3, 0));
    const [first, second] = receiver.accepted;
    const firstLog = new Log(first);
    second.onData = () => second.reset();

    receiver.session.receive(frame(typeData, 0, 3, 6, 'abc'));
    receiver.session.receive(Buffer.concat([Buffer.from('def'), frame(typeData, 0, 1, 5, 'after')]));

    assert.equal(firstLog.text, 'after');
    assert.equal(receiver.session.streamCount, 1);
    assert.equal(server.closedWith, undefined);
  });

  test('data, FIN and SYN may come in one frame', () => {
    let log: Log | undefined;
    const server = new WiredSession('server', {
      onStream: stream => {
        log = new Log(stream);
      },
    });

    server.session.receive(frame(typeData, flagSyn | flagFin, 1, 3, 'all'));

    assert.equal(log?.text, 'all');
    assert.equal(log?.hasEnded, true);
    assert.deepEqual(framesOn(server), [{ type: typeWindowUpdate, flags: flagAck, id: 1, length: 0 }]);
  });

  test('a write after the end is a programming error', () => {
    const { client } = pair();
    const stream = client.session.openStream();
    stream.end();

    assert.throws(() => stream.write(Buffer.from('x')), TypeError);
  });
});

describe('flow control', () => {
  test('no more than the window is sent until the reader has consumed half of it', () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    settle(client, server);
    const far = server.accepted[0];
    const log = new Log(far, false);
    let drains = 0;
    near.onDrain = () => {
      drains += 1;
    };

    assert.equal(near.write(Buffer.alloc(initialWindow + 100_000)), false);
    settle(client, server);
    assert.equal(log.bytes, initialWindow);
    assert.equal(drains, 0);

    far.consumed(initialWindow / 2 - 1);
    settle(client, server);
    assert.equal(log.bytes, initialWindow);

    far.consumed(1);
    settle(client, server);
    assert.equal(log.bytes, initialWindow + 100_000);
    assert.equal(drains, 1);
  });

  test('write is answered false beyond 128 KiB pending, and onDrain may write at once', () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    settle(client, server);
    const log = new Log(server.accepted[0]);
    let rounds = 0;
    near.onDrain = () => {
      rounds += 1;
      if (rounds < 20) assert.equal(near.write(Buffer.alloc(140_000)), false);
    };

    assert.equal(near.write(Buffer.alloc(120_000)), true);
    assert.equal(near.write(Buffer.alloc(20_000)), false);
    settle(client, server);

    assert.equal(rounds, 20);
    assert.equal(log.bytes, 20 * 140_000);
  });

  test('borrowed bytes may be overwritten after the call, and the first of them that must wait is the last asked for', () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    settle(client, server);
    const far = new Log(server.accepted[0]);
    const buffer = Buffer.from('one ');

    assert.equal(near.writeBorrowed(buffer), true);
    buffer.write('two ');
    client.wire.queuedBytes = 256 * 1024;
    client.endTurn();
    let drained = 0;
    near.onDrain = () => {
      drained += 1;
    };
    assert.equal(near.writeBorrowed(buffer), false);
    buffer.fill('x');
    client.wire.queuedBytes = 0;
    client.session.transportDrained();
    settle(client, server);

    assert.equal(far.text, 'one two ');
    assert.equal(drained, 1);
  });

  test('more may not be consumed than was received', () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    near.write(Buffer.from('four'));
    settle(client, server);

    assert.throws(() => server.accepted[0].consumed(5), RangeError);
  });

  test('data waits while the transport is full; control frames do not', () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    settle(client, server);
    client.wire.queuedBytes = 256 * 1024;

    near.write(Buffer.from('data'));
    void client.session.ping();
    client.endTurn();
    assert.deepEqual(
      framesOn(client).map(f => f.type),
      [typePing],
    );

    client.wire.queuedBytes = 0;
    client.session.transportDrained();
    assert.deepEqual(
      framesOn(client).map(f => f.type),
      [typePing, typeData],
    );
  });

  test('bytes of the prioritized stream are out before the end of another, though the transport is full', () => {
    const { client, server } = pair();
    const [control, near] = [client.session.openStream(), client.session.openStream()];
    control.prioritize();
    settle(client, server);
    client.wire.queuedBytes = 256 * 1024;

    control.write(Buffer.from('the other one has ended'));
    near.end();

    assert.deepEqual(
      framesOn(client).map(f => [f.type, f.id, f.flags]),
      [
        [typeData, control.id, 0],
        [typeWindowUpdate, near.id, flagFin],
      ],
    );
  });

  test('bytes of the prioritized stream that had to wait are the next to go', () => {
    const { client, server } = pair();
    const [near, control] = [client.session.openStream(), client.session.openStream()];
    control.prioritize();
    settle(client, server);
    client.wire.queuedBytes = 256 * 1024;
    near.write(Buffer.alloc(20_000));
    control.write(Buffer.alloc(20_000));
    client.endTurn();

    client.wire.queuedBytes = 0;
    client.session.transportDrained();

    assert.deepEqual(
      framesOn(client).map(f => [f.id, f.length]),
      [
        [control.id, 16384],
        [control.id, 3616],
        [near.id, 16384],
        [near.id, 3616],
      ],
    );
  });

  test('streams with pending data take turns, a frame of 16 KiB at most each', () => {
    const { client } = pair();
    const streams = [1, 2, 3].map(() => client.session.openStream());

    for (const stream of streams) stream.write(Buffer.alloc(40_000));
    const data = framesOn(client).filter(f => f.type === typeData);

    assert.deepEqual(
      data.map(f => [f.id, f.length]),
      [
        [1, 16384],
        [3, 16384],
        [5, 16384],
        [1, 16384],
        [3, 16384],
        [5, 16384],
        [1, 7232],
        [3, 7232],
        [5, 7232],
      ],
    );
  });

  test('a small message waits for one frame of a bulk transfer, not for the whole of it', () => {
    const { client } = pair({ maxQueuedBytes: 64 * 1024 });
    const bulk = client.session.openStream();
    const small = client.session.openStream();

    bulk.write(Buffer.alloc(200_000));
    small.write(Buffer.from('echo'));
    const ids = framesOn(client)
      .filter(f => f.type === typeData)
      .map(f => f.id);

    assert.deepEqual(ids.slice(0, 2), [bulk.id, small.id]);
  });

  test('a stream without a window does not hold up the others', () => {
    const { client, server } = pair();
    const blocked = client.session.openStream();
    const free = client.session.openStream();
    settle(client, server);
    const logs = server.accepted.map(stream => new Log(stream, false));
    blocked.write(Buffer.alloc(initialWindow * 2));
    settle(client, server);

    free.write(Buffer.from('through'));
    settle(client, server);

    assert.equal(logs[1].text, 'through');
  });
});

describe('windows', () => {
  const roundTripMs = 80;

  async function established(options = {}) {
    const { client, server } = pair(options);
    const near = client.session.openStream();
    server.nowMs = 0;
    const answered = server.session.ping();
    server.endTurn();
    server.deliverTo(client);
    client.endTurn();
    server.nowMs = roundTripMs;
    settle(client, server);
    assert.equal(await answered, roundTripMs);
    return { client, server, near, far: server.accepted[0] };
  }

  test('a window grows while all of it is consumed within four round trips, up to its limit', async () => {
    const { client, server, near, far } = await established({ maxWindowBytes: 1024 * 1024 });
    const log = new Log(far);
    const sizes: number[] = [];

    for (let round = 0; round < 6; round += 1) {
      near.write(Buffer.alloc(far.windowBytes));
      settle(client, server);
      server.nowMs += roundTripMs;
      sizes.push(far.windowBytes);
    }

    assert.equal(log.bytes > 2_000_000, true);
    assert.equal(sizes.at(-1), 1024 * 1024);
    assert.equal(sizes.toSorted((a, b) => a - b).join(), sizes.join());
  });

  test('the window of a slow reader never grows', async () => {
    const { client, server, near, far } = await established();
    const log = new Log(far, false);
    near.write(Buffer.alloc(4 * 1024 * 1024));

    for (let step = 0; step < 100; step += 1) {
      settle(client, server);
      server.nowMs += roundTripMs;
      far.consumed(16 * 1024);
    }

    assert.equal(far.windowBytes, initialWindow);
    assert.equal(log.bytes <= 100 * 16 * 1024 + initialWindow, true);
  });

  test('without a measured round trip no window grows', () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    settle(client, server);
    const far = server.accepted[0];
    const log = new Log(far);

    near.write(Buffer.alloc(2_000_000));
    settle(client, server);

    assert.equal(log.bytes, 2_000_000);
    assert.equal(far.windowBytes, initialWindow);
  });

  test('windows grow by the shared budget only, and give it back when their stream closes', async () => {
    const windowBudget = new WindowBudget(300 * 1024);
    const { client, server, near, far } = await established({ windowBudget });
    new Log(far);

    for (let round = 0; round < 4; round += 1) {
      near.write(Buffer.alloc(far.windowBytes));
      settle(client, server);
    }
    assert.equal(far.windowBytes, initialWindow + 300 * 1024);
    assert.equal(windowBudget.leftBytes, 0);

    near.reset();
    settle(client, server);
    assert.equal(windowBudget.leftBytes, 300 * 1024);
  });

  test('an initial window above 256 KiB is announced with SYN and with ACK', () => {
    const { client, server } = pair({ initialWindowBytes: initialWindow + 1000 });
    client.session.openStream();

    assert.deepEqual(framesOn(client), [{ type: typeWindowUpdate, flags: flagSyn, id: 1, length: 1000 }]);
    client.deliverTo(server);
    assert.deepEqual(framesOn(server), [{ type: typeWindowUpdate, flags: flagAck, id: 1, length: 1000 }]);
    assert.throws(() => pair({ initialWindowBytes: initialWindow - 1 }), RangeError);
  });
});

describe('the session', () => {
  test('a ping measures the round trip, and the next one while it is under way is the same', async () => {
    const { client, server } = pair();
    const measured: number[] = [];
    const pinger = new WiredSession('client', { onRoundTrip: ms => measured.push(ms) });
    const first = pinger.session.ping();
    const second = pinger.session.ping();
    pinger.endTurn();
    pinger.deliverTo(server);
    server.endTurn();

    pinger.nowMs = 12;
    server.deliverTo(pinger);

    assert.deepEqual([await first, await second], [12, 12]);
    assert.deepEqual(measured, [12]);
    assert.equal(pinger.session.lastReceivedAt, 12);
    assert.equal(client.session.roundTripMs, null);
  });

  test('after a go-away the open streams go on and new ones are refused on both sides', () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    settle(client, server);
    const log = new Log(server.accepted[0]);
    const crossing = new Log(client.session.openStream());

    server.session.goAway();
    server.endTurn();
    settle(client, server);
    near.write(Buffer.from('still here'));
    settle(client, server);

    assert.deepEqual(client.goAways, [0]);
    assert.equal(codeOf(crossing.error), 'refused');
    assert.equal(log.text, 'still here');
    for (const side of [client, server]) {
      assert.equal(side.session.goingAway, true);
      assert.throws(() => side.session.openStream(), { code: 'going_away' });
    }
  });

  test('a go-away with an error code closes the session', () => {
    const { client } = pair();
    const log = new Log(client.session.openStream());

    client.session.receive(frame(typeGoAway, 0, 0, 2));

    assert.equal(codeOf(client.closedWith), 'internal_error');
    assert.equal(codeOf(log.error), 'internal_error');
  });

  test('stream ids are never used twice: at 2^30 the tunnel is to be replaced', () => {
    const client = new WiredSession('client', { firstStreamId: endOfStreamIds - 1 });
    const server = new WiredSession('server');

    const last = client.session.openStream();
    settle(client, server);

    assert.equal(server.accepted[0].id, last.id);
    assert.equal(client.session.isExhausted, true);
    assert.throws(() => client.session.openStream(), { code: 'exhausted' });
  });

  test('close says go-away, tells the streams and calls back once', async () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    const log = new Log(near);
    settle(client, server);
    const ping = client.session.ping();

    client.session.close();
    client.session.close();

    assert.equal(client.closedWith, null);
    assert.equal(codeOf(log.error), 'session_closed');
    assert.equal(client.session.streamCount, 0);
    assert.equal(framesOn(client).at(-1)?.type, typeGoAway);
    await assert.rejects(ping, { code: 'session_closed' });
    await assert.rejects(client.session.ping(), { code: 'session_closed' });
    assert.throws(() => client.session.openStream(), { code: 'session_closed' });
  });

  test('a lost connection ends the streams with its cause and writes nothing', () => {
    const { client, server } = pair();
    const log = new Log(client.session.openStream());
    settle(client, server);
    const before = client.wire.totalBytes;

    client.session.transportClosed(new Error('ECONNRESET'));
    client.endTurn();

    assert.equal(codeOf(client.closedWith), 'session_closed');
    assert.equal(String(log.error?.cause), 'Error: ECONNRESET');
    assert.equal(client.wire.totalBytes, before);
  });

  test('queuedBytes counts what waits in streams, in the session and in the transport', () => {
    const { client, server } = pair();
    const near = client.session.openStream();
    settle(client, server);

    near.write(Buffer.alloc(initialWindow + 1000));
    assert.equal(client.session.queuedBytes, initialWindow + 1000);
    client.endTurn();

    assert.equal(client.session.queuedBytes, initialWindow + 1000 + 16 * headerBytes);
    settle(client, server);
    assert.equal(client.session.queuedBytes, 1000);
  });
});

describe('hostile input (threats A17, G10)', () => {
  const violations: Record<string, Buffer[]> = {
    'another version': [Buffer.from([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])],
    'an unknown frame type': [frame(4, 0, 1, 0)],
    'unknown flags': [frame(typeWindowUpdate, 0x10, 1, 0)],
    'stream 0': [frame(typeData, flagSyn, 0, 0)],
    'a stream opened with an id of our parity': [frame(typeWindowUpdate, flagSyn, 2, 0)],
    'a stream opened twice': [frame(typeWindowUpdate, flagSyn, 1, 0), frame(typeWindowUpdate, flagSyn, 1, 0)],
    'a stream id that goes back': [
      frame(typeWindowUpdate, flagSyn, 5, 0),
      frame(typeWindowUpdate, flagSyn, 3, 0),
    ],
    'a stream id used again after its end': [
      frame(typeWindowUpdate, flagSyn, 1, 0),
      frame(typeWindowUpdate, flagRst, 1, 0),
      frame(typeWindowUpdate, flagSyn, 1, 0),
    ],
    'data for a stream that was never opened': [frame(typeData, 0, 7, 1, 'x')],
    'data for a stream of ours that was never opened': [frame(typeData, 0, 2, 1, 'x')],
    'data beyond the window': [
      frame(typeWindowUpdate, flagSyn, 1, 0),
      frame(typeData, 0, 1, initialWindow + 1),
    ],
    'a length of 4 GiB': [frame(typeWindowUpdate, flagSyn, 1, 0), frame(typeData, 0, 1, 0xffff_ffff)],
    'a window beyond 32 bits': [
      frame(typeWindowUpdate, flagSyn, 1, 0xf000_0000),
      frame(typeWindowUpdate, 0, 1, 0x1000_0000),
    ],
    'data after FIN': [frame(typeWindowUpdate, flagSyn | flagFin, 1, 0), frame(typeData, 0, 1, 1, 'x')],
    'a second FIN': [frame(typeWindowUpdate, flagSyn | flagFin, 1, 0), frame(typeData, flagFin, 1, 0)],
    'a ping on a stream': [frame(typePing, flagSyn, 1, 0)],
    'a ping that neither asks nor answers': [frame(typePing, 0, 0, 0)],
    'a go-away on a stream': [frame(typeGoAway, 0, 1, 0)],
  };

  for (const [name, frames] of Object.entries(violations)) {
    test(`${name} closes the session with a protocol error`, () => {
      const server = new WiredSession('server');

      for (const bytes of frames) server.session.receive(bytes);
      server.session.receive(frame(typeWindowUpdate, flagSyn, 99, 0));

      assert.equal(codeOf(server.closedWith), 'protocol_error');
      assert.deepEqual(framesOn(server).at(-1), { type: typeGoAway, flags: 0, id: 0, length: 1 });
      assert.equal(server.session.streamCount, 0);
      assert.equal(
        server.accepted.some(stream => stream.id === 99),
        false,
      );
    });
  }

  test('streams beyond the backlog are refused, and frames that follow them ignored', () => {
    const client = new WiredSession('client');
    const server = new WiredSession('server', { acceptBacklog: 2 });
    const logs = [1, 2, 3].map(() => {
      const stream = client.session.openStream();
      stream.write(Buffer.from('x'));
      return new Log(stream);
    });

    settle(client, server);

    assert.deepEqual(
      logs.map(log => codeOf(log.error)),
      [undefined, undefined, 'refused'],
    );
    assert.equal(server.session.streamCount, 2);
    assert.equal(server.session.ignoredFrames, 2);
    assert.equal(server.session.isClosed, false);

    server.accepted[0].reset();
    settle(client, server);
    client.session.openStream();
    settle(client, server);
    assert.equal(server.session.streamCount, 2);
  });

  test('frames of finished streams leave no trace but a number', () => {
    const server = new WiredSession('server');
    server.session.receive(frame(typeWindowUpdate, flagSyn, 1, 0));
    server.session.receive(frame(typeWindowUpdate, flagRst, 1, 0));

    for (let i = 0; i < 10_000; i += 1) {
      server.session.receive(frame(typeWindowUpdate, flagRst, 1, 0));
      server.session.receive(frame(typeData, 0, 1, 3, 'abc'));
    }
    server.endTurn();

    assert.equal(server.session.ignoredFrames, 20_000);
    assert.equal(server.session.streamCount, 0);
    assert.equal(server.session.queuedBytes < 1000, true);
  });

  test('a side that causes answers and never reads them is cut off', () => {
    const server = new WiredSession('server');
    const pings = Buffer.concat(Array.from({ length: 1000 }, (_, i) => frame(typePing, flagSyn, 0, i)));

    for (let i = 0; i < 1000 && !server.session.isClosed; i += 1) {
      server.session.receive(pings);
      server.endTurn();
    }

    assert.equal(codeOf(server.closedWith), 'flooded');
    assert.equal(server.wire.queuedBytes < 2_000_000, true);
  });
});
