import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DirectoryError } from './directory-error.ts';
import { defaultExternalUrl, externalUrlOf, parseExternalUrl, parseInternalUrl } from './published-urls.ts';
import { checkWildcardPair } from './wildcard-urls.ts';

const onPort8443 = { domain: 'example.test', publicPort: 8443 };
const onPort443 = { domain: 'example.test', publicPort: 443 };

describe('external URLs', () => {
  for (const [given, stored] of [
    ['https://wiki.example.test/', 'https://wiki.example.test/'],
    ['https://wiki.example.test', 'https://wiki.example.test/'],
    ['HTTPS://Wiki.Example.TEST/Docs', 'https://wiki.example.test/Docs/'],
    ['https://wiki.example.test:8443/docs/', 'https://wiki.example.test/docs/'],
    ['https://a.b.example.test/', 'https://a.b.example.test/'],
    ['https://login-help.example.test/', 'https://login-help.example.test/'],
    ['https://*.Example.test', 'https://*.example.test/'],
    ['https://*.apps.example.test:8443/', 'https://*.apps.example.test/'],
    ['https://wiki.example.test/café', 'https://wiki.example.test/caf%C3%A9/'],
  ]) {
    test(`${given} is stored as ${stored}`, () => {
      assert.equal(parseExternalUrl(given, onPort8443), stored);
    });
  }

  for (const given of [
    'http://wiki.example.test/',
    'ftp://wiki.example.test/',
    'wiki.example.test',
    'https://wiki.example.test:9999/',
    'https://example.test/',
    'https://wiki.example.test.evil.test/',
    'https://wikiexample.test/',
    'https://login.example.test/',
    'https://PORTAL.example.test/',
    'https://connect.example.test/',
    'https://portcheck.example.test/',
    'https://x.login.example.test/',
    'https://connectorregistrationca.example.test/',
    'https://wi_ki.example.test/',
    'https://-wiki.example.test/',
    'https://wiki..example.test/',
    'https://wiki.example.test./',
    'https://user:secret@wiki.example.test/',
    'https://wiki.example.test/?a=b',
    'https://wiki.example.test/#top',
    'https://wiki.example.test/a/../b/',
    'https://wiki.example.test/a//b/',
    'https://wiki.example.test/a%2fb/',
    'https://wiki.example.test/%2e%2e/',
    'https://wiki.example.test/a/.%2E/b/',
    'https://wiki.example.test/a/\t../',
    'https:wiki.example.test/',
    'https://wiki.example.test/a\\b/',
    'https://wiki.example.test/.postern/',
    'https://wiki.example.test/.postern/x/',
    'https://wiki.example.test/a;b/',
    'https://wiki.example.test/a%3bb/',
    'https://wiki.example.test/a%252fb/',
    'https://*.login.example.test/',
    'https://10.0.0.1/',
    'https://[::1]/',
    `https://${'a'.repeat(64)}.example.test/`,
  ]) {
    test(`${given} is refused`, () => {
      assert.throws(() => parseExternalUrl(given, onPort8443), { code: 'invalid', property: 'externalUrl' });
    });
  }

  test('are shown with the public port where it is not 443', () => {
    assert.equal(
      externalUrlOf('https://wiki.example.test/a/', onPort8443),
      'https://wiki.example.test:8443/a/',
    );
    assert.equal(externalUrlOf('https://wiki.example.test/a/', onPort443), 'https://wiki.example.test/a/');
  });

  test('come from the name where none is said', () => {
    const made = (name: string) => defaultExternalUrl(name, onPort443);
    assert.equal(made('Wiki'), 'https://wiki.example.test/');
    assert.equal(made('Zeiterfassung für Ärzte (neu)'), 'https://zeiterfassung-fur-arzte-neu.example.test/');
    assert.equal(made(`${'a'.repeat(62)} b`), `https://${'a'.repeat(62)}.example.test/`);
    for (const name of ['图书馆', '!!!', 'Login']) {
      assert.throws(() => made(name), { code: 'invalid', property: 'externalUrl' });
    }
  });
});

