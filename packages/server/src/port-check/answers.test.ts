import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import { answerPortCheck, type PortCheckAnswer } from './answers.ts';

const certificates = { local: true };
const alone = parseConfig({ domain: 'access.example.com', certificates });
const two = parseConfig({
  domain: 'access.example.com',
  certificates,
  portCheck: {
    regions: [
      { name: 'Frankfurt <1>', host: 'portcheck.eu.example.com' },
      { name: 'Dallas', host: 'portcheck.us.example.com', httpsPort: 8443, httpPort: 8080 },
    ],
  },
});

function answer(config: typeof alone, scheme: 'http' | 'https', path: string): PortCheckAnswer {
  const found = answerPortCheck(config, scheme, path);
  assert.ok(found !== null);
  return found;
}

const testedUrls = ({ body }: PortCheckAnswer) =>
  [...body.matchAll(/data-url="([^"]*)"/g)].map(match => match[1]);

describe('the port check page', () => {
  test('in the clear tests both ports of this service, where no regions are configured', () => {
    const page = answer(alone, 'http', '/');

    assert.deepEqual(testedUrls(page), [
      'https://portcheck.access.example.com:443/.postern/port-check',
      'http://portcheck.access.example.com:80/.postern/port-check',
    ]);
    assert.match(page.body, /Port 443<.*Port 80</);
    assert.doesNotMatch(page.body, /opened over https/);
  });

  test('over https tests no plain HTTP, says so, and leads to the copy that does', () => {
    const page = answer(alone, 'https', '/');

    assert.deepEqual(testedUrls(page), ['https://portcheck.access.example.com:443/.postern/port-check']);
    assert.match(page.body, /opened over https, where browsers forbid a page to test port 80/);
    assert.match(page.body, /href="http:\/\/portcheck\.access\.example\.com\/plain"/);
    assert.match(page.body, /Not tested here/);
  });

  test('of the copy is led back to plain HTTP, which a browser that tried https first takes for its answer', () => {
    const { status, headers } = answer(alone, 'https', '/plain');

    assert.equal(status, 307);
    assert.equal(headers['location'], 'http://portcheck.access.example.com/plain');
    assert.equal(answer(alone, 'http', '/plain').status, 200);
  });

  test('shows each configured region, escaped, and may connect to these and nothing else', () => {
    const page = answer(two, 'http', '/');

    assert.deepEqual(testedUrls(page), [
      'https://portcheck.eu.example.com:443/.postern/port-check',
      'http://portcheck.eu.example.com:80/.postern/port-check',
      'https://portcheck.us.example.com:8443/.postern/port-check',
      'http://portcheck.us.example.com:8080/.postern/port-check',
    ]);
    assert.match(page.body, /Frankfurt &lt;1&gt;/);
    assert.match(
      page.headers['content-security-policy']!,
      /connect-src https:\/\/portcheck\.eu\.example\.com:443 http:\/\/portcheck\.eu\.example\.com:80 https:\/\/portcheck\.us\.example\.com:8443 http:\/\/portcheck\.us\.example\.com:8080;/,
    );
  });

  test('never asks for https only: a browser that remembered that could not test port 80 any more', () => {
    for (const scheme of ['http', 'https'] as const) {
      assert.equal(answer(alone, scheme, '/').headers['strict-transport-security'], undefined);
    }
  });

  test('has everything inline named by its hash, and forbids everything else', () => {
    const { body, headers } = answer(alone, 'http', '/');
    const policy = headers['content-security-policy']!;

    for (const element of ['style', 'script']) {
      const content = [...body.matchAll(new RegExp(`<${element}>([^]*?)</${element}>`, 'g'))].map(
        match => match[1]!,
      );
      assert.equal(content.length, 1);
      assert.ok(policy.includes(`${element}-src 'sha256-${hash('sha256', content[0]!, 'base64')}'`));
    }
    assert.match(policy, /^default-src 'none'/);
    assert.doesNotMatch(body, / style="| on\w+="/);
  });

  test('lists the names and ports to open, and the wildcard', () => {
    const { body } = answer(alone, 'https', '/');

    for (const host of ['connect', 'login', 'portal', 'portcheck']) {
      assert.ok(body.includes(`>${host}.<wbr>access.<wbr>example.<wbr>com</td><td>TCP 443<`));
    }
    assert.match(body, />\*\.access\.example\.com, TCP 443 and 80, outbound</);
  });

  test('of a service without plain HTTP neither tests nor names port 80', () => {
    const page = answer(
      parseConfig({ domain: 'access.example.com', certificates, listen: { http: [] } }),
      'https',
      '/',
    );

    assert.doesNotMatch(page.body, /opened over https|TCP 80|href="http:/);
    assert.match(page.body, /Not used/);
  });

  test('of a service at other ports names those', () => {
    const listen = { https: ['127.0.0.1:8443'], http: ['127.0.0.1:8080'] };
    const config = parseConfig({ domain: 'access.example.com', certificates, publicPort: 8443, listen });

    assert.match(
      answer(config, 'https', '/').body,
      /href="http:\/\/portcheck\.access\.example\.com:8080\/plain"/,
    );
    assert.match(answer(config, 'https', '/').body, /Port 8443<.*TCP 8443 and 8080/s);
  });
});

test('the probe answers any page with 204, no cookie and nothing to keep', () => {
  const { status, headers, body } = answer(alone, 'http', '/.postern/port-check');

  assert.equal(status, 204);
  assert.equal(body, '');
  assert.equal(headers['access-control-allow-origin'], '*');
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['access-control-allow-credentials'], undefined);
});

test('there is nothing else', () => {
  assert.equal(answerPortCheck(alone, 'http', '/admin'), null);
});
