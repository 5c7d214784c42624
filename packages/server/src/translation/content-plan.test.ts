import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultHeadLimits, MessageHead, parseResponseHead } from '../http1/head.ts';
import { planContent } from './content-plan.ts';
import { EncodedTranslator } from './encoded-translator.ts';
import { HtmlTranslator } from './html-translator.ts';
import { matcherFor, plainHtml } from './translate-for-tests.ts';

function plan(...fields: string[]): string | null {
  const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${fields.map(each => `${each}\r\n`).join('')}\r\n`, 'latin1');
  const head = new MessageHead();
  assert.ok(parseResponseHead(bytes, 0, bytes.length, defaultHeadLimits, 'GET', head));
  const planned = planContent(head);
  return planned === null ? null : `${planned.kind} ${planned.encoding} ${planned.coding}`;
}

describe('what is translated', () => {
  for (const [type, expected] of [
    ['text/html', 'html ascii null'],
    ['Text/HTML; Charset="UTF-8"', 'html ascii null'],
    ['text/html;charset=iso-8859-1', 'html ascii null'],
    ['text/html; charset=Shift_JIS', 'html ascii null'],
    ['text/html; charset=no-such-thing', 'html ascii null'],
    ['text/html; charset=utf-16', 'html utf-16le null'],
    ['text/html; charset=utf-16be', 'html utf-16be null'],
    ['text/html; charset=iso-2022-jp', null],
    ['application/xhtml+xml', 'xhtml ascii null'],
    ['text/css ; charset=windows-1252', 'css ascii null'],
    ['text/plain', null],
    ['application/javascript', null],
    ['image/svg+xml', null],
    ['text/htmlx', null],
    ['', null],
  ] as const) {
    test(`Content-Type: ${type}`, () => assert.equal(plan(`Content-Type: ${type}`), expected));
  }

  for (const [coding, expected] of [
    ['gzip', 'gzip'],
    ['X-GZIP', 'gzip'],
    ['deflate', 'deflate'],
    ['br', 'br'],
    ['zstd', 'zstd'],
    ['identity', 'null'],
  ] as const) {
    test(`Content-Encoding: ${coding}`, () =>
      assert.equal(plan('Content-Type: text/html', `Content-Encoding: ${coding}`), `html ascii ${expected}`));
  }

  test('content in a coding that nobody here knows, or in several, goes on as it is', () => {
    assert.equal(plan('Content-Type: text/html', 'Content-Encoding: dcb'), null);
    assert.equal(plan('Content-Type: text/html', 'Content-Encoding: gzip, br'), null);
    assert.equal(plan('Content-Type: text/html', 'Content-Encoding: gzip', 'Content-Encoding: br'), null);
    assert.equal(plan('Server: x'), null);
  });
});

describe('UTF-16 (Encoding Standard §6.1)', () => {
  const page = '\ufeff<p>Ünïcödé 🙂</p><a href="http://wiki.corp:8080/ü">';
  const expected = '\ufeff<p>Ünïcödé 🙂</p><a href="https://wiki.example.com/ü">';
  const big = (text: string) => Buffer.from(text, 'utf16le').swap16();
  const little = (text: string) => Buffer.from(text, 'utf16le');

  for (const [name, declared, encode, marked] of [
    ['by its byte order mark', 'ascii', little, true],
    ['by its byte order mark, big endian', 'ascii', big, true],
    ['by its byte order mark, against the field', 'utf-16le', big, true],
    ['by the field', 'utf-16be', big, false],
    [
      'UTF-8 by its byte order mark, against the field',
      'utf-16le',
      (text: string) => Buffer.from(text),
      true,
    ],
  ] as const) {
    test(name, () => {
      const text = (whole: string) => (marked ? whole : whole.slice(1));
      const bytes = encode(text(page));
      for (let size = 1; size < 6; size++) {
        const translator = new EncodedTranslator(new HtmlTranslator(matcherFor(), plainHtml), declared);
        const out = [];
        for (let at = 0; at < bytes.length; at += size)
          out.push(translator.push(bytes.subarray(at, at + size)));
        out.push(translator.end());
        assert.deepEqual(Buffer.concat(out), encode(text(expected)), `in pieces of ${size}`);
      }
    });
  }

  test('one byte and nothing more is no byte order mark', () => {
    const translator = new EncodedTranslator(new HtmlTranslator(matcherFor(), plainHtml), 'ascii');

    assert.equal(translator.push(Buffer.from('x')).length, 0);
    assert.equal(translator.end().toString(), 'x');
  });
});
