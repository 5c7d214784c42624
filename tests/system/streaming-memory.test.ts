import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const blockBytes = 1024 * 1024;
/** What a process keeps for its work, whatever passes: buffers that wait for the collector, compiled code. */
const warmUpBlocks = 256;
/** The resident memory of a process may rise by so much, whatever passes through it. */
const maxRiseBytes = 50 * 1024 * 1024;
const sampleMs = 100;
/** Whoever has moved nothing for so long stands still. */
const stillMs = 500;

let backend: http.Server;
let bed: Testbed;
/** What the backend does with a request. */
let serve: (request: http.IncomingMessage, response: http.ServerResponse) => void;

before(async () => {
  backend = http.createServer((request, response) => serve(request, response));
  backend.requestTimeout = 0;
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { port } = backend.address() as AddressInfo;
  bed = await startTestbed({
    applications: [{ name: 'open', internalUrl: `http://127.0.0.1:${port}/`, passthrough: true }],
  });
  await download(warmUpBlocks, false);
  await upload(warmUpBlocks, false);
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  backend?.closeAllConnections();
  backend?.close();
});

const noise = randomFillSync(Buffer.alloc(blockBytes));

/** Bytes that are the same for every sender and differ in every block: noise with the block's number in front. */
function blockOf(number: number): Buffer {
  const block = Buffer.from(noise);
  block.writeUInt32BE(number, 0);
  return block;
}

/** How far a transfer is. */
interface Progress {
  sentBytes: number;
}

async function send(stream: Writable, count: number, progress: Progress): Promise<void> {
  for (let number = 0; number < count; number++) {
    if (!stream.write(blockOf(number))) await once(stream, 'drain');
    progress.sentBytes += blockBytes;
  }
  stream.end();
}

/**
 * Reads blocks and compares every byte; a third of the way it stops reading until the sender stands still, which is what
 * a reader that is slower than the sender comes to.
 */
async function receive(stream: Readable, count: number, progress: Progress): Promise<void> {
  let expected = blockOf(0);
  let received = 0;
  let hasRested = false;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    for (let at = 0; at < piece.length; ) {
      const start = received % blockBytes;
      if (start === 0) expected = blockOf(received / blockBytes);
      const length = Math.min(piece.length - at, blockBytes - start);
      if (piece.compare(expected, start, start + length, at, at + length) !== 0) {
        assert.fail(`other bytes than were sent after ${received}`);
      }
      at += length;
      received += length;
    }
    if (!hasRested && received > (count / 3) * blockBytes) {
      hasRested = true;
      await standstill(progress);
    }
  }
  assert.equal(received, count * blockBytes);
}

// Standing still can only be told by watching for a while.
async function standstill(progress: Progress): Promise<void> {
  for (let last = -1; last !== progress.sentBytes; ) {
    last = progress.sentBytes;
    await new Promise(resolve => setTimeout(resolve, stillMs));
  }
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

/** Gives by how much relay and connector grew at most while some work was done. */
async function measureRise(work: () => Promise<void>): Promise<Record<string, number>> {
  const pids = { relay: bed.service.pid!, connector: bed.connectors[0]!.process.pid! };
  const before = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, residentBytes(pid)]));
  const rise: Record<string, number> = { relay: 0, connector: 0 };
  const sample = () => {
    for (const [name, pid] of Object.entries(pids)) {
      rise[name] = Math.max(rise[name]!, residentBytes(pid) - before[name]!);
    }
  };
  const timer = setInterval(sample, sampleMs);
  try {
    await work();
    sample();
  } finally {
    clearInterval(timer);
  }
  return rise;
}

function ask(path: string, method: string, fields: http.OutgoingHttpHeaders = {}): http.ClientRequest {
  const host = bed.hostOf('open');
  const { port, ca } = bed;
  return https.request({
    host: '127.0.0.1',
    port,
    servername: host,
    ca,
    path,
    method,
    agent: false,
    headers: { host, ...fields },
  });
}

async function download(count: number, isChunked: boolean): Promise<void> {
  const progress = { sentBytes: 0 };
  serve = (_request, response) => {
    if (!isChunked) response.setHeader('content-length', count * blockBytes);
    void send(response, count, progress);
  };
  const request = ask('/down', 'GET').end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  assert.equal(response.headers['transfer-encoding'], isChunked ? 'chunked' : undefined);
  await receive(response, count, progress);
}

async function upload(count: number, isChunked: boolean): Promise<void> {
  const progress = { sentBytes: 0 };
  serve = (request, response) => {
    assert.equal(request.headers['transfer-encoding'], isChunked ? 'chunked' : undefined);
    void receive(request, count, progress).then(
      () => response.end('whole'),
      error => response.writeHead(500).end(String(error)),
    );
  };
  const framing = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': count * blockBytes };
  const request = ask('/up', 'POST', framing);
  const answered = once(request, 'response') as Promise<[http.IncomingMessage]>;
  await send(request, count, progress);
  const [response] = await answered;
  assert.equal(Buffer.concat(await response.toArray()).toString(), 'whole');
}

describe('much passes through the tunnel, to a reader that is slower than the sender (threats E5, H4)', () => {
  for (const [name, megabytes, transfer] of [
    ['a download of 1 GB in chunks', 1024, (count: number) => download(count, true)],
    ['a download of 128 MB with a length', 128, (count: number) => download(count, false)],
    ['an upload of 1 GB with a length', 1024, (count: number) => upload(count, false)],
    ['an upload of 128 MB in chunks', 128, (count: number) => upload(count, true)],
  ] as const) {
    test(`${name} comes whole and rises no process’s memory by more than 50 MB`, async t => {
      const rise = await measureRise(() => transfer(megabytes));

      t.diagnostic(
        Object.entries(rise)
          .map(([part, bytes]) => `${part} ${Math.round(bytes / 1e6)} MB`)
          .join(', '),
      );
      for (const [part, bytes] of Object.entries(rise)) assert.ok(bytes <= maxRiseBytes, `${part}: ${bytes}`);
    });
  }
});
