import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CliError } from './cli-error.ts';
import { parseServiceAddress } from './service-address.ts';

describe('the address of a service', () => {
  for (const [given, name] of [
    ['example.com', 'example.com'],
    ['Example.COM:443', 'example.com'],
    ['postern.localhost:8443', 'postern.localhost:8443'],
    ['https://example.com', 'example.com'],
    ['https://portal.example.com/admin?x=1', 'example.com'],
    ['connect.example.com:8443', 'example.com:8443'],
    ['https://login.postern.localhost:8443/', 'postern.localhost:8443'],
  ]) {
    test(`${given} is ${name}`, () => {
      const address = parseServiceAddress(given);

      assert.equal(address.name, name);
      assert.equal(address.portalOrigin, `https://portal.${name}`);
      assert.equal(address.loginOrigin, `https://login.${name}`);
      assert.equal(address.connectOrigin, `https://connect.${name}`);
    });
  }

  for (const given of ['', 'http://example.com', 'https://', 'a b', 'ftp://example.com']) {
    test(`${JSON.stringify(given)} is none`, () => {
      assert.throws(
        () => parseServiceAddress(given),
        error => error instanceof CliError && error.code === 'usage',
      );
    });
  }
});
