/**
 * The name server of the lab, where there is one: `node name-server.ts <kind>`. `unknown` knows no name, `silent` never
 * answers, `lying` says that every name is the firewall. Says "ready" when it listens.
 */
import { createSocket } from 'node:dgram';
import { addresses } from './network.ts';

const [kind] = process.argv.slice(2);
const socket = createSocket('udp4');
socket.on('message', (query, from) => {
  if (kind === 'silent') return;
  socket.send(answer(query), from.port, from.address);
});
socket.bind(53, addresses.gateway, () => process.stdout.write('ready\n'));

const ipv4 = 1;

/** An answer in the form of RFC 1035 §4.1 to a query with one question. */
function answer(query: Buffer): Buffer {
  const questionEnd = query.indexOf(0, 12) + 5;
  const isForIpv4 = query.readUInt16BE(questionEnd - 4) === ipv4;
  const isLie = kind === 'lying' && isForIpv4;
  const head = Buffer.alloc(12);
  head.writeUInt16BE(query.readUInt16BE(0), 0);
  // Answer, recursion desired and available; name error where nothing is known.
  head.writeUInt16BE(kind === 'lying' ? 0x8180 : 0x8183, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(isLie ? 1 : 0, 6);
  const question = query.subarray(12, questionEnd);
  if (!isLie) return Buffer.concat([head, question]);
  const record = Buffer.from([
    0xc0,
    12,
    0,
    1,
    0,
    1,
    0,
    0,
    0,
    5,
    0,
    4,
    ...addresses.gateway.split('.').map(Number),
  ]);
  return Buffer.concat([head, question, record]);
}
