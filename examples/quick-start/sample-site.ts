/**
 * A small private web site, as any team has one: it knows nothing of Postern and listens on loopback only. It shows what
 * a backend receives, and answers in the ways that proxies find hard: a stream of events, a WebSocket and an upload.
 *
 * `node sample-site.ts <port>`; port 0 takes any. Says its port on standard output.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://site');
  if (request.method === 'POST' && pathname === '/upload') return receiveUpload(request, response);
  if (pathname === '/events') return sendEvents(request, response);
  if (pathname === '/headers') return sendJson(response, 200, request.headers);
  if (pathname === '/') return sendPage(request, response);
  return sendJson(response, 404, { error: `There is no page ${pathname}.` });
});

server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
  // A browser that goes away resets the connection; that is no reason to end.
  socket.on('error', () => socket.destroy());
  if (request.url !== '/echo') return void socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
  acceptWebSocket(request, socket);
});

server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.stdout.write(`${address.port}\n`);
});
server.on('error', error => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));

function receiveUpload(request: IncomingMessage, response: ServerResponse): void {
  const digest = createHash('sha256');
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    digest.update(chunk);
    bytes += chunk.length;
  });
  request.on('end', () => sendJson(response, 200, { bytes, sha256: digest.digest('hex') }));
}

function sendEvents(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const send = () => response.write(`data: ${new Date().toISOString()}\n\n`);
  const timer = setInterval(send, 1_000);
  request.on('close', () => clearInterval(timer));
  send();
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(value, null, 2)}\n`);
}

const webSocketGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Answers the handshake (RFC 6455 §4.2) and sends every message back as it came. */
function acceptWebSocket(request: IncomingMessage, socket: Duplex): void {
  const key = request.headers['sec-websocket-key'] ?? '';
  const accept = createHash('sha1').update(`${key}${webSocketGuid}`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let received: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    for (let frame = readFrame(received); frame !== undefined; frame = readFrame(received)) {
      received = received.subarray(frame.length);
      answerFrame(socket, frame);
    }
    if (received.length > maxFrameBytes) socket.destroy();
  });
}

interface Frame {
  readonly first: number;
  readonly payload: Buffer;
  /** Bytes of the whole frame. */
  readonly length: number;
}

const maxFrameBytes = 1_048_576;

/** Reads one masked frame (RFC 6455 §5.2), or gives undefined until it is whole. */
function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes[1] & 0x7f;
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
  const maskAt = 2 + extended;
  if (bytes.length < maskAt + 4) return undefined;
  const size =
    extended === 0 ? short : extended === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const length = maskAt + 4 + size;
  if (bytes.length < length) return undefined;
  const payload = Buffer.from(bytes.subarray(maskAt + 4, length));
  for (let index = 0; index < size; index++) payload[index] ^= bytes[maskAt + (index & 3)];
  return { first: bytes[0], payload, length };
}

function answerFrame(socket: Duplex, { first, payload }: Frame): void {
  const kind = first & 0x0f;
  if (kind === opcode.close) return void socket.end(frameOf(first, payload));
  if (kind === opcode.ping) return void socket.write(frameOf(0x80 | opcode.pong, payload));
  if (kind !== opcode.pong) socket.write(frameOf(first, payload));
}

function frameOf(first: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([first]), lengthOf(payload.length), payload]);
}

function lengthOf(size: number): Buffer {
  if (size < 126) return Buffer.from([size]);
  const bytes = Buffer.alloc(size < 65_536 ? 3 : 9);
  bytes[0] = size < 65_536 ? 126 : 127;
  if (size < 65_536) bytes.writeUInt16BE(size, 1);
  else bytes.writeBigUInt64BE(BigInt(size), 1);
  return bytes;
}

function sendPage(request: IncomingMessage, response: ServerResponse): void {
  const user = request.headers['x-forwarded-user'];
  const greeting = user ? `Hello ${escapeHtml(String(user))}` : 'Hello, whoever you are';
  const rows = Object.entries(request.headers)
    .map(
      ([name, value]) =>
        `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(String(value))}</td></tr>`,
    )
    .join('\n');
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  response.end(page(greeting, rows));
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.codePointAt(0)};`);
}

function page(greeting: string, rows: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Team wiki</title>
<style>
:root { color-scheme: light dark; --line: #e3e0da; --accent: #0f6b5c; --surface: #fff; --ground: #faf9f7; --text: #1b1f24 }
@media (prefers-color-scheme: dark) { :root { --line: #30363c; --accent: #4fc3ae; --surface: #1d2226; --ground: #14171a; --text: #ecebe8 } }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/24px system-ui, sans-serif }
main { max-width: 56rem; margin: 0 auto; padding: 40px 24px; display: grid; gap: 24px; grid-template-columns: minmax(0, 1fr) }
h1 { font-size: 28px; line-height: 36px; margin: 0; overflow-wrap: anywhere } h2 { font-size: 18px; margin: 0 0 8px }
section { background: var(--surface); border: 1px solid var(--line); border-radius: 8px; padding: 16px 20px; min-width: 0 }
.two { display: grid; gap: 24px; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)) }
table { width: 100%; border-collapse: collapse; font: 13px/20px ui-monospace, monospace }
th { text-align: left; font-weight: 600; padding: 4px 16px 4px 0; vertical-align: top; white-space: nowrap }
td { overflow-wrap: anywhere; padding: 4px 0 } tr + tr > * { border-top: 1px solid var(--line) }
input, button { box-sizing: border-box; max-width: 100%; font: inherit; padding: 6px 10px; border-radius: 6px; border: 1px solid var(--line); color: inherit; background: var(--ground) }
button { background: var(--accent); color: var(--ground); border: 0 } output { display: block; margin-top: 8px; min-height: 24px; overflow-wrap: anywhere }
</style>
<main>
<header><h1>${greeting}</h1>
<p>This site listens on 127.0.0.1 only. What you see came through the connector, which dialled out.</p></header>
<div class="two">
<section><h2>Events</h2><p>One each second, from the server:</p><output id="events">waiting …</output></section>
<section><h2>WebSocket</h2><form id="chat"><label>Say something <input name="text" value="hello" autocomplete="off"></label> <button>Send</button></form><output id="echo"></output></section>
<section><h2>Upload</h2><input id="file" type="file" aria-label="File to upload"><output id="upload"></output></section>
</div>
<section><h2>What this request carried</h2><table>${rows}</table></section>
</main>
<script>
const show = (id, text) => { document.getElementById(id).textContent = text };
const events = new EventSource('/events');
events.onmessage = event => show('events', event.data);
events.onerror = () => show('events', 'interrupted, trying again …');
const socket = new WebSocket(location.origin.replace('http', 'ws') + '/echo');
socket.onopen = () => show('echo', 'connected');
socket.onmessage = event => show('echo', 'echo: ' + event.data);
socket.onclose = () => show('echo', 'closed');
document.getElementById('chat').onsubmit = event => { event.preventDefault(); socket.send(event.target.text.value) };
document.getElementById('file').onchange = async event => {
  const answer = await fetch('/upload', { method: 'POST', body: event.target.files[0] });
  const { bytes, sha256 } = await answer.json();
  show('upload', bytes + ' bytes arrived, SHA-256 ' + sha256);
};
</script>
</html>
`;
}
