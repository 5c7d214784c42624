import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeOpenAnswer, decodePreamble, encodeOpenAnswer, encodePreamble, openCodes } from './preamble.ts';

test('a preamble and the bytes behind it are told apart, however they arrive', () => {
  const preamble = { applicationId: 'a1', requestId: 'r1' };
  const wire = Buffer.concat([encodePreamble(preamble), Buffer.from('GET /')]);

  const read = decodePreamble(wire);

  assert.deepEqual(read?.preamble, preamble);
  assert.equal(wire.toString('latin1', read?.length), 'GET /');
  for (let cut = 0; cut < wire.length - 5; cut++) assert.equal(decodePreamble(wire.subarray(0, cut)), null);
});

test('a preamble may name the host that stands for a wildcard; what is no text is none', () => {
  const preamble = { applicationId: 'a1', requestId: 'r1', host: 'a.corp.example' };
  assert.deepEqual(decodePreamble(encodePreamble(preamble))?.preamble, preamble);

  const odd = decodePreamble(encodePreamble({ ...preamble, host: 7 as unknown as string }));
  assert.deepEqual(odd?.preamble, { applicationId: 'a1', requestId: 'r1' });
});

test('a preamble without its fields is refused', () => {
  for (const text of ['[]', 'null', '{}', '{"applicationId":1,"requestId":"r"}', 'x']) {
    const wire = Buffer.alloc(2 + text.length);
    wire.writeUInt16BE(text.length);
    wire.write(text, 2);
    assert.throws(() => decodePreamble(wire), SyntaxError);
  }
});

test('every open answer reads back', () => {
  for (const code of Object.keys(openCodes) as (keyof typeof openCodes)[]) {
    const answer = { code, detail: { address: '10.0.0.5:80', connectMs: 3 } };
    const read = decodeOpenAnswer(Buffer.concat([encodeOpenAnswer(answer), Buffer.from('H')]));
    assert.deepEqual(read?.answer, answer);
    assert.equal(read?.length, encodeOpenAnswer(answer).length);
  }
});

test('a code from a newer connector is a failure', () => {
  const wire = encodeOpenAnswer({ code: 'busy', detail: {} });
  wire[0] = 200;

  assert.equal(decodeOpenAnswer(wire)?.answer.code, 'internal');
});
