import assert from 'node:assert/strict';
import { processorSeconds } from '../../../../tests/testbed/processor-time.ts';
import {
  flagAck,
  flagFin,
  flagRst,
  flagSyn,
  headerBytes,
  initialWindow,
  maxWindow,
  typeData,
  typePing,
  typeWindowUpdate,
  writeHeader,
} from './frame.ts';
import type { YamuxStream } from './stream.ts';
import { WindowBudget } from './window-budget.ts';
import { settle, WiredSession } from './wired-sessions.ts';

export interface FuzzOptions {
  /** Stop after this many seconds of processor time. Default no limit if `iterations` is given, else 60. */
  readonly seconds?: number;
  /** Stop after this many hostile frames and pieces of conversations. Default no limit. */
  readonly iterations?: number;
  readonly seed: number;
}

export interface FuzzResult {
  /** Hostile frames, and pieces of conversations delivered. */
  readonly iterations: number;
}

/**
 * Feeds sessions with input of two kinds: two sessions that talk to each other, their bytes cut and delayed anywhere,
 * where every stream must receive exactly what was sent to it; and frames that a hostile side may send, where a
 * model says which of them are violations and what each stream must have received.
 *
 * @throws Error with the seed that alone repeats the failure as its first round.
 */
export function run(options: FuzzOptions): FuzzResult {
  const until =
    processorSeconds() +
    (options.seconds ?? (options.iterations === undefined ? 60 : Number.POSITIVE_INFINITY));
  const maxInputs = options.iterations ?? Number.POSITIVE_INFINITY;
  let inputs = 0;
  for (let round = 0; inputs < maxInputs && processorSeconds() < until; round += 1) {
    const seed = (options.seed + round) >>> 0;
    try {
      // A conversation costs as much as many hostile sequences do.
      inputs += seed % 64 === 0 ? converse(new Dice(seed)) : attack(new Dice(seed));
    } catch (cause) {
      throw new Error(`repeated by seed ${seed}`, { cause });
    }
  }
  return { iterations: inputs };
}

/** mulberry32. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** 0 … sides - 1 */
  roll(sides: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % sides;
  }

  /** Mostly small, now and then up to `max`. */
  size(max: number): number {
    return this.roll(1 + (max >>> (3 * this.roll(6))));
  }

  pick<T>(from: readonly T[]): T {
    return from[this.roll(from.length)];
  }
}

// Two sessions with each other

/** One end of a stream, which checks what it receives against what the other end has sent. */
class End {
  readonly stream: YamuxStream;
  readonly salt: number;
  sent = 0;
  received = 0;
  unread = 0;
  hasEnded = false;
  hasReceivedEnd = false;
  isBroken = false;
  isWritable = true;

  constructor(stream: YamuxStream, side: number) {
    this.stream = stream;
    this.salt = stream.id * 2 + side;
    stream.onData = bytes => this.#check(bytes);
    stream.onEnd = () => {
      assert.equal(this.hasReceivedEnd || this.isBroken, false);
      this.hasReceivedEnd = true;
    };
    stream.onError = () => {
      assert.equal(this.isBroken, false);
      this.isBroken = true;
    };
    stream.onDrain = () => {
      assert.equal(this.isWritable, false);
      this.isWritable = true;
    };
  }

  write(length: number): void {
    const from = (this.salt * 251 + this.sent) % patternPeriod;
    this.sent += length;
    this.isWritable = this.stream.write(pattern.subarray(from, from + length));
  }

  consume(length: number): void {
    this.unread -= length;
    this.stream.consumed(length);
  }

  #check(bytes: Buffer): void {
    assert.equal(this.hasReceivedEnd || this.isBroken, false, 'data after the end');
    const from = ((this.salt ^ 1) * 251 + this.received) % patternPeriod;
    assert.ok(
      bytes.equals(pattern.subarray(from, from + bytes.length)),
      `stream ${this.stream.id}: other bytes`,
    );
    this.received += bytes.length;
    this.unread += bytes.length;
  }
}

