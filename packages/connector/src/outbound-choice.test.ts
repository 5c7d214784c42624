import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { readLocalSettings } from './local-settings.ts';
import { chooseOutbound, type OutboundOptions } from './outbound-choice.ts';

const noOptions: OutboundOptions = { proxy: undefined, passwordFile: undefined };
const service = ['connect.access.example.com', 443] as const;

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'postern-outbound-choice-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const file = (name: string) => path.join(dataDir, 'Config', name);
const settings = () => JSON.parse(readFileSync(file('connector.json'), 'utf8')) as Record<string, unknown>;
const modeOf = (name: string) => statSync(file(name)).mode & 0o777;

function laidDown(value: object): void {
  mkdirSync(path.join(dataDir, 'Config'));
  writeFileSync(file('connector.json'), JSON.stringify(value));
}

describe('the proxy that a registration went through', () => {
  test('of the environment is saved, its password in a file of its own that nobody else reads', async () => {
    const environment = {
      HTTPS_PROXY: 'http://connector%207:p%40ss:word@proxy.corp.example:3128',
      NO_PROXY: 'corp.example',
    };

    const way = await chooseOutbound(dataDir, environment, noOptions);
    const saved = await way.save(...service);

    assert.equal(saved?.host, 'proxy.corp.example');
    assert.deepEqual(settings(), {
      outboundProxy: 'http://connector%207@proxy.corp.example:3128',
      outboundProxyPasswordFile: 'outbound-proxy-password',
      noProxy: 'corp.example',
    });
    assert.equal(readFileSync(file('outbound-proxy-password'), 'utf8'), 'p@ss:word\n');
    assert.deepEqual([modeOf('connector.json'), modeOf('outbound-proxy-password')], [0o600, 0o600]);
    const { outbound } = await readLocalSettings(dataDir);
    assert.equal(outbound.proxyPasswordFile, file('outbound-proxy-password'));
  });

  test('is not saved before it has worked', async () => {
    await chooseOutbound(dataDir, { HTTPS_PROXY: 'http://proxy:3128' }, noOptions);

    assert.throws(settings, { code: 'ENOENT' });
  });

  test('leaves the other settings as they are, and what they say already counts', async () => {
    laidDown({ allow: ['10.0.0.0/8'], noProxy: 'wiki.corp.example' });
    const environment = { https_proxy: 'http://[2001:db8::1]:3128', no_proxy: 'corp.example' };

    await (await chooseOutbound(dataDir, environment, noOptions)).save(...service);
    const again = await chooseOutbound(dataDir, { https_proxy: 'http://other:1' }, noOptions);

    assert.deepEqual(settings(), {
      allow: ['10.0.0.0/8'],
      noProxy: 'wiki.corp.example',
      outboundProxy: 'http://[2001:db8::1]:3128',
    });
    assert.equal(again.outbound.proxyFor(...service)?.host, '2001:db8::1');
    assert.equal(await again.save(...service), null);
  });

  test('is none where the service is reached directly', async () => {
    const environment = { HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: 'access.example.com' };

    assert.equal(await (await chooseOutbound(dataDir, environment, noOptions)).save(...service), null);
    assert.equal(await (await chooseOutbound(dataDir, {}, noOptions)).save(...service), null);
    assert.throws(settings, { code: 'ENOENT' });
  });

  test('of the command line wins over both, and the password is copied where the connector can read it', async () => {
    laidDown({ outboundProxy: 'http://old@old.corp.example:3128', outboundProxyPasswordFile: '/etc/old' });
    const passwordFile = path.join(dataDir, 'given');
    writeFileSync(passwordFile, 'secret\r\n');
    const environment = { HTTPS_PROXY: 'http://other:1' };
    const choose = (proxy: string, file?: string) =>
      chooseOutbound(dataDir, environment, { proxy, passwordFile: file });

    await (await choose('http://ada@proxy:3128', passwordFile)).save(...service);

    assert.deepEqual(settings(), {
      outboundProxy: 'http://ada@proxy:3128',
      outboundProxyPasswordFile: 'outbound-proxy-password',
    });
    assert.equal(readFileSync(file('outbound-proxy-password'), 'utf8'), 'secret\n');

    await (await choose('http://proxy:3129')).save(...service);

    assert.deepEqual(settings(), { outboundProxy: 'http://proxy:3129' });
  });
});

describe('what cannot be used names the option', () => {
  for (const [title, options, message] of [
    [
      'a password in the address',
      { proxy: 'http://ada:secret@proxy:3128', passwordFile: undefined },
      /^--outbound-proxy: .*must not hold a password.*--outbound-proxy-password-file/,
    ],
    [
      'a password file without a proxy',
      { proxy: undefined, passwordFile: '/etc/x' },
      /--outbound-proxy, which is missing/,
    ],
    [
      'a password file that is not there',
      { proxy: 'http://ada@proxy:3128', passwordFile: '/nowhere/x' },
      /^--outbound-proxy-password-file cannot be read/,
    ],
    ['another kind of proxy', { proxy: 'socks5://proxy', passwordFile: undefined }, /kind socks5:/],
  ] as const) {
    test(title, async () => {
      await assert.rejects(chooseOutbound(dataDir, {}, options), error => {
        assert.ok(error instanceof RangeError);
        assert.match(error.message, message);
        assert.ok(!error.message.includes('secret'));
        return true;
      });
    });
  }
});
