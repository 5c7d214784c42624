import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { randomFrom } from '../testbed/random.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const requestCount = 20_000;
const connectionsPerUser = 8;
/** One request in so many is broken off, at a random byte of itself or of its answer. */
const abortEvery = 50;
const users = ['bob', 'carol'];

let backend: http.Server;
let bed: Testbed;
/** What reached the backend and did not fit together. */
const mixedUp: string[] = [];

before(async () => {
  backend = http.createServer(answer);
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { port } = backend.address() as AddressInfo;
  bed = await startTestbed({
    applications: [{ name: 'wiki', internalUrl: `http://127.0.0.1:${port}/`, assignedTo: users }],
    users,
  });
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  backend?.closeAllConnections();
  backend?.close();
});

/** Answers with who asked and the request's token over and over; checks that body, path and person belong together. */
function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  const token = request.url!.slice(1);
  const user = String(request.headers['x-forwarded-user']);
  const chunks: Buffer[] = [];
  request.on('error', () => {});
  request.on('data', (bytes: Buffer) => chunks.push(bytes));
  request.on('end', () => {
    const body = Buffer.concat(chunks).toString('latin1');
    const isWhole = body === '' || body === `${token} `.repeat(Number(request.headers['x-times']));
    if (!isWhole || !token.startsWith(`${user}-`))
      mixedUp.push(`${user} ${request.url} ${body.slice(0, 200)}`);
    const times = Number(/-(\d+)$/.exec(token)![1]);
    const text = `${user} `.concat(`${token} `.repeat(times));
    if (times % 2 === 0) response.setHeader('content-length', text.length);
    else response.write(text.slice(0, 7));
    response.end(times % 2 === 0 ? text : text.slice(7));
  });
}

interface Request {
  readonly bytes: Buffer;
  /** What the answer's body is, if the answer is this request's. */
  readonly expected: string;
}

function makeRequest(user: string, number: number, random: () => number): Request {
  const times = Math.floor(random() ** 4 * 400);
  const token = `${user}-${number}-${times}`;
  const hasBody = random() < 0.3;
  const body = hasBody ? `${token} `.repeat(times) : '';
  const head =
    `${hasBody ? 'POST' : 'GET'} /${token} HTTP/1.1\r\nHost: ${bed.hostOf('wiki')}\r\n` +
    `Cookie: ${bed.cookie('wiki', user)}\r\nX-Times: ${times}\r\n` +
    (hasBody ? `Content-Length: ${body.length}\r\n` : '');
  return {
    bytes: Buffer.from(`${head}\r\n${body}`, 'latin1'),
    expected: `${user} `.concat(`${token} `.repeat(times)),
  };
}

/** Sends a request and gives its answer's body; null if the connection ended before. */
function ask(socket: TLSSocket, bytes: Buffer): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  let text = '';
  const onData = (more: Buffer) => {
    text += more.toString('latin1');
    const body = wholeBody(text);
    if (body !== null) done(body);
  };
  const onClose = () => done(null);
  const done = (body: string | null) => {
    socket.off('data', onData);
    socket.off('close', onClose);
    resolve(body);
  };
  socket.on('data', onData);
  socket.once('close', onClose);
  socket.write(bytes);
  return promise;
}

/** The body of the one answer in a text, once it is whole. */
function wholeBody(text: string): string | null {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const head = text.slice(0, end);
  assert.match(head, /^HTTP\/1\.1 200 /);
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  const body = text.slice(end + 4);
  if (length !== undefined) {
    assert.ok(body.length <= Number(length), `more than one answer: ${body}`);
    return body.length === Number(length) ? body : null;
  }
  return body.endsWith('0\r\n\r\n') && body.lastIndexOf('\r\n0\r\n\r\n') === body.length - 7
    ? joinChunks(body)
    : null;
}

function joinChunks(body: string): string {
  let joined = '';
  for (let at = 0; ; ) {
    const end = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.slice(at, end), 16);
    if (size === 0) return joined;
    joined += body.slice(end + 2, end + 2 + size);
    at = end + 2 + size + 2;
  }
}

/** Sends some of a request, or reads some of its answer, and goes away. */
async function breakOff(
  socket: TLSSocket,
  { bytes, expected }: Request,
  random: () => number,
): Promise<void> {
  const { promise: reached, resolve: onReached } = Promise.withResolvers<void>();
  socket.once('close', () => onReached());
  if (random() < 0.5) {
    const length = Math.floor(random() * bytes.length);
    socket.write(bytes.subarray(0, length), () => onReached());
  } else {
    // The head comes beside it, so the answer is never shorter.
    let left = 1 + Math.floor(random() * expected.length);
    socket.on('data', (more: Buffer) => {
      left -= more.length;
      if (left <= 0) onReached();
    });
    socket.write(bytes);
  }
  await reached;
  socket.destroy();
}

// Threat A16.
test('two people’s requests over the same backend connections never get each other’s bytes, whatever is broken off', async t => {
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  let number = 0;
  let answered = 0;

  const run = async (user: string, random: () => number) => {
    let socket: TLSSocket | null = null;
    while (number < requestCount) {
      number += 1;
      socket ??= (await bed.connect(bed.hostOf('wiki'))).on('error', () => {});
      const request = makeRequest(user, number, random);
      if (Math.floor(random() * abortEvery) === 0) {
        await breakOff(socket, request, random);
        socket = null;
        continue;
      }
      const body = await ask(socket, request.bytes);
      if (body !== request.expected) {
        assert.fail(
          `${user} asked for ${request.expected.slice(0, 60)} and got ${String(body).slice(0, 300)}`,
        );
      }
      answered += 1;
    }
    socket?.destroy();
  };
  await Promise.all(
    users.flatMap((user, which) =>
      Array.from({ length: connectionsPerUser }, (_, at) => run(user, randomFrom(seed + which * 100 + at))),
    ),
  );

  assert.ok(answered > requestCount * 0.9);
  assert.deepEqual(mixedUp, []);
});