// Each end sends this sequence from a place of its own. The period is prime: no shift by a frame looks right.
const patternPeriod = 65_521;
const maxWrite = 200_000;
const pattern = Buffer.alloc(patternPeriod + maxWrite + 2 * initialWindow);
for (let i = 0; i < pattern.length; i += 1) {
  const place = i % patternPeriod;
  pattern[i] = (Math.imul(place + 1, 0x9e3779b1) >>> 24) ^ (place & 0xff);
}

function converse(dice: Dice): number {
  const windowBudget = new WindowBudget(dice.roll(4 * 1024 * 1024));
  const options = {
    windowBudget,
    maxQueuedBytes: 1 + dice.size(512 * 1024),
    acceptBacklog: 1 + dice.roll(32),
  };
  const ends: End[][] = [[], []];
  const sides = (['client', 'server'] as const).map(
    (role, side) =>
      new WiredSession(role, {
        ...options,
        initialWindowBytes: initialWindow + dice.size(300_000),
        onStream: stream => ends[side].push(new End(stream, side)),
      }),
  );
  const budgetBytes = windowBudget.leftBytes;
  let inputs = 0;
  for (let step = 50 + dice.roll(400); step > 0; step -= 1) {
    const side = dice.roll(2);
    sides[side].nowMs += dice.roll(20);
    act(dice, sides[side], ends[side], side);
    if (dice.roll(3) > 0) sides[side].endTurn();
    for (let deliveries = dice.roll(4); deliveries > 0; deliveries -= 1) {
      if (!sides[side].deliverTo(sides[1 - side], 1 + dice.size(100_000))) break;
      inputs += 1;
    }
  }
  finish(sides, ends);
  assert.equal(windowBudget.leftBytes, budgetBytes, 'window budget not given back');
  return inputs;
}

function act(dice: Dice, side: WiredSession, ends: End[], index: number): void {
  const end = ends.length > 0 ? dice.pick(ends) : undefined;
  switch (dice.roll(10)) {
    case 0:
      if (side.session.streamCount < 40) ends.push(new End(side.session.openStream(), index));
      return;
    case 1:
      void side.session.ping();
      return;
    case 2:
      if (end !== undefined && !end.hasEnded && !end.stream.isClosed) {
        end.hasEnded = true;
        end.stream.end();
      }
      return;
    case 3:
      if (end === undefined || dice.roll(4) > 0) return;
      end.isBroken = true;
      end.stream.reset();
      return;
    case 4:
    case 5:
      if (end !== undefined && end.unread > 0) end.consume(1 + dice.roll(end.unread));
      return;
    default:
      if (end === undefined || end.hasEnded || end.isBroken || end.stream.isClosed || !end.isWritable) return;
      end.write(1 + dice.size(maxWrite - 1));
  }
}

/** Reads everything out, ends every stream, and compares. */
function finish(sides: readonly WiredSession[], ends: readonly (readonly End[])[]): void {
  let all: End[] = [];
  let before = -1;
  let now = 0;
  while (before !== now) {
    settle(sides[0], sides[1]);
    all = ends.flat();
    for (const end of all) {
      if (end.unread > 0) end.consume(end.unread);
      if (end.hasEnded || end.stream.isClosed) continue;
      end.hasEnded = true;
      end.stream.end();
    }
    before = now;
    now = all.reduce((sum, end) => sum + end.received + (end.hasEnded ? 1 : 0), 0);
  }
  for (const side of sides) {
    assert.equal(side.closedWith, undefined, `closed: ${side.closedWith?.message}`);
    assert.equal(side.session.queuedBytes, 0);
    assert.equal(side.session.streamCount, 0);
  }
  const byPlace = new Map(all.map(end => [end.salt, end]));
  for (const end of all) {
    assert.equal(end.unread, 0);
    const other = byPlace.get(end.salt ^ 1);
    if (other === undefined || end.isBroken || other.isBroken) continue;
    assert.equal(end.received, other.sent, `stream ${end.stream.id}: bytes lost`);
    assert.equal(end.hasReceivedEnd, true);
  }
  for (const side of sides) side.session.close();
}

// A hostile side

interface ModelStream {
  windowLeft: number;
  sendWindow: number;
  received: number;
  sum: number;
  hasEnded: boolean;
}

