import assert from 'node:assert/strict';
import { processorSeconds } from '../../../../tests/testbed/processor-time.ts';
import { BodyReader } from './body.ts';
import { Http1Error } from './error.ts';
import { fieldIds } from './fields.ts';
import { defaultHeadLimits, HeadReader, MessageHead } from './head.ts';
import { type NodeMessage, readWithNode } from './node-parser.ts';
import { checkTarget, parseHost, pathReadings, RequestTarget } from './target.ts';

export type Side = 'request' | 'response';

/** One message as the codec reads it, in the words of `NodeMessage`; `method` of a response is what it answers. */
export interface CodecMessage {
  method: string;
  target: string;
  status: number;
  minorVersion: number;
  fields: string[];
  body: Buffer;
  trailers: string;
  isUpgrade: boolean;
  keepAlive: boolean;
  isComplete: boolean;
}

/** What the codec makes of a connection's bytes. */
export interface CodecReading {
  messages: CodecMessage[];
  error: Http1Error | undefined;
}

/**
 * Reads a connection as the relay does: heads through a `HeadReader` that gets all bytes so far with each piece, bodies
 * piece by piece, until the pieces end, a message is refused, or the connection stops being HTTP/1.1.
 *
 * @param pieces The connection's bytes in the pieces they arrive in.
 * @param requestMethods For responses: the method that each final response answers; GET beyond the list.
 */
export function readWithCodec(
  side: Side,
  pieces: readonly Buffer[],
  requestMethods: readonly string[] = [],
): CodecReading {
  const connection = new CodecConnection(side, requestMethods);
  try {
    for (const piece of pieces) connection.push(piece);
    connection.end();
    return { messages: connection.messages, error: undefined };
  } catch (error) {
    if (!(error instanceof Http1Error)) throw error;
    return { messages: connection.messages, error };
  }
}

class CodecConnection {
  readonly messages: CodecMessage[] = [];
  readonly #side: Side;
  readonly #requestMethods: readonly string[];
  readonly #reader = new HeadReader();
  readonly #head = new MessageHead();
  readonly #target = new RequestTarget();
  readonly #body = new BodyReader(undefined, () => true);
  #unread: Buffer = Buffer.alloc(0);
  #isOver = false;
  #finals = 0;

  constructor(side: Side, requestMethods: readonly string[]) {
    this.#side = side;
    this.#requestMethods = requestMethods;
  }