describe('internal URLs', () => {
  for (const [given, stored] of [
    ['http://wiki.corp.example:8080/', 'http://wiki.corp.example:8080/'],
    ['https://Wiki/app', 'https://wiki/app/'],
    ['http://10.0.0.5:8080/app/', 'http://10.0.0.5:8080/app/'],
    ['http://127.0.0.1:8080/', 'http://127.0.0.1:8080/'],
    ['http://[fd12::1]:80/', 'http://[fd12::1]/'],
    ['http://*.Corp.example:8080/', 'http://*.corp.example:8080/'],
    ['https://*.lan/', 'https://*.lan/'],
    ['http://*.bücher.example/', 'http://*.xn--bcher-kva.example/'],
  ]) {
    test(`${given} is stored as ${stored}`, () => {
      assert.equal(parseInternalUrl(given), stored);
    });
  }

  for (const given of [
    'gopher://wiki/',
    'file:///etc/passwd',
    'http://wiki/a/../b/',
    'http://wiki/?a',
    'http://user@wiki/',
    'http://wiki:0/',
    // Threat F11: the metadata service of clouds, and the ways to write it and the machine itself otherwise.
    'http://169.254.169.254/',
    'http://2852039166/',
    'http://0xA9FEA9FE/',
    'http://0251.0376.0251.0376/',
    'http://[::ffff:169.254.169.254]/',
    'http://[fd00:ec2::254]/',
    'http://0.0.0.0:8080/',
    'http://0/',
    'http://[::]/',
    'http://[::ffff:0.0.0.0]/',
    'http://[fe80::1]/',
    'http://224.0.0.1/',
    'http://255.255.255.255/',
    'http://[ff02::1]/',
  ]) {
    test(`${given} is refused`, () => {
      assert.throws(() => parseInternalUrl(given), { code: 'invalid', property: 'internalUrl' });
    });
  }
});

describe('a wildcard in the wrong place', () => {
  for (const [given, reason] of [
    ['https://wiki.example.test/*', 'no wildcard for paths'],
    ['https://*.*.example.test/', 'Only one label'],
    ['https://*.apps.*.example.test/', 'Only one label'],
    ['https://wiki*.example.test/', 'must be a whole label'],
    ['https://*wiki.example.test/', 'must be a whole label'],
    ['https://wiki.*.example.test/', 'must be the first label'],
    ['https://*/', 'needs a name behind it'],
    ['https://*.apps.example.test/docs/', 'its path must be /'],
    ['https://*.elsewhere.test/', 'must be a name under example.test'],
  ] as const) {
    test(`${given}: ${reason}`, () => {
      assert.throws(
        () => parseExternalUrl(given, onPort443),
        ({ property, message }: DirectoryError) => property === 'externalUrl' && message.includes(reason),
      );
    });
  }

  for (const [given, reason] of [
    ['http://wiki.*.example/', 'must be the first label'],
    ['http://*.corp.example/app/', 'its path must be /'],
    ['http://*.com/', 'hosts of everybody'],
    ['http://*.10.0.0.1/', 'must be an http or https address'],
  ] as const) {
    test(`${given}: ${reason}`, () => {
      assert.throws(
        () => parseInternalUrl(given),
        ({ property, message }: DirectoryError) => property === 'internalUrl' && message.includes(reason),
      );
    });
  }

  test('is also one on one side only', () => {
    checkWildcardPair('https://*.example.test/', 'http://*.corp.test/');
    checkWildcardPair('https://a.example.test/', 'http://a.corp.test/');
    assert.throws(() => checkWildcardPair('https://*.example.test/', 'http://a.corp.test/'), {
      property: 'internalUrl',
    });
    assert.throws(() => checkWildcardPair('https://a.example.test/', 'http://*.corp.test/'), {
      property: 'externalUrl',
    });
  });
});