/** What the session must make of the frames, in the simplest words. It never consumes, so windows only shrink. */
class Model {
  readonly streams = new Map<number, ModelStream>();
  readonly finished: { id: number; received: number; sum: number }[] = [];
  readonly backlog: number;
  readonly nextOwnId: number;
  lastId = 0;
  frames = 0;
  isViolated = false;
  isOver = false;

  constructor(backlog: number, ownStreams: number) {
    this.backlog = backlog;
    for (let i = 0; i < ownStreams; i += 1) this.#open(2 + 2 * i);
    this.nextOwnId = 2 + 2 * ownStreams;
  }

  frame(version: number, type: number, flags: number, id: number, length: number, payload: Buffer): void {
    this.frames += 1;
    this.isViolated = !this.#accepts(version, type, flags, id, length, payload);
    if (this.isViolated) this.isOver = true;
  }

  #accepts(
    version: number,
    type: number,
    flags: number,
    id: number,
    length: number,
    payload: Buffer,
  ): boolean {
    if (version !== 0 || flags > 15 || type > 3) return false;
    if (type >= typePing) return this.#acceptsForSession(type, flags, id, length);
    if ((flags & flagSyn) !== 0) {
      if (id % 2 === 0 || id <= this.lastId) return false;
      this.lastId = id;
      const inbound = [...this.streams.keys()].filter(key => key % 2 === 1).length;
      if ((flags & flagRst) === 0 && inbound < this.backlog) this.#open(id);
    }
    const stream = this.streams.get(id);
    if (stream === undefined) return id !== 0 && (id % 2 === 0 ? id < this.nextOwnId : id <= this.lastId);
    if ((flags & flagRst) !== 0) {
      this.#close(id, stream);
      return true;
    }
    if (type === typeData) {
      if (length > 0 && (stream.hasEnded || length > stream.windowLeft)) return false;
      stream.windowLeft -= length;
      stream.received += payload.length;
      for (const byte of payload) stream.sum = (stream.sum * 31 + byte) | 0;
    } else {
      stream.sendWindow += length;
      if (stream.sendWindow > maxWindow) return false;
    }
    if ((flags & flagFin) === 0 || payload.length < (type === typeData ? length : 0)) return true;
    if (stream.hasEnded) return false;
    stream.hasEnded = true;
    return true;
  }

  #acceptsForSession(type: number, flags: number, id: number, length: number): boolean {
    if (id !== 0) return false;
    if (type === typePing) return flags === flagSyn || flags === flagAck;
    if (length !== 0) this.isOver = true;
    return true;
  }

  #open(id: number): void {
    this.streams.set(id, {
      windowLeft: initialWindow,
      sendWindow: initialWindow,
      received: 0,
      sum: 0,
      hasEnded: false,
    });
  }

  #close(id: number, stream: ModelStream): void {
    this.streams.delete(id);
    this.finished.push({ id, received: stream.received, sum: stream.sum });
  }
}

const arena = Buffer.alloc(4 * 1024 * 1024);

function attack(dice: Dice): number {
  const backlog = 1 + dice.roll(6);
  const ownStreams = dice.roll(3);
  const received = new Map<number, { received: number; sum: number }>();
  const watch = (stream: YamuxStream) => {
    const seen = { received: 0, sum: 0 };
    received.set(stream.id, seen);
    stream.onData = bytes => {
      seen.received += bytes.length;
      for (const byte of bytes) seen.sum = (seen.sum * 31 + byte) | 0;
    };
  };
  const victim = new WiredSession('server', { acceptBacklog: backlog, onStream: watch });
  for (let i = 0; i < ownStreams; i += 1) watch(victim.session.openStream());
  const model = new Model(backlog, ownStreams);

  const length = hostileFrames(dice, model);
  deliver(dice, victim, arena.subarray(0, length));
  victim.endTurn();

  assert.equal(victim.session.isClosed, model.isOver, `closed: ${victim.closedWith?.message}`);
  if (model.isViolated) assert.equal(victim.closedWith?.code, 'protocol_error');
  for (const [id, stream] of [...model.streams, ...model.finished.map(s => [s.id, s] as const)]) {
    const seen = received.get(id);
    assert.equal(seen?.received, stream.received, `stream ${id}: bytes`);
    assert.equal(seen?.sum, stream.sum, `stream ${id}: other bytes`);
  }
  assert.equal(received.size, model.streams.size + model.finished.length);
  if (!model.isOver) assert.equal(victim.session.streamCount, model.streams.size);
  assert.ok(victim.session.queuedBytes <= length + 1024, 'answers outgrow their causes');
  return model.frames;
}

