/**
 * The backend of the bulk measurements, a program of its own: `GET /bytes/<n>` is answered with n bytes, any request
 * with a body by 200 when the whole of it has come. It does no more than that, so that what is in front of it is measured.
 * Prints its port.
 */
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { parseArgs } from 'node:util';

const chunk = Buffer.alloc(256 * 1024, 'x');

function serve(socket: Socket): void {
  let head = '';
  let bodyLeft = 0;
  let answerLeft = 0;
  socket.on('error', () => socket.destroy());
  socket.on('drain', () => send());
  socket.on('data', (bytes: Buffer) => {
    if (bodyLeft > 0) return receiveBody(bytes.length);
    head += bytes.toString('latin1');
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    const rest = head.length - end - 4;
    answer(head.slice(0, end));
    head = '';
    if (bodyLeft > 0) receiveBody(rest);
  });

  function answer(request: string): void {
    const wanted = /^GET \/bytes\/(\d+) /.exec(request);
    bodyLeft = Number(/^content-length: *(\d+)/im.exec(request)?.[1] ?? 0);
    if (/^expect: 100-continue/im.test(request)) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    if (bodyLeft > 0) return;
    answerLeft = Number(wanted?.[1] ?? 0);
    socket.write(`HTTP/1.1 ${wanted ? '200 OK' : '404 Not Found'}\r\nContent-Length: ${answerLeft}\r\n\r\n`);
    send();
  }

  function receiveBody(length: number): void {
    bodyLeft -= length;
    if (bodyLeft <= 0) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  }

  function send(): void {
    while (answerLeft > 0) {
      const part = answerLeft >= chunk.length ? chunk : chunk.subarray(0, answerLeft);
      answerLeft -= part.length;
      if (!socket.write(part)) return;
    }
  }
}

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    // With both it speaks TLS: the plain TLS that a tunnel over a long link is compared with.
    cert: { type: 'string' },
    key: { type: 'string' },
  },
});
const { cert, key } = values;
const server =
  cert && key
    ? createTlsServer(
        { cert: readFileSync(cert), key: readFileSync(key), ALPNProtocols: ['http/1.1'] },
        serve,
      )
    : createServer({ noDelay: true }, serve);
server.listen(0, values.host, () => {
  const address = server.address();
  if (typeof address === 'object') process.stdout.write(`port ${address?.port}\n`);
});
