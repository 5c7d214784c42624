import {
  data,
  encodeFields,
  encodeInteger,
  encodeString,
  type Field,
  flags,
  frame,
  frameTypes,
  headers,
  preface,
  reset,
  windowUpdate,
} from '../testbed/raw-http2.ts';

/**
 * What a client may send over HTTP/2 and what must come of it (RFC 9113, RFC 7541). Each vector is a connection of its own.
 * What says `unwanted` must not reach the backend. `expected` is one of, or two with " or " between them,
 * - `goes on`: nothing is said about it, and the next request is answered,
 * - a status: that of the answer on the stream under test,
 * - `RST_STREAM` and a code: the stream alone ends, and the next request is answered,
 * - `GOAWAY` and a code: the connection ends,
 * - `GOAWAY`: it ends with any code but NO_ERROR. Floods are nowhere forbidden; whose limit is met first decides.
 */
export interface Http2Vector {
  readonly name: string;
  readonly source: string;
  /** In place of preface and empty SETTINGS. */
  readonly opening?: Buffer;
  readonly steps: readonly Step[];
  /** The stream under test; 0 for the connection. */
  readonly streamId: number;
  readonly expected: string;
  /** Where the RFC names another outcome: which, and why this one is allowed. */
  readonly because?: string;
}

/** What is sent, or a stream whose end is waited for before the next is sent. */
export type Step = Buffer | { readonly ended: number };

/** An application without sign-in. Its backend answers 200, but says nothing to `/hold` and reads nothing after `/stall`. */
export const host = 'open.bed.localhost';

type Row = readonly [
  name: string,
  source: string,
  steps: Step | readonly Step[],
  expected: string,
  because?: string,
];

function connection(rows: readonly Row[]): Http2Vector[] {
  return vectors(0, rows);
}

function stream(rows: readonly Row[]): Http2Vector[] {
  return vectors(1, rows);
}

function vectors(streamId: number, rows: readonly Row[]): Http2Vector[] {
  return rows.map(([name, source, steps, expected, because]) => ({
    name,
    source,
    steps: [steps].flat(),
    streamId,
    expected,
    because,
  }));
}

const promoted = 'a stream error; an endpoint may treat one as a connection error (RFC 9113 §5.4.1)';
const answered = 'a stream error; a server may answer before it closes the stream (RFC 9113 §8.1.1)';
const leftOut =
  'malformed, to be refused; nghttp2 leaves such a field out and tells nobody. What the rule is for holds: the field is neither read nor sent on (RFC 9113 §8.2.1)';
const discarded =
  'a connection error (RFC 9113 §5.1.1); nghttp2 takes it for a frame on a closed stream, as skipped ones are, which may be discarded (§5.1)';
const paddingCode =
  'FRAME_SIZE_ERROR (RFC 9113 §4.2); nghttp2 takes it for wrong padding. The connection ends all the same';
const prefaceCode =
  'PROTOCOL_ERROR, but GOAWAY may even be left out here (RFC 9113 §3.4); the code is one of Node';
const overlong =
  'a stream error of type PROTOCOL_ERROR, which may be treated as a connection error (RFC 9113 §5.4.1); the code is one of Node';

const { endStream, ack, endHeaders, padded, priority } = flags;
const wholeHead = endHeaders | endStream;
const noFlags = 0;

function fields(method: string, path: string, ...more: Field[]): Field[] {
  return [[':method', method], [':scheme', 'https'], [':authority', host], [':path', path], ...more];
}

const head = fields('GET', '/');
const unwanted = fields('GET', '/unwanted');
const block = encodeFields(head);

function get(streamId = 1, ...more: Field[]): Buffer {
  return headers(streamId, fields('GET', '/', ...more));
}

/** A request whose content is still to come. */
function post(streamId = 1, ...more: Field[]): Buffer {
  return headers(streamId, fields('POST', '/', ...more), false);
}

/** A request that is never answered. */
function hold(streamId = 1): Buffer {
  return headers(streamId, fields('GET', '/hold'));
}

function of(...list: readonly Field[]): Buffer {
  return headers(1, list);
}

function bytes(...list: number[]): Buffer {
  return Buffer.from(list);
}

function uint32(value: number): Buffer {
  const four = Buffer.alloc(4);
  four.writeUInt32BE(value);
  return four;
}

/** A request that must not reach the backend. */
function bad(...more: Field[]): Buffer {
  return headers(1, [...unwanted, ...more]);
}

function unwantedOn(streamId: number): Buffer {
  return headers(streamId, unwanted);
}

/** SETTINGS with identifiers and values in turn. */
function settings(...list: number[]): Buffer {
  const payload = Buffer.alloc(list.length * 3);
  for (let at = 0; at < list.length; at += 2) {
    payload.writeUInt16BE(list[at]!, at * 3);
    payload.writeUInt32BE(list[at + 1]!, at * 3 + 2);
  }
  return frame(frameTypes.settings, noFlags, 0, payload);
}

function ping(flagBits = 0, streamId = 0, length = 8): Buffer {
  return frame(frameTypes.ping, flagBits, streamId, Buffer.alloc(length, 'p'));
}

function priorityFrame(streamId: number, dependsOn: number): Buffer {
  return frame(frameTypes.priority, noFlags, streamId, Buffer.concat([uint32(dependsOn), bytes(15)]));
}

function goAway(streamId: number, code = 0): Buffer {
  return frame(frameTypes.goAway, noFlags, streamId, Buffer.concat([uint32(0), uint32(code)]));
}

function continuation(streamId: number, payload: Buffer, flagBits: number = endHeaders): Buffer {
  return frame(frameTypes.continuation, flagBits, streamId, payload);
}

