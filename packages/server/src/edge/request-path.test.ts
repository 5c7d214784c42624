import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { randomFrom } from '../../../../tests/testbed/random.ts';
import { Http1Error } from '../http1/error.ts';
import { defaultHeadLimits, MessageHead, parseRequestHead } from '../http1/head.ts';
import { checkTarget, RequestTarget } from '../http1/target.ts';
import { applicationRecord } from '../routes/record-for-tests.ts';
import { RouteTable } from '../routes/route-table.ts';
import { routeOf, targetFor } from './request-path.ts';

const table = new RouteTable(
  [
    applicationRecord('everybody', 'https://apps.example.com/'),
    applicationRecord('admin', 'https://apps.example.com/admin/', 'http://10.0.0.5/admin/'),
    applicationRecord('deep', 'https://apps.example.com/admin/a/b/', 'http://10.0.0.5/admin/a/b/'),
    applicationRecord('moved', 'https://apps.example.com/moved/', 'http://10.0.0.6/in/side/'),
    applicationRecord('cafe', 'https://apps.example.com/caf%C3%A9/', 'http://10.0.0.7/'),
    applicationRecord('kiosk', 'https://apps.example.com/kiosk/', 'http://10.0.0.9/kiosk/'),
    applicationRecord('single', 'https://single.example.com/'),
    applicationRecord('below', 'https://below.example.com/', 'http://10.0.0.8/root/'),
  ],
  { domain: 'example.com', portSuffix: '' },
);

/** What becomes of the bytes of a request's target: who is authorised and what is sent, or why it is refused. */
function route(written: string, name = 'apps'): { id: string; sent: string } | string {
  const text = `GET ${written} HTTP/1.1\r\nHost: ${name}.example.com\r\n\r\n`;
  const bytes = Buffer.from(text, 'latin1');
  const head = new MessageHead();
  const target = new RequestTarget();
  try {
    assert.ok(parseRequestHead(bytes, 0, bytes.length, defaultHeadLimits, head));
    checkTarget(head, target);
    const found = routeOf(head, target, table.findHost(`${name}.example.com`)!);
    if (found === undefined) return 'not_found';
    const sent = targetFor(head, target, found) ?? bytes.toString('latin1', head.targetStart, head.targetEnd);
    return { id: found.application.id, sent };
  } catch (error) {
    if (!(error instanceof Http1Error)) throw error;
    return error.reason;
  }
}

