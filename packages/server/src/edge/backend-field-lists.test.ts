import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Http1Error } from '../http1/error.ts';
import { defaultHeadLimits, MessageHead, parseRequestHead } from '../http1/head.ts';
import { listRequestFields, parseAnswerFields, parseTrailerFields } from './backend-field-lists.ts';

const limits = defaultHeadLimits;

function requestList(lines: string): string[] {
  const bytes = Buffer.from(`POST /Package.Service/Method?a=b HTTP/1.1\r\n${lines}\r\n`, 'latin1');
  const head = new MessageHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, limits, head));
  return listRequestFields(head, 'https');
}

function answer(list: readonly string[], isWhole = false, method = 'GET'): MessageHead {
  const head = new MessageHead();
  parseAnswerFields(list, method, isWhole, limits, head);
  return head;
}

test('a request is listed with its pseudo-fields first, names in lower case, and nothing of its connection', () => {
  const list = requestList(
    'Host: a.example:8080\r\nX-One: caf\xe9\r\nTransfer-Encoding: chunked\r\nConnection: upgrade\r\nUpgrade: h2c\r\n' +
      'TE: gzip\r\nKeep-Alive: 1\r\nProxy-Connection: close\r\nHTTP2-Settings: AA\r\nCookie: a=b; c=d\r\n',
  );
  assert.deepEqual(list, [
    ...[':method', 'POST', ':scheme', 'https', ':authority', 'a.example:8080'],
    ...[':path', '/Package.Service/Method?a=b', 'x-one', 'caf\xe9', 'cookie', 'a=b; c=d', 'te', 'trailers'],
  ]);
});

describe('an answer', () => {
  test('has the body that its end says', () => {
    assert.equal(answer([':status', '200']).bodyKind, 'chunked');
    assert.equal(answer([':status', '200', 'content-length', '3']).bodyKind, 'length');
    assert.equal(answer([':status', '200'], true).bodyKind, 'close');
    for (const status of ['204', '304', '103']) assert.equal(answer([':status', status]).bodyKind, 'none');
    assert.equal(answer([':status', '200'], false, 'HEAD').bodyKind, 'none');
  });

  test('keeps fields that are repeated, and what is beyond ASCII', () => {
    const head = answer([':status', '200', 'set-cookie', 'a=\xe9', 'set-cookie', 'b=2']);
    const values = [0, 1].map(index => head.valueOf(index));
    assert.deepEqual(values, ['a=\xe9', 'b=2']);
  });

  for (const [name, list] of [
    ['a line end in a value', [':status', '200', 'a', 'b\r\nc: d']],
    ['an empty line in a value', [':status', '200', 'a', 'b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n']],
    ['a lone CR in a value', [':status', '200', 'a', 'b\rc']],
    ['a lone LF in a value', [':status', '200', 'a', 'b\nc']],
    ['NUL in a value', [':status', '200', 'a', 'b\0c']],
    ['a line end in a name', [':status', '200', 'a\r\nb', 'c']],
    ['a colon in a name', [':status', '200', 'a:', 'b']],
    ['a space in a name', [':status', '200', 'a b', 'c']],
    ['a line end in the status', [':status', '200\r\nset-cookie: a=b']],
    ['no status', ['a', 'b']],
    ['a status of four digits', [':status', '2000']],
    ['a pseudo-field of requests', [':status', '200', ':path', '/']],
    ['Connection', [':status', '200', 'connection', 'close']],
    ['Keep-Alive', [':status', '200', 'keep-alive', 'timeout=5']],
    ['Transfer-Encoding', [':status', '200', 'transfer-encoding', 'chunked']],
    ['Upgrade', [':status', '200', 'upgrade', 'h2c']],
    ['101', [':status', '101', 'upgrade', 'websocket', 'connection', 'upgrade']],
    ['two lengths', [':status', '200', 'content-length', '1', 'content-length', '1']],
    ['a length that is none', [':status', '200', 'content-length', '1, 1']],
    ['more than may be', [':status', '200', 'a', 'b'.repeat(70_000)]],
  ] as const) {
    test(`with ${name} is refused (threats A12, A15)`, () => {
      assert.throws(() => answer(list), Http1Error);
    });
  }
});

describe('trailers', () => {
  test('of gRPC pass, however long', () => {
    const details = 'x'.repeat(20_000);
    const lines = parseTrailerFields(['grpc-status', '3', 'grpc-status-details-bin', details], limits);
    assert.equal(lines.toString(), `grpc-status: 3\r\ngrpc-status-details-bin: ${details}\r\n`);
  });

  test('that say what a head says do not', () => {
    const lines = parseTrailerFields(['set-cookie', 'a=b', 'content-length', '3', 'x-sum', '1'], limits);
    assert.equal(lines.toString(), 'x-sum: 1\r\n');
  });

  test('with a line end are refused', () => {
    for (const value of ['a\r\nb: c', 'a\r\n\r\nb', 'a\nb', 'a\0']) {
      assert.throws(() => parseTrailerFields(['x-sum', value], limits), Http1Error, JSON.stringify(value));
    }
  });
});