/** A complete HEADERS frame with this field block behind the good one. */
function getThen(...more: Buffer[]): Buffer {
  return frame(frameTypes.headers, wholeHead, 1, Buffer.concat([block, ...more]));
}

/** A complete HEADERS frame with this field block before the good one. */
function getAfter(...before: Buffer[]): Buffer {
  return frame(frameTypes.headers, wholeHead, 1, Buffer.concat([...before, block]));
}

function times(count: number, each: (index: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => each(index)));
}

const emptySettings = settings();

const openingRows: [name: string, opening: Buffer, expected: string, because?: string][] = [
  ['preface and SETTINGS in one piece', Buffer.concat([preface, emptySettings]), 'goes on'],
  ['NO_RFC7540_PRIORITIES 1 in the first SETTINGS', Buffer.concat([preface, settings(9, 1)]), 'goes on'],
  [
    'a preface of HTTP/1.1',
    Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    'GOAWAY INTERNAL_ERROR',
    prefaceCode,
  ],
  [
    'a preface with one byte wrong',
    Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n'), emptySettings]),
    'GOAWAY INTERNAL_ERROR',
    prefaceCode,
  ],
  ['no SETTINGS after the preface but PING', Buffer.concat([preface, ping()]), 'GOAWAY PROTOCOL_ERROR'],
  ['no SETTINGS after the preface but HEADERS', Buffer.concat([preface, get()]), 'GOAWAY PROTOCOL_ERROR'],
  [
    'an acknowledgement in place of the first SETTINGS',
    Buffer.concat([preface, frame(frameTypes.settings, ack, 0)]),
    'GOAWAY PROTOCOL_ERROR',
  ],
];

const openings = openingRows.map<Http2Vector>(([name, opening, expected, because]) => ({
  because,
  name,
  source: 'RFC 9113 §3.4',
  opening,
  steps: [],
  streamId: 0,
  expected,
}));

const frames = connection([
  ['a frame of unknown type', 'RFC 9113 §4.1', frame(0xfa, 0xff, 0, Buffer.alloc(100)), 'goes on'],
  ['a frame of unknown type on an idle stream', 'RFC 9113 §5.5', frame(0xfa, 0, 77, bytes(1)), 'goes on'],
  ['an empty frame of unknown type', 'RFC 9113 §5.5', frame(0x20, 0, 0), 'goes on'],
  ['PING with every other flag', 'RFC 9113 §4.1', ping(0xfe), 'goes on'],
  ['SETTINGS with every other flag', 'RFC 9113 §4.1', frame(frameTypes.settings, 0xfe, 0), 'goes on'],
  ['PING with the reserved bit', 'RFC 9113 §4.1', ping(0, 0x80000000), 'goes on'],
  ['ALTSVC from a client', 'RFC 7838 §4', frame(0x0a, 0, 0, bytes(0, 0)), 'goes on'],
  ['ORIGIN from a client', 'RFC 8336 §2.1', frame(0x0c, 0, 0, bytes(0, 0)), 'goes on'],
  [
    'PRIORITY_UPDATE of an idle stream',
    'RFC 9218 §7.1',
    frame(0x10, 0, 0, Buffer.concat([uint32(1), Buffer.from('u=1')])),
    'goes on',
  ],
  [
    'DATA of 16,385 bytes',
    'RFC 9113 §4.2',
    [post(), data(1, Buffer.alloc(16_385))],
    'GOAWAY FRAME_SIZE_ERROR',
  ],
  [
    'HEADERS of 16,385 bytes',
    'RFC 9113 §4.2',
    frame(frameTypes.headers, wholeHead, 1, Buffer.alloc(16_385)),
    'GOAWAY FRAME_SIZE_ERROR',
  ],
  [
    'a frame of unknown type of 16,385 bytes',
    'RFC 9113 §4.2',
    frame(0xfa, 0, 0, Buffer.alloc(16_385)),
    'GOAWAY FRAME_SIZE_ERROR',
  ],
  ['PING of 16,385 bytes', 'RFC 9113 §4.2', ping(0, 0, 16_385), 'GOAWAY FRAME_SIZE_ERROR'],
]);