  push(piece: Buffer): void {
    // A byte before and behind, which nobody may look at.
    this.#unread = Buffer.concat([fence, this.#unread, piece, fence]).subarray(1, -1);
    while (!this.#isOver && this.#unread.length > 0 && this.#step()) {}
  }

  end(): void {
    if (this.#isOver || this.#body.isDone) return;
    const message = this.messages[this.messages.length - 1];
    if (this.#body.end()) message.isComplete = true;
  }

  // False: more bytes are needed.
  #step(): boolean {
    if (this.#body.isDone && !this.#readHead()) return false;
    const message = this.messages[this.messages.length - 1];
    const sink = {
      onData: (bytes: Buffer, start: number, end: number) => {
        assert.ok(end > start, 'content is never empty');
        message.body = Buffer.concat([message.body, bytes.subarray(start, end)]);
      },
    };
    const consumed = this.#body.read(this.#unread, 0, this.#unread.length, sink);
    assert.ok(
      this.#body.isDone || consumed === this.#unread.length,
      'a body takes all bytes until it is done',
    );
    this.#unread = this.#unread.subarray(consumed);
    if (!this.#body.isDone) return false;
    message.isComplete = true;
    message.trailers = this.#body.trailers.toString('latin1');
    this.#isOver = !message.keepAlive || message.isUpgrade;
    return true;
  }

  #readHead(): boolean {
    const bytes = this.#unread;
    const head = this.#head;
    const isRequest = this.#side === 'request';
    const isComplete = isRequest
      ? this.#reader.readRequest(bytes, 0, bytes.length, defaultHeadLimits, head)
      : this.#reader.readResponse(bytes, 0, bytes.length, defaultHeadLimits, this.#requestMethod, head);
    if (!isComplete) return false;
    if (isRequest) this.#checkRequest();
    else if (head.status >= 200) this.#finals++;
    this.#body.begin(head);
    this.messages.push(toMessage(head));
    this.#unread = bytes.subarray(head.end);
    return true;
  }

  get #requestMethod(): string {
    return this.#requestMethods[this.#finals] ?? 'GET';
  }

  #checkRequest(): void {
    const head = this.#head;
    const host = head.find(fieldIds.host);
    parseHost(head.bytes, head.valueStart(host), head.valueEnd(host));
    checkTarget(head, this.#target);
    const { start, pathEnd } = this.#target;
    const { strict, lenient } = pathReadings(head.bytes, start, pathEnd);
    for (const reading of [strict, lenient]) {
      const segments = reading.split(/[/\\]/);
      assert.ok(reading.startsWith('/') && !segments.includes('.') && !segments.includes('..'), reading);
    }
    assert.equal(this.#target.isPlain && strict !== lenient, false, 'a plain path has one reading');
  }
}

const fence = Buffer.from([0x0a]);

function toMessage(head: MessageHead): CodecMessage {
  const fields: string[] = [];
  for (let index = 0; index < head.fieldCount; index++) {
    const name = head.bytes.toString('latin1', head.nameStart(index), head.nameEnd(index));
    assert.equal(head.nameOf(index), name.toLowerCase());
    const line = head.bytes.toString('latin1', head.lineStart(index), head.lineEnd(index));
    assert.ok(line.startsWith(`${name}:`) && line.endsWith('\r\n') && line.indexOf('\r') === line.length - 2);
    fields.push(name, head.valueOf(index));
  }
  return {
    method: head.method,
    target: head.bytes.toString('latin1', head.targetStart, head.targetEnd),
    status: head.status,
    minorVersion: head.minorVersion,
    fields,
    body: Buffer.alloc(0),
    trailers: '',
    isUpgrade: head.upgrade && (!head.isResponse || head.status === 101),
    keepAlive: head.keepAlive,
    isComplete: false,
  };
}

/**
 * Fails unless Node's strict parser reads each message that the codec accepts as the same message, with the same end.
 * Where the codec refuses, Node may do as it likes.
 */
export function compareWithNode(
  side: Side,
  bytes: Buffer,
  requestMethods: readonly string[],
  ours: CodecReading,
): void {
  const node = readWithNode(side, bytes, requestMethods);
  for (const [index, message] of ours.messages.entries()) {
    const theirs = node.messages[index];
    assert.ok(theirs !== undefined, `message ${index} is no message to Node: ${node.error}`);
    compareHeads(message, theirs);
    // A message that is cut short or refused in its body has no end to compare, but Node must not have found one.
    if (!message.isComplete) {
      if (ours.error === undefined) assert.equal(theirs.isComplete, false, 'the message has an end to Node');
      return;
    }
    assert.deepEqual(message.body, theirs.body);
    if (hasConnectionTrailer(message.trailers)) return;
    assert.ok(theirs.isComplete, `message ${index} has no end to Node: ${node.error}`);
    assert.deepEqual(listOf(message.trailers), theirs.trailers);
    // The bare parser stops at an upgrade on HTTP/1.0 too; a server has to ignore it (RFC 9110 §7.8), as we do.
    if (theirs.isUpgrade) return;
  }
}

function compareHeads(ours: CodecMessage, theirs: NodeMessage): void {
  if (ours.status === 0) assert.equal(ours.method, theirs.method);
  assert.equal(ours.target, theirs.target);
  assert.equal(ours.status, theirs.status);
  assert.equal(ours.minorVersion, theirs.minorVersion);
  assert.deepEqual(ours.fields, theirs.fields);
  // To Node, an answer to HEAD without a length lasts until the connection ends, until it is told otherwise.
  const isHeadAnswer = ours.status > 0 && ours.method === 'HEAD';
  if (ours.keepAlive && !isHeadAnswer)
    assert.ok(theirs.keepAlive, 'the connection ends after this message to Node');
  if (ours.isUpgrade) assert.ok(theirs.isUpgrade, 'no upgrade to Node');
}

// Node refuses some of these in trailers and lets others decide about the connection. To us they are no trailers and
// are taken out, so no backend gets to see them (RFC 9110 §6.5.1).
function hasConnectionTrailer(trailers: string): boolean {
  return /^(content-length|transfer-encoding|connection|proxy-connection|upgrade):/im.test(trailers);
}

function listOf(lines: string): string[] {
  return lines
    .split('\r\n')
    .slice(0, -1)
    .flatMap(line => {
      const [, name, value] = /^([^:]*):[ \t]*(.*?)[ \t]*$/s.exec(line) ?? [];
      return [name, value];
    });
}

/** What a run did; the same seed and number of iterations give the same cases. */
export interface FuzzReport {
  seed: number;
  iterations: number;
  /** Connections on which the codec accepted at least one whole message: a fuzzer that only ever gets refusals tests little. */
  accepted: number;
  refused: number;
}

/**
 * Differential fuzzing of the codec: for each generated connection, delivery in pieces must read like delivery at once,
 * and Node's strict parser must agree with whatever was accepted.
 *
 * @param options Ends after `seconds` of processor time or `iterations`, whichever comes first. `seed` is drawn and printed if left out.
 * @throws With seed, iteration and bytes of the first connection that fails.
 */
export function run(options: { seconds?: number; iterations?: number; seed?: number }): FuzzReport {
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  const until = processorSeconds() + (options.seconds ?? Number.POSITIVE_INFINITY);
  const report: FuzzReport = { seed, iterations: 0, accepted: 0, refused: 0 };
  console.log(`http1 fuzz: seed ${seed}`);
  const count = options.iterations ?? Number.POSITIVE_INFINITY;
  while (report.iterations < count && processorSeconds() < until) {
    const random = new Random(seed + report.iterations * 0x9e3779b1);
    const testCase = makeCase(random);
    try {
      const reading = checkCase(testCase, random);
      if (reading.messages.some(message => message.isComplete)) report.accepted++;
      if (reading.error !== undefined) report.refused++;
    } catch (error) {
      const where = `http1 fuzz: seed ${seed}, iteration ${report.iterations}, ${testCase.side}`;
      throw new Error(`${where}: ${JSON.stringify(testCase.bytes.toString('latin1'))}`, { cause: error });
    }
    report.iterations++;
  }
  console.log(
    `http1 fuzz: ${report.iterations} connections, ${report.accepted} with an accepted message, ${report.refused} refused`,
  );
  return report;
}

interface FuzzCase {
  side: Side;
  bytes: Buffer;
  requestMethods: string[];
}

function checkCase({ side, bytes, requestMethods }: FuzzCase, random: Random): CodecReading {
  const whole = readWithCodec(side, [bytes], requestMethods);
  compareWithNode(side, bytes, requestMethods, whole);
  const deliveries = [piecesAt(bytes, random.cuts(bytes.length))];
  if (random.chance(0.02))
    deliveries.push(
      piecesAt(
        bytes,
        Array.from(bytes, (_, at) => at),
      ),
    );
  if (random.chance(0.005) && bytes.length < 600) {
    for (let at = 1; at < bytes.length; at++) deliveries.push(piecesAt(bytes, [at]));
  }
  for (const pieces of deliveries) {
    const reading = readWithCodec(side, pieces, requestMethods);
    assert.equal(reading.error?.reason, whole.error?.reason);
    assert.deepEqual(reading.messages, whole.messages);
  }
  return whole;
}

function piecesAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    if (cut > from) pieces.push(bytes.subarray(from, cut));
    from = cut;
  }
  return pieces;
}

// SplitMix32: small, and any seed is a good one.
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state ^ (this.#state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  chance(probability: number): boolean {
    return this.next() / 2 ** 32 < probability;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  /** Some increasing offsets into `length` bytes. */
  cuts(length: number): number[] {
    const cuts = Array.from({ length: 1 + this.below(4) }, () => this.below(length + 1));
    return cuts.sort((a, b) => a - b);
  }
}

function makeCase(random: Random): FuzzCase {
  const side: Side = random.chance(0.7) ? 'request' : 'response';
  const requestMethods = Array.from({ length: 4 }, () => (random.chance(0.15) ? 'HEAD' : 'GET'));
  let text = '';
  if (random.chance(0.1)) text = repeat(random, side, makeMessage(random, side, false));
  else for (let left = 1 + random.below(3); left > 0; left--) text += makeMessage(random, side, left === 1);
  if (random.chance(0.5)) for (let left = 1 + random.below(3); left > 0; left--) text = mutate(random, text);
  return { side, bytes: Buffer.from(text, 'latin1'), requestMethods };
}

// Fields and body again under other start lines, so that the path for repeated field sections is walked.
function repeat(random: Random, side: Side, text: string): string {
  const rest = text.slice(text.indexOf('\r\n'));
  return text + Array.from({ length: 3 }, () => makeStartLine(random, side) + rest).join('');
}

function makeStartLine(random: Random, side: Side): string {
  return side === 'request' ? makeRequestLine(random) : makeStatusLine(random);
}

function makeMessage(random: Random, side: Side, isLast: boolean): string {
  const startLine = makeStartLine(random, side);
  const fields = Array.from({ length: random.below(8) }, () => makeField(random));
  if (side === 'request' && !random.chance(0.02))
    fields.push(`${random.of(hostNames)}: ${random.of(random.chance(0.05) ? oddHosts : hosts)}`);
  let body = '';
  const kind = random.below(random.chance(0.1) ? 5 : 4);
  if (kind === 1) {
    body = random.of(contents);
    fields.push(`Content-Length: ${body.length}`);
  } else if (kind === 2) {
    body = makeChunks(random);
    fields.push(
      `${random.of(['Transfer-Encoding', 'transfer-encoding'])}:${random.of([' ', '', '\t'])}chunked`,
    );
  } else if (kind === 3 && isLast && side === 'response') body = random.of(contents);
  else if (kind === 4) fields.push(random.of(oddFraming));
  shuffle(random, fields);
  return `${startLine}\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n${body}`;
}

function makeRequestLine(random: Random): string {
  const version = random.chance(0.9)
    ? 'HTTP/1.1'
    : random.of(['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.2', 'http/1.1', 'HTTP/1.10']);
  return `${random.of(random.chance(0.04) ? oddMethods : methods)} ${makeTarget(random)} ${version}`;
}

function makeTarget(random: Random): string {
  if (random.chance(0.05))
    return random.of(['*', 'http://a.example/', 'https://A.EXAMPLE./x?y', 'a.example:443', 'http://a/?', '']);
  let target = '';
  for (let left = 1 + random.below(4); left > 0; left--)
    target += random.of(random.chance(0.04) ? oddTargetParts : targetParts);
  return `/${target}`;
}

function makeStatusLine(random: Random): string {
  const status = random.of([100, 101, 103, 200, 200, 200, 201, 204, 206, 301, 304, 401, 404, 500, 599, 999]);
  return `${random.chance(0.9) ? 'HTTP/1.1' : 'HTTP/1.0'} ${status}${random.of([' OK', ' ', '', ' Not \x80 Found', ' a  b'])}`;
}

function makeField(random: Random): string {
  if (random.chance(0.3)) return random.of(random.chance(0.05) ? oddFields : knownFields);
  const name = Array.from({ length: 1 + random.below(12) }, () => random.of(Array.from(nameChars))).join('');
  const value = Array.from({ length: random.below(30) }, () => random.of(Array.from(valueChars))).join('');
  return `${name}:${random.of([' ', '', '  ', '\t'])}${value}${random.of(['', '', ' ', '\t '])}`;
}

function makeChunks(random: Random): string {
  let text = '';
  for (let left = random.below(4); left > 0; left--) {
    const content = random.of(contents.slice(1));
    const digits = content.length.toString(16);
    text += `${random.of(['', '', '0', '000'])}${random.chance(0.5) ? digits.toUpperCase() : digits}`;
    text += `${random.chance(0.2) ? random.of(extensions) : ''}\r\n${content}\r\n`;
  }
  text += `${random.of(['0', '0', '0', '00'])}${random.chance(0.1) ? random.of(extensions) : ''}\r\n`;
  if (random.chance(0.2))
    for (let left = 1 + random.below(3); left > 0; left--) text += `${makeField(random)}\r\n`;
  return `${text}\r\n`;
}

function shuffle(random: Random, list: string[]): void {
  for (let last = list.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [list[last], list[other]] = [list[other], list[last]];
  }
}

function mutate(random: Random, text: string): string {
  const at = random.below(text.length + 1);
  const length = random.below(6);
  switch (random.below(8)) {
    case 0:
      return text.slice(0, at) + random.of(interesting) + text.slice(at);
    case 1:
      return text.slice(0, at) + random.of(interesting) + text.slice(at + 1);
    case 2:
      return text.slice(0, at) + text.slice(at + length);
    case 3:
      return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1);
    case 4:
      return text.slice(0, at) + text.slice(at, at + length).repeat(2) + text.slice(at + length);
    case 5:
      return text.slice(0, at);
    case 6:
      return mutateLine(random, text);
    default:
      return mutateAround(random, text);
  }
}