/** Writes frames to the arena until a violation or a random end, telling the model of each. */
function hostileFrames(dice: Dice, model: Model): number {
  let at = 0;
  for (let count = 1 + dice.roll(24); count > 0 && !model.isOver; count -= 1) {
    const type =
      dice.roll(50) === 0
        ? dice.roll(256)
        : dice.pick([0, 0, 0, 0, 1, 1, 2, 3].slice(0, 7 + (dice.roll(20) === 0 ? 1 : 0)));
    const id = hostileId(dice, model, type);
    const flags = hostileFlags(dice, model, type, id);
    const version = dice.roll(500) === 0 ? 1 + dice.roll(255) : 0;
    const length = hostileLength(dice, type, model.streams.get(id));
    writeHeader(arena, at, type, flags & 0xff, id, length);
    arena[at] = version;
    arena[at + 2] = flags >>> 8;
    at += headerBytes;
    const room = Math.min(length, arena.length - at - headerBytes * 32);
    const payload = type === typeData ? Math.max(0, room) : 0;
    for (let i = 0; i < payload; i += 1 + (i >>> 7)) arena[at + i] = dice.roll(256);
    const isCut = type === typeData && payload < length;
    model.frame(version, type, flags, id, length, arena.subarray(at, at + payload));
    at += payload;
    if (isCut) break;
  }
  return at;
}

function hostileId(dice: Dice, model: Model, type: number): number {
  if (type === typePing || type === 3) return dice.roll(40) === 0 ? dice.roll(5) : 0;
  if (dice.roll(100) === 0)
    return dice.pick([0, 2, 6, 0x7fff_ffff, 0x8000_0001, 0xffff_ffff, dice.roll(2 ** 31)]);
  if (model.streams.size > 0 && dice.roll(4) > 0) return dice.pick([...model.streams.keys()]);
  return dice.roll(3) === 0 ? 1 + dice.roll(12) : (model.lastId + 1 + (model.lastId % 2)) >>> 0;
}

function hostileFlags(dice: Dice, model: Model, type: number, id: number): number {
  if (dice.roll(200) === 0) return dice.roll(65_536);
  if (type === typePing) return dice.roll(30) === 0 ? dice.roll(16) : dice.pick([flagSyn, flagAck]);
  if (dice.roll(40) === 0) return dice.roll(16);
  const opening = model.streams.has(id) || id <= model.lastId ? 0 : flagSyn;
  return opening | dice.pick([0, 0, 0, 0, 0, 0, flagAck, flagFin, flagRst]);
}

function hostileLength(dice: Dice, type: number, stream: ModelStream | undefined): number {
  const left =
    type === typeWindowUpdate ? maxWindow - (stream?.sendWindow ?? 0) : (stream?.windowLeft ?? initialWindow);
  switch (dice.roll(type === typeData ? 2000 : 12)) {
    case 0:
      return Math.max(0, left);
    case 1:
      return left + 1 > maxWindow ? maxWindow : Math.max(0, left + 1);
    case 2:
      return dice.pick([0xffff_ffff, 0x8000_0000, 0x7fff_ffff, 1]);
    case 3:
      return 0;
    default:
      return type === 3 ? dice.roll(2) : dice.size(300);
  }
}

/** Hands bytes over in random pieces, on average a few dozen: now and then they end within a header. */
function deliver(dice: Dice, victim: WiredSession, bytes: Buffer): void {
  const largest = 1 + dice.size(40) + (bytes.length >>> 4);
  for (let at = 0; at < bytes.length; ) {
    const to = Math.min(bytes.length, at + 1 + dice.roll(largest));
    victim.session.receive(bytes.subarray(at, to));
    at = to;
  }
}
