import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ControlDecoder, encodeControlMessage } from './control-framing.ts';
import { maxControlMessageBytes } from './messages.ts';

test('messages cut anywhere come out whole and in order', () => {
  const messages = [
    { type: 'draining' },
    { type: 'configured', revision: 7 },
    { type: 'x', text: 'ä'.repeat(5000) },
  ];
  const wire = Buffer.concat(messages.map(encodeControlMessage));

  for (const step of [1, 2, 3, 5, 7, 1000, wire.length]) {
    const decoder = new ControlDecoder();
    const seen = [];
    for (let at = 0; at < wire.length; at += step) seen.push(...decoder.push(wire.subarray(at, at + step)));
    assert.deepEqual(seen, messages);
  }
});

test('a length beyond the limit is refused before its bytes are collected', () => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(maxControlMessageBytes + 1);

  assert.throws(() => new ControlDecoder().push(head), SyntaxError);
});

test('bytes that are no JSON object with a type are refused', () => {
  for (const text of ['[]', 'null', '"a"', '{', '{}', '{"type":1}']) {
    const wire = Buffer.alloc(4 + text.length);
    wire.writeUInt32BE(text.length);
    wire.write(text, 4);
    assert.throws(() => new ControlDecoder().push(wire), SyntaxError);
  }
});

test('a message too large to be accepted is not sent', () => {
  assert.throws(
    () => encodeControlMessage({ type: 'x', text: 'a'.repeat(maxControlMessageBytes) }),
    RangeError,
  );
});
