/** A WebSocket server that sends back what it receives, a program of its own. Prints its port. */
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false }, () => {
  const address = server.address();
  if (typeof address === 'object') process.stdout.write(`port ${address?.port}\n`);
});
server.on('connection', socket => {
  socket.on('error', () => socket.terminate());
  socket.on('message', (bytes, isBinary) => socket.send(bytes, { binary: isBinary }));
});