const settingsFrames = connection([
  ['unknown settings', 'RFC 9113 §6.5.2', settings(0xfafa, 1, 0, 0, 0xffff, 0xffffffff), 'goes on'],
  ['the same setting twice', 'RFC 9113 §6.5.3', settings(4, 0x80000000 - 1, 4, 65_535), 'goes on'],
  ['SETTINGS of 5 bytes', 'RFC 9113 §6.5', frame(4, 0, 0, Buffer.alloc(5)), 'GOAWAY FRAME_SIZE_ERROR'],
  ['SETTINGS of 7 bytes', 'RFC 9113 §6.5', frame(4, 0, 0, Buffer.alloc(7)), 'GOAWAY FRAME_SIZE_ERROR'],
  ['SETTINGS on a stream', 'RFC 9113 §6.5', frame(4, 0, 1), 'GOAWAY PROTOCOL_ERROR'],
  [
    'an acknowledgement with a payload',
    'RFC 9113 §6.5',
    frame(4, ack, 0, Buffer.alloc(6)),
    'GOAWAY FRAME_SIZE_ERROR',
  ],
  ['an acknowledgement of nothing', 'RFC 9113 §6.5.3', frame(4, ack, 0), 'GOAWAY PROTOCOL_ERROR'],
  ['ENABLE_PUSH 1', 'RFC 9113 §6.5.2', settings(2, 1), 'goes on'],
  ['ENABLE_PUSH 2', 'RFC 9113 §6.5.2', settings(2, 2), 'GOAWAY PROTOCOL_ERROR'],
  ['MAX_CONCURRENT_STREAMS 0', 'RFC 9113 §6.5.2', settings(3, 0), 'goes on'],
  ['INITIAL_WINDOW_SIZE 2^31 - 1', 'RFC 9113 §6.5.2', settings(4, 0x7fffffff), 'goes on'],
  ['INITIAL_WINDOW_SIZE 2^31', 'RFC 9113 §6.5.2', settings(4, 0x80000000), 'GOAWAY FLOW_CONTROL_ERROR'],
  [
    'INITIAL_WINDOW_SIZE that makes the window of a stream overflow',
    'RFC 9113 §6.9.2',
    [hold(), windowUpdate(1, 0x7fffffff - 65_535), settings(4, 65_536)],
    'GOAWAY FLOW_CONTROL_ERROR',
  ],
  ['MAX_FRAME_SIZE 16,383', 'RFC 9113 §6.5.2', settings(5, 16_383), 'GOAWAY PROTOCOL_ERROR'],
  ['MAX_FRAME_SIZE 16,384', 'RFC 9113 §6.5.2', settings(5, 16_384), 'goes on'],
  ['MAX_FRAME_SIZE 2^24 - 1', 'RFC 9113 §6.5.2', settings(5, 0xffffff), 'goes on'],
  ['MAX_FRAME_SIZE 2^24', 'RFC 9113 §6.5.2', settings(5, 0x1000000), 'GOAWAY PROTOCOL_ERROR'],
  ['HEADER_TABLE_SIZE 0', 'RFC 9113 §6.5.2', settings(1, 0), 'goes on'],
  ['HEADER_TABLE_SIZE 2^32 - 1', 'RFC 9113 §6.5.2', settings(1, 0xffffffff), 'goes on'],
  ['MAX_HEADER_LIST_SIZE 2^32 - 1', 'RFC 9113 §6.5.2', settings(6, 0xffffffff), 'goes on'],
  ['ENABLE_CONNECT_PROTOCOL 1 from a client', 'RFC 8441 §3', settings(8, 1), 'goes on'],
  ['ENABLE_CONNECT_PROTOCOL 2', 'RFC 8441 §3', settings(8, 2), 'GOAWAY PROTOCOL_ERROR'],
  ['NO_RFC7540_PRIORITIES changed to 1', 'RFC 9218 §2.1', settings(9, 1), 'GOAWAY PROTOCOL_ERROR'],
  ['NO_RFC7540_PRIORITIES 2', 'RFC 9218 §2.1', settings(9, 2), 'GOAWAY PROTOCOL_ERROR'],
]);

const controlFrames = connection([
  [
    'an acknowledgement of no PING',
    'RFC 9113 §6.7',
    ping(ack),
    'GOAWAY INTERNAL_ERROR',
    'the RFC says nothing about it; an endpoint can end a connection at any time (§5.4.1)',
  ],
  ['PING of 7 bytes', 'RFC 9113 §6.7', ping(0, 0, 7), 'GOAWAY FRAME_SIZE_ERROR'],
  ['PING of 9 bytes', 'RFC 9113 §6.7', ping(0, 0, 9), 'GOAWAY FRAME_SIZE_ERROR'],
  ['an empty PING', 'RFC 9113 §6.7', ping(0, 0, 0), 'GOAWAY FRAME_SIZE_ERROR'],
  ['PING on a stream', 'RFC 9113 §6.7', ping(0, 1), 'GOAWAY PROTOCOL_ERROR'],
  ['GOAWAY on a stream', 'RFC 9113 §6.8', goAway(1), 'GOAWAY PROTOCOL_ERROR'],
  ['GOAWAY of 7 bytes', 'RFC 9113 §6.8', frame(7, 0, 0, Buffer.alloc(7)), 'GOAWAY FRAME_SIZE_ERROR'],
  [
    'PUSH_PROMISE from a client',
    'RFC 9113 §8.4',
    [hold(), frame(frameTypes.pushPromise, endHeaders, 1, Buffer.concat([uint32(2), block]))],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'PUSH_PROMISE on stream 0',
    'RFC 9113 §6.6',
    frame(5, endHeaders, 0, Buffer.concat([uint32(2), block])),
    'GOAWAY PROTOCOL_ERROR',
  ],
  ['WINDOW_UPDATE of 3 bytes', 'RFC 9113 §6.9', frame(8, 0, 0, Buffer.alloc(3)), 'GOAWAY FRAME_SIZE_ERROR'],
  ['WINDOW_UPDATE of 5 bytes', 'RFC 9113 §6.9', frame(8, 0, 0, Buffer.alloc(5)), 'GOAWAY FRAME_SIZE_ERROR'],
  ['WINDOW_UPDATE by 0 of the connection', 'RFC 9113 §6.9', windowUpdate(0, 0), 'GOAWAY PROTOCOL_ERROR'],
  ['WINDOW_UPDATE by 1 of the connection', 'RFC 9113 §6.9', windowUpdate(0, 1), 'goes on'],
  ['WINDOW_UPDATE with the reserved bit', 'RFC 9113 §6.9', windowUpdate(0, 0x80000001), 'goes on'],
  [
    'WINDOW_UPDATE of the connection beyond 2^31 - 1',
    'RFC 9113 §6.9.1',
    windowUpdate(0, 0x7fffffff),
    'GOAWAY FLOW_CONTROL_ERROR',
  ],
  [
    'WINDOW_UPDATE twice, together beyond 2^31 - 1',
    'RFC 9113 §6.9.1',
    [windowUpdate(0, 0x40000000), windowUpdate(0, 0x40000000)],
    'GOAWAY FLOW_CONTROL_ERROR',
  ],
  ['WINDOW_UPDATE on an idle stream', 'RFC 9113 §5.1', windowUpdate(1, 1), 'GOAWAY PROTOCOL_ERROR'],
  ['RST_STREAM on an idle stream', 'RFC 9113 §6.4', reset(1, 8), 'GOAWAY PROTOCOL_ERROR'],
  ['RST_STREAM on stream 0', 'RFC 9113 §6.4', reset(0, 8), 'GOAWAY PROTOCOL_ERROR'],
  [
    'RST_STREAM of 3 bytes',
    'RFC 9113 §6.4',
    [hold(), frame(3, 0, 1, Buffer.alloc(3))],
    'GOAWAY FRAME_SIZE_ERROR',
  ],
  ['RST_STREAM with an unknown code', 'RFC 9113 §7', [hold(), reset(1, 0xdeadbeef)], 'goes on'],
  ['RST_STREAM twice', 'RFC 9113 §5.1', [hold(), reset(1, 8), reset(1, 8)], 'goes on'],
  ['PRIORITY on an idle stream', 'RFC 9113 §5.1', priorityFrame(1, 0), 'goes on'],
  ['PRIORITY on a closed stream', 'RFC 9113 §5.1', [get(), { ended: 1 }, priorityFrame(1, 0)], 'goes on'],
  [
    'PRIORITY on stream 0',
    'RFC 9113 §6.3',
    priorityFrame(0, 1),
    'goes on',
    'a connection error (RFC 9113 §6.3); nghttp2 reads no more of these frames, deprecated by §5.3.2, than their length',
  ],
  [
    'PRIORITY of 4 bytes',
    'RFC 9113 §6.3',
    [hold(), frame(2, 0, 1, Buffer.alloc(4))],
    'GOAWAY FRAME_SIZE_ERROR',
    promoted,
  ],
  [
    'PRIORITY of 6 bytes',
    'RFC 9113 §6.3',
    [hold(), frame(2, 0, 1, Buffer.alloc(6))],
    'GOAWAY FRAME_SIZE_ERROR',
    promoted,
  ],
  ['PRIORITY that depends on itself', 'RFC 9113 §5.3.2', priorityFrame(1, 1), 'goes on'],
]);

