import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LinkMatcher, PublishedLinks, translateInwards } from './published-links.ts';
import { address } from './translate-for-tests.ts';

const wiki = address('http://wiki.corp:8080/', 'https://wiki.example.com:8443/');
const app = address('http://intranet/app/', 'https://app.example.com/');
const second = address('http://wiki.corp:8080/', 'https://second.example.com/');
const wildcard = { ...address('http://x.sites.corp/', 'https://x.sites.example.com/') };
const anySite = {
  internalOrigin: 'http://*.sites.corp',
  internalPath: '/',
  externalOrigin: 'https://*.example.com',
  externalPath: '/',
};
const umlaut = address('http://bücher.corp/', 'https://books.example.com/');

const links = new PublishedLinks([wiki, app, second, anySite, wildcard, umlaut]);

function outwards(text: string, own = wiki): string {
  const matcher = new LinkMatcher(links, own);
  if (!matcher.matches(text)) return text;
  return text.slice(0, matcher.start) + matcher.replacement + text.slice(matcher.end);
}

describe('a link to a published internal address, from a page', () => {
  for (const [inside, outside] of [
    ['http://wiki.corp:8080/x', 'https://wiki.example.com:8443/x'],
    ['http://bücher.corp/x', 'https://books.example.com/x'],
    ['http://xn--bcher-kva.corp/x', 'https://books.example.com/x'],
    ['http://a.sites.corp/x', 'https://a.example.com/x'],
    ['http://a.b.sites.corp/x', 'https://a.b.example.com/x'],
    ['http://x.sites.corp/x', 'https://x.sites.example.com/x'],
    ['http://sites.corp/x', 'http://sites.corp/x'],
    // What the backend knows of its outer name, with the wrong scheme or without the port.
    ['http://wiki.example.com:8443/x', 'https://wiki.example.com:8443/x'],
    ['https://wiki.example.com/x', 'https://wiki.example.com:8443/x'],
    ['http://wiki.example.com/x', 'https://wiki.example.com:8443/x'],
    ['https://wiki.example.com:8443/x', 'https://wiki.example.com:8443/x'],
    ['http://', 'http://'],
    ['http:///x', 'http:///x'],
    ['//', '//'],
    ['', ''],
  ] as const) {
    const bytes = Buffer.from(inside).toString('latin1');
    test(`${inside} becomes ${outside}`, () =>
      assert.equal(outwards(bytes), Buffer.from(outside).toString('latin1')));
  }

  test('keeps to its own application where two publish the same internal URL', () => {
    assert.equal(outwards('http://wiki.corp:8080/x', second), 'https://second.example.com/x');
  });
});

describe('an address of the client’s, as the backend knows it', () => {
  for (const [outside, inside] of [
    ['https://wiki.example.com:8443', 'http://wiki.corp:8080'],
    ['https://wiki.example.com:8443/x?y', 'http://wiki.corp:8080/x?y'],
    ['https://app.example.com/x', 'http://intranet/app/x'],
    ['https://app.example.com', 'http://intranet'],
    ['https://wiki.example.com/x', 'https://wiki.example.com/x'],
    ['https://elsewhere.example/x', 'https://elsewhere.example/x'],
    ['null', 'null'],
    ['', ''],
  ] as const) {
    test(`${outside} is ${inside}`, () => assert.equal(translateInwards(outside, links, wiki), inside));
  }
});

test('many applications at one host are told apart by their paths', () => {
  const many = Array.from({ length: 10_000 }, (_, index) =>
    address(`http://intranet/team/app${index}/`, `https://app${index}.example.com/`),
  );
  const matcher = new LinkMatcher(new PublishedLinks(many), many[7]!);

  assert.ok(matcher.matches('http://intranet/team/app4711/x'));
  assert.equal(matcher.replacement, 'https://app4711.example.com/');
  assert.ok(matcher.matches('/team/app12'));
  assert.equal(matcher.replacement, 'https://app12.example.com/');
  assert.equal(matcher.matches('http://intranet/team/'), false);
  assert.equal(matcher.matches('http://intranet/team/app10000/'), false);
});
