import { createHash, randomBytes } from 'node:crypto';
import { fieldIds } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';

/** RFC 6455 §1.3. */
const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** What a backend has to answer to, for a handshake that we make: clients of HTTP/2 send none (RFC 8441 §5). */
export function makeWebSocketKey(): string {
  return randomBytes(16).toString('base64');
}

/** Whether an answer of 101 is one to our own key, and so to nobody else's request (RFC 6455 §4.1). */
export function acceptsWebSocket(head: MessageHead, key: string): boolean {
  const upgrade = head.find(fieldIds.upgrade);
  const accept = head.find(fieldIds.secWebsocketAccept);
  if (upgrade < 0 || accept < 0 || head.findNext(fieldIds.secWebsocketAccept, accept) >= 0) return false;
  return head.valueIs(upgrade, 'websocket') && head.valueOf(accept) === acceptOf(key);
}

function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}${acceptSuffix}`).digest('base64');
}