const streamFrames = stream([
  [
    'WINDOW_UPDATE by 0 of a stream',
    'RFC 9113 §6.9',
    [hold(), windowUpdate(1, 0)],
    'GOAWAY PROTOCOL_ERROR',
    promoted,
  ],
  [
    'WINDOW_UPDATE of a stream beyond 2^31 - 1',
    'RFC 9113 §6.9.1',
    [hold(), windowUpdate(1, 0x7fffffff)],
    'GOAWAY FLOW_CONTROL_ERROR',
    promoted,
  ],
  ['DATA after END_STREAM', 'RFC 9113 §5.1', [hold(), data(1, 'x')], 'GOAWAY STREAM_CLOSED', promoted],
  ['HEADERS after END_STREAM', 'RFC 9113 §5.1', [hold(), unwantedOn(1)], 'GOAWAY STREAM_CLOSED', promoted],
  [
    'HEADERS after DATA with END_STREAM',
    'RFC 9113 §5.1',
    [headers(1, fields('POST', '/hold'), false), data(1, 'x', true), headers(1, [['x', '1']])],
    'GOAWAY STREAM_CLOSED',
    promoted,
  ],
  [
    'CONTINUATION after END_STREAM',
    'RFC 9113 §5.1',
    [hold(), continuation(1, encodeFields([['x', '1']]))],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'trailers without END_STREAM',
    'RFC 9113 §8.1',
    [post(), headers(1, [['x', '1']], false)],
    'RST_STREAM PROTOCOL_ERROR',
  ],
]);

const closedStreams = connection([
  ['DATA on an idle stream', 'RFC 9113 §5.1', data(1, 'x'), 'GOAWAY PROTOCOL_ERROR'],
  ['DATA on stream 0', 'RFC 9113 §6.1', data(0, 'x'), 'GOAWAY PROTOCOL_ERROR'],
  ['HEADERS on stream 0', 'RFC 9113 §6.2', get(0), 'GOAWAY PROTOCOL_ERROR'],
  ['HEADERS on an even stream', 'RFC 9113 §5.1.1', get(2), 'GOAWAY PROTOCOL_ERROR'],
  ['DATA on an even stream', 'RFC 9113 §5.1', data(2, 'x'), 'GOAWAY PROTOCOL_ERROR'],
  ['HEADERS on a stream below the last', 'RFC 9113 §5.1.1', [hold(5), unwantedOn(3)], 'goes on', discarded],
  [
    'HEADERS on a stream that was skipped and the last answered',
    'RFC 9113 §5.1.1',
    [get(5), { ended: 5 }, unwantedOn(3)],
    'goes on',
    discarded,
  ],
  ['HEADERS on an answered stream', 'RFC 9113 §5.1', [get(), { ended: 1 }, unwantedOn(1)], 'goes on'],
  ['DATA on an answered stream', 'RFC 9113 §5.1', [get(), { ended: 1 }, data(1, 'x')], 'goes on'],
  [
    'CONTINUATION on an answered stream',
    'RFC 9113 §6.10',
    [get(), { ended: 1 }, continuation(1, block)],
    'GOAWAY PROTOCOL_ERROR',
  ],
  ['WINDOW_UPDATE after END_STREAM', 'RFC 9113 §5.1', [hold(), windowUpdate(1, 1)], 'goes on'],
  [
    'WINDOW_UPDATE on an answered stream',
    'RFC 9113 §5.1',
    [get(), { ended: 1 }, windowUpdate(1, 1)],
    'goes on',
  ],
  ['RST_STREAM on an answered stream', 'RFC 9113 §5.1', [get(), { ended: 1 }, reset(1, 8)], 'goes on'],
  ['HEADERS after RST_STREAM', 'RFC 9113 §5.1', [hold(), reset(1, 8), unwantedOn(1)], 'goes on'],
  ['DATA after RST_STREAM', 'RFC 9113 §5.1', [post(), reset(1, 8), data(1, 'x')], 'goes on'],
  [
    'one stream more than MAX_CONCURRENT_STREAMS',
    'RFC 9113 §5.1.2',
    times(101, index => hold(2 * index + 1)),
    'GOAWAY PROTOCOL_ERROR',
    promoted,
  ],
  [
    'DATA without regard to windows, for a backend that reads nothing',
    'RFC 9113 §6.9.1',
    [headers(1, fields('POST', '/stall'), false), times(4_000, () => data(1, Buffer.alloc(16_384)))],
    'GOAWAY FLOW_CONTROL_ERROR or closed',
    'what is still unread when a connection is closed resets it, and the client may lose GOAWAY by that',
  ],
]);

