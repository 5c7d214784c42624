import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseNetwork } from './publishing-limits.ts';

describe('a network', () => {
  for (const [text, network] of [
    ['192.0.2.7', { address: '192.0.2.7', family: 'ipv4', bits: 32 }],
    ['10.0.0.0/8', { address: '10.0.0.0', family: 'ipv4', bits: 8 }],
    ['0.0.0.0/0', { address: '0.0.0.0', family: 'ipv4', bits: 0 }],
    ['2001:db8::/32', { address: '2001:db8::', family: 'ipv6', bits: 32 }],
    ['::1', { address: '::1', family: 'ipv6', bits: 128 }],
    ['::ffff:10.0.0.1', { address: '::ffff:10.0.0.1', family: 'ipv6', bits: 128 }],
  ] as const) {
    test(`${text} is one`, () => assert.deepEqual(parseNetwork(text), network));
  }

  for (const text of [
    '',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '01.0.0.1',
    '::01.0.0.1',
    '1:2:3:4:5:6:7:8::',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '::/129',
    '::]/x',
    '2001:db8:::',
    'fe80::1%eth0',
    'example.com',
  ]) {
    test(`${JSON.stringify(text)} is none`, () => assert.equal(parseNetwork(text), null));
  }
});