describe('a path is matched, authorised and sent as one (threats B1, B2, B8)', () => {
  for (const [written, id, sent = written] of [
    ['/', 'everybody'],
    ['/admin', 'admin'],
    ['/admin/', 'admin'],
    ['/admin/x?y=/../z', 'admin'],
    ['/administrator', 'everybody'],
    ['/%61dmin/x', 'admin'],
    ['/admin/%20', 'admin'],
    ['/admin/a/b/c', 'deep'],
    ['/admin/a/bc', 'admin'],
    ['/admin/a/b//c', 'deep'],
    ['/admin/a;v=1/c', 'admin'],
    ['/x//y', 'everybody'],
    ['/x%2Fy', 'everybody'],
    ['/100%25%20of%20x', 'everybody'],
    ['/100%25%C3%A4', 'everybody'],
    ['/x;admin/', 'everybody'],
    ['/?/admin/', 'everybody'],
    ['/caf%C3%A9/x', 'cafe', '/x'],
    ['/caf%c3%a9/x', 'cafe', '/x'],
    ['/moved', 'moved', '/in/side'],
    ['/moved?a', 'moved', '/in/side?a'],
    ['/moved/', 'moved', '/in/side/'],
    ['/moved/x/y?a=b', 'moved', '/in/side/x/y?a=b'],
    ['/%6doved/x', 'moved', '/in/side/x'],
    ['/moved//x;y/z', 'moved', '/in/side//x;y/z'],
    ['http://apps.example.com/admin/x', 'admin', '/admin/x'],
  ]) {
    test(`${written} goes to ${id} as ${sent}`, () => assert.deepEqual(route(written!), { id, sent }));
  }

  for (const [written, id, sent] of [
    ['//admin;x/%2f/A', 'single', '//admin;x/%2f/A'],
    ['/', 'below', '/root/'],
    ['/x//y?z', 'below', '/root/x//y?z'],
    ['//x', 'below', '/root//x'],
  ]) {
    test(`where a host has one application, ${written} goes to it as ${sent}`, () => {
      assert.deepEqual(route(written!, id), { id, sent });
    });
  }

  for (const [written, reason] of [
    // Another application in another reading.
    ['//admin/', 'ambiguous_target'],
    ['/x//..;/admin', 'bad_target'],
    ['/%2fadmin', 'ambiguous_target'],
    ['/%5cadmin', 'ambiguous_target'],
    ['/admin%2fa%2fb/', 'ambiguous_target'],
    ['/admin%2f', 'ambiguous_target'],
    ['/admin;x', 'ambiguous_target'],
    ['/admin%3bx', 'ambiguous_target'],
    ['/%2561dmin', 'ambiguous_target'],
    ['/;/admin/', 'ambiguous_target'],
    ['/;v=1%2fx/admin/', 'ambiguous_target'],
    ['/;%5cx/admin/', 'ambiguous_target'],
    ['/admin/a//b/', 'ambiguous_target'],
    // Case, ASCII and beyond.
    ['/Admin/', 'ambiguous_target'],
    ['/ADMIN', 'ambiguous_target'],
    ['/adm%C4%B1n/', 'ambiguous_target'],
    ['/CAF%C3%89/', 'ambiguous_target'],
    ['/%E2%84%AAiosk/', 'ambiguous_target'],
    ['/admin/A/b/', 'ambiguous_target'],
    // Windows takes no notice of dots and spaces at the end of a name.
    ['/admin./', 'ambiguous_target'],
    ['/admin...', 'ambiguous_target'],
    ['/admin%20/', 'ambiguous_target'],
    // Dot segments, however written.
    ['/x/../admin', 'bad_target'],
    ['/x/%2e%2e/admin', 'bad_target'],
    ['/x/.%2E/admin', 'bad_target'],
    ['/x/%252e%252e/admin', 'bad_target'],
    ['/x/%25%32%65%25%32%65/admin', 'bad_target'],
    ['/x/%252%65./admin', 'bad_target'],
    ['/x/%25%2532e./admin', 'bad_target'],
    ['/%25%36%31dmin', 'bad_target'],
    ['/%252%2535%36%31dmin', 'bad_target'],
    ['/x/..%2fadmin', 'bad_target'],
    ['/x/..%5cadmin', 'bad_target'],
    ['/x/..;/admin', 'bad_target'],
    ['/x/..;v=1/admin', 'bad_target'],
    ['/./admin', 'bad_target'],
    ['/x\\..\\admin', 'bad_target'],
    ['/x/..%20/admin', 'bad_target'],
    // Bytes that mean something else to somebody.
    ['/admin%00', 'bad_target'],
    ['/admin%0d%0a', 'bad_target'],
    ['/admin%', 'bad_target'],
    ['/admin%2', 'bad_target'],
    ['/admin%zz', 'bad_target'],
    ['/%c0%afadmin', 'bad_target'],
    ['/%c0%ae%c0%ae/admin', 'bad_target'],
    ['/%e0%80%afadmin', 'bad_target'],
    ['/%f0%80%80%afadmin', 'bad_target'],
    ['/%ed%a0%80', 'bad_target'],
    ['/%ff', 'bad_target'],
    ['/x#/../admin', 'bad_target'],
    // The service's own prefix, otherwise than as it is.
    ['/.postern%2fx', 'ambiguous_target'],
    ['//.postern/x', 'ambiguous_target'],
    ['/%2epostern/x', 'ambiguous_target'],
    ['/.postern;/x', 'ambiguous_target'],
  ]) {
    test(`${written} is refused: ${reason}`, () => {
      const outcome = route(written!);
      // What the parser refuses before has other names; nothing of it gets further.
      assert.ok(
        outcome === reason || (reason === 'bad_target' && typeof outcome === 'string'),
        String(outcome),
      );
      assert.notEqual(outcome, 'not_found');
    });
  }
});