const fieldBlocks = connection([
  [
    'HEADERS and CONTINUATION',
    'RFC 9113 §6.10',
    [frame(1, endStream, 1, block.subarray(0, 20)), continuation(1, block.subarray(20))],
    'goes on',
  ],
  [
    'empty CONTINUATION at the end',
    'RFC 9113 §6.10',
    [frame(1, endStream, 1, block), continuation(1, bytes())],
    'goes on',
  ],
  ['CONTINUATION without HEADERS', 'RFC 9113 §6.10', continuation(1, block), 'GOAWAY PROTOCOL_ERROR'],
  [
    'CONTINUATION on stream 0',
    'RFC 9113 §6.10',
    [frame(1, endStream, 1, block), continuation(0, block)],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'CONTINUATION of another stream',
    'RFC 9113 §6.10',
    [frame(1, endStream, 1, block), continuation(3, block)],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'CONTINUATION after END_HEADERS',
    'RFC 9113 §6.10',
    [hold(), continuation(1, block)],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'DATA within a field block',
    'RFC 9113 §6.2',
    [frame(1, 0, 1, block), data(1, 'x')],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'PING within a field block',
    'RFC 9113 §6.2',
    [frame(1, endStream, 1, block), ping()],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'HEADERS within a field block',
    'RFC 9113 §6.2',
    [frame(1, endStream, 1, block), get(3)],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'a frame of unknown type within a field block',
    'RFC 9113 §5.5',
    [frame(1, endStream, 1, block), frame(0xfa, 0, 0)],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'RST_STREAM within a field block',
    'RFC 9113 §6.2',
    [frame(1, endStream, 1, block), reset(1, 8)],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'HEADERS with padding as long as the payload',
    'RFC 9113 §6.2',
    frame(1, wholeHead | padded, 1, Buffer.concat([bytes(block.length + 1), block])),
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'padded HEADERS without a length',
    'RFC 9113 §6.2',
    frame(1, wholeHead | padded, 1),
    'GOAWAY PROTOCOL_ERROR',
    paddingCode,
  ],
  [
    'HEADERS with a priority of 4 bytes',
    'RFC 9113 §6.2',
    frame(1, wholeHead | priority, 1, Buffer.alloc(4)),
    'GOAWAY FRAME_SIZE_ERROR',
  ],
  [
    'HEADERS that depends on itself',
    'RFC 7540 §5.3.1',
    frame(1, wholeHead | priority, 1, Buffer.concat([uint32(1), bytes(15), block])),
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'DATA with padding longer than the payload',
    'RFC 9113 §6.1',
    [post(), frame(0, padded, 1, bytes(5, 1, 2))],
    'GOAWAY PROTOCOL_ERROR',
  ],
  [
    'padded DATA without a length',
    'RFC 9113 §6.1',
    [post(), frame(0, padded, 1)],
    'GOAWAY PROTOCOL_ERROR',
    paddingCode,
  ],
]);

const wellFormed = stream([
  ['the simplest request', 'RFC 9113 §8.3.1', get(), '200'],
  [
    'HEADERS with padding and priority',
    'RFC 9113 §6.2',
    frame(
      1,
      wholeHead | padded | priority,
      1,
      Buffer.concat([bytes(3), uint32(0x80000000), bytes(255), block, bytes(0, 0, 0)]),
    ),
    '200',
  ],
  ['HEADERS with every undefined flag', 'RFC 9113 §4.1', frame(1, wholeHead | 0xd2, 1, block), '200'],
  ['HEADERS with the reserved bit', 'RFC 9113 §4.1', [headers(0x80000001, head)], '200'],
  ['a body and no length', 'RFC 9113 §8.1', [post(), data(1, 'abc', true)], '200'],
  ['an empty body in DATA', 'RFC 9113 §8.1', [post(), data(1, '', true)], '200'],
  [
    'DATA with padding',
    'RFC 9113 §6.1',
    [post(1, ['content-length', '2']), frame(0, padded | endStream, 1, bytes(3, 65, 66, 0, 0, 0))],
    '200',
  ],
  [
    'DATA of padding alone',
    'RFC 9113 §6.1',
    [post(1, ['content-length', '0']), frame(0, padded | endStream, 1, bytes(3, 0, 0, 0))],
    '200',
  ],
  ['a body with trailers', 'RFC 9113 §8.1', [post(), data(1, 'abc'), headers(1, [['x-sum', '1']])], '200'],
  ['trailers without a body', 'RFC 9113 §8.1', [post(), headers(1, [['x-sum', '1']])], '200'],
  ['TE: trailers', 'RFC 9113 §8.2.2', get(1, ['te', 'trailers']), '200'],
  ['Cookie in crumbs', 'RFC 9113 §8.2.3', get(1, ['cookie', 'a=1'], ['cookie', 'b=2']), '200'],
  ['Host beside the same :authority', 'RFC 9113 §8.3.1', get(1, ['host', host]), '200'],
  [
    'Host without :authority',
    'RFC 9113 §8.3.1',
    of([':method', 'GET'], [':scheme', 'https'], [':path', '/'], ['host', host]),
    '200',
  ],
  [
    'a length that the body has',
    'RFC 9113 §8.1.1',
    [post(1, ['content-length', '3']), data(1, 'ab'), data(1, 'c', true)],
    '200',
  ],
]);

