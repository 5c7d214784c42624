import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Networks } from './networks.ts';

describe('networks', () => {
  test('that are none let everybody in, and cost nothing', () => {
    assert.equal(Networks.from({ allowedNetworks: [], deniedNetworks: [] }), null);
  });

  test('that are denied win over those that are allowed', () => {
    const networks = Networks.from({ allowedNetworks: ['10.0.0.0/8'], deniedNetworks: ['10.6.0.0/16'] })!;

    assert.equal(networks.admits('10.1.2.3'), true);
    assert.equal(networks.admits('::ffff:10.1.2.3'), true);
    assert.equal(networks.admits('10.6.2.3'), false);
    assert.equal(networks.admits('::ffff:10.6.2.3'), false);
    assert.equal(networks.admits('192.0.2.1'), false);
  });

  test('that are denied alone leave everybody else in', () => {
    const networks = Networks.from({ allowedNetworks: [], deniedNetworks: ['2001:db8::/32', '192.0.2.7'] })!;

    assert.equal(networks.admits('2001:db8:1::1'), false);
    assert.equal(networks.admits('192.0.2.7'), false);
    assert.equal(networks.admits('192.0.2.8'), true);
  });

  test('what is no address is in none of them', () => {
    const networks = Networks.from({ allowedNetworks: ['0.0.0.0/0', '::/0'], deniedNetworks: [] })!;

    for (const nonsense of ['', 'unknown', '10.0.0.1:80', '::::']) {
      assert.equal(networks.admits(nonsense), false, nonsense);
    }
  });
});