/**
 * How servers find out which path is meant, written without looking at ours: each takes the bytes that it is sent and
 * gives the path it serves. What one of them serves must belong to the application that was authorised.
 */
const servers: Readonly<Record<string, (sent: string) => string>> = {
  'the URL standard, and decodes what it gets': sent => decode(new URL(`http://h${sent}`).pathname),
  'nginx: decodes once, merges slashes, then removes dot segments': sent =>
    removeDots(decode(sent).replace(/\/{2,}/g, '/')),
  'Java: cuts path parameters off, decodes, then removes dot segments': sent =>
    removeDots(decode(sent.replace(/;[^/]*/g, '')).replace(/\/{2,}/g, '/')),
  'Java, the other way round: decodes, then cuts path parameters off': sent =>
    removeDots(
      decode(sent)
        .replace(/;[^/]*/g, '')
        .replace(/\/{2,}/g, '/'),
    ),
  'Windows: decodes twice, backslashes are slashes, case does not matter': sent =>
    removeDots(
      decode(decode(sent))
        .replace(/\\/g, '/')
        .replace(/\/{2,}/g, '/')
        .replace(/[. ]+(?=\/|$)/g, dots => (/^\.{1,2}$/.test(dots) ? dots : '')),
    ).toLowerCase(),
};

function decode(text: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at++) {
    const pair = text.slice(at + 1, at + 3);
    if (text[at] === '%' && /^[0-9a-f]{2}$/i.test(pair)) {
      bytes.push(Number.parseInt(pair, 16));
      at += 2;
    } else bytes.push(...Buffer.from(text[at]!));
  }
  return Buffer.from(bytes).toString();
}

function removeDots(path: string): string {
  const out: string[] = [];
  for (const segment of path.split('/').slice(1)) {
    if (segment === '..') out.pop();
    else if (segment !== '.') out.push(segment);
  }
  return `/${out.join('/')}`;
}

/** Of published paths the one that holds a path, as a reader of the manual would say it. */
function ownerOf(path: string): string {
  const under = (root: string) => path === root || path.startsWith(`${root}/`);
  if (under('/admin/a/b')) return 'deep';
  if (under('/admin')) return 'admin';
  if (under('/moved')) return 'moved';
  if (under('/kiosk')) return 'kiosk';
  if (under('/café') || under('/caf%C3%A9')) return 'cafe';
  return 'everybody';
}

test('no path is authorised for one application and served as another’s, whatever serves it', () => {
  const pieces = [
    ...[
      '/',
      '/',
      '/',
      'admin',
      'a',
      'b',
      'ADMIN',
      'Admin',
      'x',
      'moved',
      '.',
      '..',
      '...',
      ';',
      ';v=1',
      '\\',
    ],
    ...['%2e', '%2E%2e', '%252e', '%2f', '%252F', '%5c', '%255c', '%3b', '%253b', '%61dmin', '%2561', '%20'],
    ...['%C3%A9', 'caf', '%c0%af', '%00', '%', '%25', ' ', '//', '?', '#', '*', '~', '%7e', '%C4%B1'],
    ...['%25%32%65', '%25%36', '%32', '%66', '1dmin', 'kiosk', '%E2%84%AAiosk'],
  ];
  const random = randomFrom(7);
  let accepted = 0;
  for (let round = 0; round < 60_000; round++) {
    let written = '/';
    for (let left = 1 + Math.floor(random() * 8); left > 0; left--) {
      written += pieces[Math.floor(random() * pieces.length)];
    }
    const outcome = route(written);
    if (typeof outcome === 'string') continue;
    accepted += 1;
    const path = written.split('?', 1)[0]!;
    for (const [name, read] of Object.entries(servers)) {
      assert.equal(ownerOf(read(path)), outcome.id, `${written} as ${read(path)} by ${name}`);
    }
  }
  assert.ok(accepted > 1_000, `only ${accepted} were let in`);
});