const malformed = stream([
  ['a name in upper case', 'RFC 9113 §8.2.1', bad(['X-A', '1']), 'RST_STREAM PROTOCOL_ERROR'],
  [
    'a pseudo-field in upper case',
    'RFC 9113 §8.2.1',
    of([':Method', 'GET'], ...unwanted.slice(1)),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  ['an empty name', 'RFC 9113 §8.2.1', get(1, ['', 'unwanted']), '200', leftOut],
  ['a name with a space', 'RFC 9113 §8.2.1', get(1, ['x a', 'unwanted']), '200', leftOut],
  ['a name with a colon', 'RFC 9113 §8.2.1', get(1, ['x:a', 'unwanted']), '200', leftOut],
  ['a name with CR LF', 'RFC 9113 §8.2.1', get(1, ['x\r\ny', 'unwanted']), '200', leftOut],
  ['a name with a byte over 127', 'RFC 9113 §8.2.1', get(1, ['x\xe4', 'unwanted']), '200', leftOut],
  ['a name with NUL', 'RFC 9113 §8.2.1', get(1, ['x\0', 'unwanted']), '200', leftOut],
  ['a value with LF', 'RFC 9113 §8.2.1', get(1, ['x', 'unwanted\nb: c']), '200', leftOut],
  ['a value with CR', 'RFC 9113 §8.2.1', get(1, ['x', 'unwanted\rb']), '200', leftOut],
  ['a value with NUL', 'RFC 9113 §8.2.1', get(1, ['x', 'unwanted\0b']), '200', leftOut],
  ['a value that begins with a space', 'RFC 9113 §8.2.1', get(1, ['x', ' unwanted']), '200', leftOut],
  ['a value that ends with a tab', 'RFC 9113 §8.2.1', get(1, ['x', 'unwanted\t']), '200', leftOut],
  ['Connection', 'RFC 9113 §8.2.2', bad(['connection', 'close']), 'RST_STREAM PROTOCOL_ERROR'],
  ['Keep-Alive', 'RFC 9113 §8.2.2', bad(['keep-alive', 'timeout=5']), 'RST_STREAM PROTOCOL_ERROR'],
  [
    'Proxy-Connection',
    'RFC 9113 §8.2.2',
    bad(['proxy-connection', 'keep-alive']),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'Transfer-Encoding',
    'RFC 9113 §8.2.2',
    bad(['transfer-encoding', 'chunked']),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'Transfer-Encoding with a body',
    'A9',
    [post(1, ['transfer-encoding', 'chunked']), data(1, '0\r\n\r\n', true)],
    'RST_STREAM PROTOCOL_ERROR',
  ],
  ['Upgrade', 'RFC 9113 §8.2.2', bad(['upgrade', 'websocket']), 'RST_STREAM PROTOCOL_ERROR'],
  [
    'HTTP2-Settings',
    'RFC 9113 §8.2.2',
    bad(['http2-settings', 'AAMAAABkAAQAAP__']),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  ['TE: gzip', 'RFC 9113 §8.2.2', bad(['te', 'gzip']), 'RST_STREAM PROTOCOL_ERROR'],
  ['TE: trailers and more', 'RFC 9113 §8.2.2', bad(['te', 'trailers, gzip']), 'RST_STREAM PROTOCOL_ERROR'],
  ['an unknown pseudo-field', 'RFC 9113 §8.3', of(...unwanted, [':test', 'x']), 'RST_STREAM PROTOCOL_ERROR'],
  [
    'a pseudo-field of answers',
    'RFC 9113 §8.3',
    of(...unwanted, [':status', '200']),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'a pseudo-field after a field',
    'RFC 9113 §8.3',
    of(...unwanted.slice(0, 3), ['x', '1'], unwanted[3]!),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  ['no :method', 'RFC 9113 §8.3.1', of(...unwanted.slice(1)), 'RST_STREAM PROTOCOL_ERROR'],
  ['no :scheme', 'RFC 9113 §8.3.1', of(unwanted[0]!, ...unwanted.slice(2)), 'RST_STREAM PROTOCOL_ERROR'],
  ['no :path', 'RFC 9113 §8.3.1', of(...unwanted.slice(0, 3)), 'RST_STREAM PROTOCOL_ERROR'],
  ['no pseudo-field at all', 'RFC 9113 §8.3.1', of(['host', host]), 'RST_STREAM PROTOCOL_ERROR'],
  ['an empty field block', 'RFC 9113 §8.3.1', of(), 'RST_STREAM PROTOCOL_ERROR'],
  ['an empty :path', 'RFC 9113 §8.3.1', headers(1, fields('GET', '')), 'RST_STREAM PROTOCOL_ERROR'],
  [
    'a :path without a slash',
    'RFC 9113 §8.3.1',
    headers(1, fields('GET', 'unwanted')),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'a :path with a space',
    'RFC 9113 §8.3.1',
    headers(1, fields('GET', '/unwanted HTTP/1.1')),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'a whole URL as :path',
    'B2',
    headers(1, fields('GET', `https://${host}/unwanted`)),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  ['a fragment in :path', 'B2', headers(1, fields('GET', '/unwanted#b')), '400', answered],
  ['`*` as :path of GET', 'RFC 9113 §8.3.1', headers(1, fields('GET', '*')), 'RST_STREAM PROTOCOL_ERROR'],
  ['an empty :method', 'RFC 9113 §8.3.1', headers(1, fields('', '/unwanted')), 'RST_STREAM PROTOCOL_ERROR'],
  [
    'a :method with a space',
    'RFC 9113 §8.3.1',
    headers(1, fields('GET /x', '/unwanted')),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'an unknown :scheme',
    'RFC 9113 §8.3.1',
    of(unwanted[0]!, [':scheme', 'ftp'], ...unwanted.slice(2)),
    '400',
  ],
  ...unwanted.map(
    (field): Row => [
      `two ${field[0]}`,
      'RFC 9113 §8.3.1',
      of(field, ...unwanted),
      'RST_STREAM PROTOCOL_ERROR',
    ],
  ),
  [
    'neither :authority nor Host',
    'RFC 9113 §8.3.1',
    of(unwanted[0]!, unwanted[1]!, unwanted[3]!),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'an empty :authority',
    'RFC 9113 §8.3.1',
    of(unwanted[0]!, unwanted[1]!, [':authority', ''], unwanted[3]!),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'user information in :authority',
    'RFC 9113 §8.3.1',
    of(unwanted[0]!, unwanted[1]!, [':authority', `a@${host}`], unwanted[3]!),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'Host that differs from :authority',
    'RFC 9113 §8.3.1',
    bad(['host', 'other.bed.localhost']),
    '400',
    answered,
  ],
  ['two Host', 'RFC 9110 §7.2', bad(['host', host], ['host', host]), 'RST_STREAM PROTOCOL_ERROR'],
  ['CONNECT', 'RFC 9113 §8.5', of([':method', 'CONNECT'], [':authority', `${host}:443`]), '405'],
  [
    'CONNECT with :path',
    'RFC 9113 §8.5',
    headers(1, fields('CONNECT', '/unwanted')),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  ['CONNECT without :authority', 'RFC 9113 §8.5', of([':method', 'CONNECT']), 'RST_STREAM PROTOCOL_ERROR'],
  [
    'extended CONNECT with :protocol after other fields',
    'RFC 9113 §8.3',
    headers(1, fields('CONNECT', '/unwanted', ['x', '1'], [':protocol', 'websocket'])),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'extended CONNECT for another protocol',
    'RFC 8441 §4',
    headers(1, [[':protocol', 'connect-ip'], ...fields('CONNECT', '/unwanted')]),
    '405',
  ],
  [
    'extended CONNECT without :path',
    'RFC 8441 §4',
    headers(1, [
      [':protocol', 'websocket'],
      ...fields('CONNECT', '/unwanted').filter(([name]) => name !== ':path'),
    ]),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'extended CONNECT without :scheme',
    'RFC 8441 §4',
    headers(1, [
      [':protocol', 'websocket'],
      ...fields('CONNECT', '/unwanted').filter(([name]) => name !== ':scheme'),
    ]),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'GET with :protocol',
    'RFC 8441 §4',
    headers(1, [[':protocol', 'websocket'], ...fields('GET', '/unwanted')]),
    'RST_STREAM PROTOCOL_ERROR',
  ],
  ['TRACE', 'A11', headers(1, fields('TRACE', '/unwanted')), '405'],
]);

const contents = stream([
  [
    'a length beyond the body',
    'RFC 9113 §8.1.1',
    [post(1, ['content-length', '5']), data(1, 'abc', true)],
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'a length below the body',
    'RFC 9113 §8.1.1',
    [post(1, ['content-length', '2']), data(1, 'abc', true)],
    'GOAWAY INTERNAL_ERROR',
    overlong,
  ],
  [
    'a length below the body in several DATA',
    'RFC 9113 §8.1.1',
    [post(1, ['content-length', '2']), data(1, 'ab'), data(1, 'c', true)],
    'GOAWAY INTERNAL_ERROR',
    overlong,
  ],
  ['a length and no body', 'RFC 9113 §8.1.1', get(1, ['content-length', '5']), 'RST_STREAM PROTOCOL_ERROR'],
  [
    'a length and trailers in place of the body',
    'RFC 9113 §8.1.1',
    [post(1, ['content-length', '5']), headers(1, [['x', '1']])],
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'a negative length',
    'A2',
    [post(1, ['content-length', '-1']), data(1, 'a', true)],
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'a length with a sign',
    'A2',
    [post(1, ['content-length', '+1']), data(1, 'a', true)],
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'two lengths',
    'A2',
    [post(1, ['content-length', '1'], ['content-length', '1']), data(1, 'a', true)],
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'a pseudo-field in trailers',
    'RFC 9113 §8.1',
    [post(), data(1, 'x'), headers(1, [[':path', '/']])],
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'an unknown pseudo-field in trailers',
    'RFC 9113 §8.1',
    [post(), data(1, 'x'), headers(1, [[':x', '/']])],
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'upper case in trailers',
    'RFC 9113 §8.2.1',
    [post(), data(1, 'x'), headers(1, [['X', '1']])],
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'Connection in trailers',
    'RFC 9113 §8.2.2',
    [post(), data(1, 'x'), headers(1, [['connection', 'close']])],
    'RST_STREAM PROTOCOL_ERROR',
  ],
  [
    'Transfer-Encoding in trailers',
    'RFC 9113 §8.2.2',
    [post(), data(1, 'x'), headers(1, [['transfer-encoding', 'chunked']])],
    'RST_STREAM PROTOCOL_ERROR',
  ],
]);

/** Huffman code of `a` is 00011, of `0` 00000 (RFC 7541, appendix B). */
const compression = connection([
  ['index 0', 'RFC 7541 §6.1', getThen(bytes(0x80)), 'GOAWAY COMPRESSION_ERROR'],
  ['an index beyond both tables', 'RFC 7541 §2.3.3', getThen(bytes(0xbe)), 'GOAWAY COMPRESSION_ERROR'],
  [
    'a name beyond both tables',
    'RFC 7541 §2.3.3',
    getThen(bytes(0x7e), encodeString('v')),
    'GOAWAY COMPRESSION_ERROR',
  ],
  ['an index without end', 'RFC 7541 §5.1', getThen(Buffer.alloc(12, 0xff)), 'GOAWAY COMPRESSION_ERROR'],
  [
    'a table size update within the limit',
    'RFC 7541 §6.3',
    getAfter(encodeInteger(4_096, 5, 0x20)),
    'goes on',
  ],
  [
    'two table size updates',
    'RFC 7541 §4.2',
    getAfter(encodeInteger(0, 5, 0x20), encodeInteger(4_096, 5, 0x20)),
    'goes on',
  ],
  [
    'a table size update beyond the limit',
    'RFC 7541 §6.3',
    getAfter(encodeInteger(4_097, 5, 0x20)),
    'GOAWAY COMPRESSION_ERROR',
  ],
  [
    'a table size update at the end of a block',
    'RFC 7541 §4.2',
    getThen(encodeInteger(0, 5, 0x20)),
    'GOAWAY COMPRESSION_ERROR',
  ],
  [
    'a string that is longer than the block',
    'RFC 7541 §5.2',
    getThen(bytes(0x00, 0x0a, 0x61)),
    'GOAWAY COMPRESSION_ERROR',
  ],
  ['a field without a value', 'RFC 7541 §6.2', getThen(bytes(0x00, 0x01, 0x61)), 'GOAWAY COMPRESSION_ERROR'],
  ['a Huffman string', 'RFC 7541 §5.2', getThen(bytes(0x00, 0x01, 0x78, 0x81, 0x1f)), 'goes on'],
  [
    'Huffman padding of more than 7 bits',
    'RFC 7541 §5.2',
    getThen(bytes(0x00, 0x01, 0x78, 0x82, 0x1f, 0xff)),
    'GOAWAY COMPRESSION_ERROR',
  ],
  [
    'Huffman padding of zeros',
    'RFC 7541 §5.2',
    getThen(bytes(0x00, 0x01, 0x78, 0x81, 0x18)),
    'GOAWAY COMPRESSION_ERROR',
  ],
  [
    'Huffman string with EOS',
    'RFC 7541 §5.2',
    getThen(bytes(0x00, 0x01, 0x78, 0x84, 0xff, 0xff, 0xff, 0xff)),
    'GOAWAY COMPRESSION_ERROR',
  ],
  [
    'a field for the table and its use',
    'RFC 7541 §6.2.1',
    getThen(bytes(0x40), encodeString('x-a'), encodeString('1'), bytes(0xbe)),
    'goes on',
  ],
  [
    'a field too large for the table empties it',
    'RFC 7541 §4.4',
    getThen(bytes(0x40), encodeString('x-a'), encodeString('a'.repeat(5_000)), bytes(0xbe)),
    'GOAWAY COMPRESSION_ERROR',
  ],
]);

const floods = connection([
  [
    'rapid reset',
    'H2',
    times(2_000, index => Buffer.concat([hold(2 * index + 1), reset(2 * index + 1, 8)])),
    'GOAWAY',
  ],
  ['PING', 'H2', times(5_000, () => ping()), 'GOAWAY'],
  ['SETTINGS', 'H2', times(5_000, () => emptySettings), 'GOAWAY'],
  [
    'empty CONTINUATION',
    'H2',
    [frame(1, endStream, 1, block), times(5_000, () => continuation(1, bytes(), noFlags))],
    'GOAWAY',
  ],
  [
    'empty DATA',
    'H2',
    [headers(1, fields('POST', '/hold'), false), times(5_000, () => data(1, ''))],
    'GOAWAY',
  ],
  ['WINDOW_UPDATE', 'H2', [hold(), times(5_000, () => windowUpdate(1, 1))], 'goes on'],
  ['PRIORITY', 'H2', times(5_000, index => priorityFrame(2 * index + 1, 0)), 'goes on'],
  ['frames of unknown type', 'H2', times(5_000, () => frame(0xfa, 0, 0)), 'goes on'],
  [
    'requests that break the rules',
    'H2',
    times(2_000, index => get(2 * index + 1, ['connection', 'x'])),
    'GOAWAY',
  ],
]);

export const http2Vectors: readonly Http2Vector[] = [
  ...openings,
  ...frames,
  ...settingsFrames,
  ...controlFrames,
  ...streamFrames,
  ...closedStreams,
  ...fieldBlocks,
  ...wellFormed,
  ...malformed,
  ...contents,
  ...compression,
  ...floods,
];
