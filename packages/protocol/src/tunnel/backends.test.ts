import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { packBackends, unpackBackends } from './backends.ts';
import type { BackendConfiguration } from './messages.ts';

const plain: BackendConfiguration = {
  applicationId: 'a',
  host: 'wiki.corp.example',
  port: 80,
  tls: false,
  validateCertificate: true,
};
const own = { ...plain, applicationId: 'b', tls: true, authorities: 'PEM one' };

describe('what a connector may dial, on its way', () => {
  test('comes as it was sent, and certificates that are shared are sent once', () => {
    const backends = [
      plain,
      own,
      { ...own, applicationId: 'c' },
      { ...own, applicationId: 'd', authorities: 'PEM two' },
    ];
    const packed = JSON.parse(JSON.stringify(packBackends(backends)));

    assert.deepEqual(packed.authorities, ['PEM one', 'PEM two']);
    assert.deepEqual(unpackBackends(packed), backends);
  });

  test('has no certificates where no backend has', () => {
    assert.deepEqual(packBackends([plain]), { backends: [plain] });
  });

  test('loses what cannot be understood, and is nothing without a list', () => {
    const bad = [
      null,
      'a',
      { ...plain, port: 0 },
      { ...plain, host: '' },
      { ...plain, authorities: 'PEM' },
      { ...plain, authorities: 0 },
    ];
    assert.deepEqual(unpackBackends({ backends: [...bad, plain] }), [plain]);
    assert.throws(() => unpackBackends({ backends: 'all' }), SyntaxError);
  });
});