// Twice, away, somewhere else, or another one in its place.
function mutateLine(random: Random, text: string): string {
  const lines = text.split('\r\n');
  const at = random.below(lines.length);
  switch (random.below(4)) {
    case 0:
      lines.splice(at, 0, lines[at]);
      break;
    case 1:
      lines.splice(at, 1);
      break;
    case 2:
      lines.splice(random.below(lines.length), 0, ...lines.splice(at, 1));
      break;
    default:
      lines.splice(at, 0, random.of([...oddFraming, ...oddFields, ...knownFields, ...oddExtensions]));
  }
  return lines.join('\r\n');
}

// Right before or behind a byte that frames something: where parsers differ.
function mutateAround(random: Random, text: string): string {
  const places: number[] = [];
  for (let at = 0; at < text.length; at++) if (':\r\n ;,='.includes(text[at])) places.push(at);
  if (places.length === 0) return text;
  const at = random.of(places) + random.below(2);
  return text.slice(0, at) + random.of(interesting) + text.slice(at + random.below(2));
}

const methods = [
  'GET',
  'GET',
  'GET',
  'POST',
  'PUT',
  'HEAD',
  'OPTIONS',
  'DELETE',
  'PATCH',
  'PROPFIND',
  'M-SEARCH',
  'QUERY',
  'SOURCE',
  'PURGE',
];
const oddMethods = ['get', 'TRACE', 'CONNECT', 'FOO', 'PRI', ''];
const hostNames = ['Host', 'host', 'HOST', 'hOsT'];
const hosts = ['a.example', 'a.example', 'A.Example.', 'a.example:8443', '[::1]:80', '10.0.0.1', 'a_b.c'];
const oddHosts = ['a.example:', '', 'u@a', 'a,b', 'a b', 'a/b', '[::1'];
const targetParts = [
  'a',
  'b/',
  'index.html',
  '/.well-known/',
  '%20',
  '%C3%A9',
  '%2f',
  '%2525',
  '..',
  '%2e',
  '/',
  ';x=1',
  '?q=1&r=%zz',
  '?',
  '~',
  '"<>|^`{}',
  ':@!$&()*+,',
];
const oddTargetParts = ['/../', '/.', '%252e', '#f', '\\', '%00', '%5c', '%ff', 'é', '%', '/%2e%2e/'];
const contents = [
  '',
  'a',
  'hello',
  '0\r\n\r\n',
  'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n',
  'x'.repeat(17),
  '\r\n',
  '\0\xff\x80',
  'y'.repeat(300),
];
const extensions = [';a', ';a=b', ';a="b;c"', ';a="\\""', ';a=b;c=d', ';a="\x80"'];
const oddExtensions = [';', ';=', ';a=', ' ;a', '; a', ';a="b', ';a\n', ';a="b"c', ';a=b"c"', ';a="\r'];
const knownFields = [
  'Connection: close',
  'Connection: keep-alive',
  'connection: Keep-Alive, Upgrade',
  'Connection: upgrade',
  'Connection: x-a, te',
  'Connection: ,',
  'Proxy-Connection: keep-alive',
  'Keep-Alive: timeout=5',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'TE: trailers',
  'Trailer: X',
  'Cookie: a=b; c=d',
  'X_Remote_User: a',
  '__proto__: x',
  'constructor: y',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Accept: */*',
  'Date: Sun, 06 Nov 1994 08:49:37 GMT',
  'Empty:',
  'Content-Type: text/plain',
  'X-Forwarded-For: 10.0.0.1',
];
const oddFields = [
  'Expect: 100-continue',
  'Expect: 200-ok',
  'Connection: a b',
  'Connection: host',
  ': x',
  'no colon',
  'a : b',
];
const oddFraming = [
  'Content-Length: 0',
  'Content-Length: 5',
  'Content-Length: +5',
  'Content-Length: 5, 5',
  'Content-Length: 05',
  'Content-Length: 0x5',
  'Content-Length: 5 ',
  'Content-Length:',
  'Content-Length: -1',
  'Content-Length : 5',
  'Content-Length: 99999999999999999999',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunked ',
  'Transfer-Encoding:',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding\t: chunked',
  ' Transfer-Encoding: chunked',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding: CHUNKED',
  'Host: b.example',
  ' folded',
  '\tfolded',
];
const interesting = [
  ...oddExtensions,
  '\r',
  '\n',
  '\r\n',
  '\n\r',
  '\r\r\n',
  '\0',
  '\x0b',
  '\x7f',
  '\x80',
  '\xff',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '=',
  '"',
  '/',
  '0',
  '1',
  '-',
  '_',
  'chunked',
  '\r\n\r\n',
  '\r\n ',
  'Content-Length: 1\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Host: b\r\n',
  '0\r\n\r\n',
  'HTTP/1.1',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
];
const nameChars = "abcXYZ019-_!#$%&'*+.^`|~";
const valueChars = 'abc XYZ,;="/()<>@[]{}?\\\t\x80\xff:0123';
