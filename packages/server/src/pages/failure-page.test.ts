import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { type Failure, failurePageContentSecurityPolicy, renderFailurePage } from './failure-page.ts';

const failure: Failure = {
  title: 'Wiki does not answer right now',
  hop: 'backend',
  sentence: 'The connector reached no web server at the address of this application.',
  advice: 'Try again in a minute. If it stays like this, tell your administrator the request id below.',
  requestId: '01JD9Z',
  time: new Date('2026-11-21T10:20:30.456Z'),
};

test('the failing station is marked with a word, those before it as reached', () => {
  const page = renderFailurePage(failure);

  const stations = [...page.matchAll(/<li class="(\w+)">.*?"name">(\w+)<.*?"state">([\w ]+)</g)];
  assert.deepEqual(
    stations.map(([, state, name, word]) => [name, state, word]),
    [
      ['You', 'reached', 'asked'],
      ['Service', 'reached', 'reached'],
      ['Connector', 'reached', 'reached'],
      ['Application', 'failed', 'no answer'],
    ],
  );
});

test('a failure that lies not on the way draws none', () => {
  assert.doesNotMatch(renderFailurePage({ ...failure, hop: null }), /<ol class="stations"/);
});

test('threat D18: names and texts are escaped', () => {
  const page = renderFailurePage({ ...failure, title: '<img src=x>', applicationName: '"><script>' });

  assert.doesNotMatch(page, /<img|"><script>/);
  assert.match(page, /&lt;img src=x&gt;/);
});

test('everything inline is named by its hash in the content security policy, and nothing else is allowed', () => {
  const page = renderFailurePage(failure);

  for (const element of ['style', 'script']) {
    const content = [...page.matchAll(new RegExp(`<${element}>([^]*?)</${element}>`, 'g'))].map(m => m[1]);
    assert.equal(content.length, 1);
    const digest = hash('sha256', content[0], 'base64');
    assert.ok(failurePageContentSecurityPolicy.includes(`${element}-src 'sha256-${digest}'`));
  }
  assert.doesNotMatch(page, / style="| on\w+="|href="http|src="/);
  assert.match(failurePageContentSecurityPolicy, /^default-src 'none'/);
});

test('request id, address and time are on the page, the time in UTC until a script says it better', () => {
  const page = renderFailurePage({ ...failure, host: 'wiki.example.com' });

  assert.match(page, /01JD9Z/);
  assert.match(page, /wiki\.example\.com/);
  assert.match(page, /<time id="time" datetime="2026-11-21T10:20:30.456Z">2026-11-21 10:20:30 UTC/);
});
