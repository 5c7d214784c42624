import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import {
  formatTrustSettings,
  parseTrustSettings,
  readTrustSettings,
  writeTrustSettings,
} from './trust-settings.ts';

const thumbprint = '4905CC64B2D81BBED60962ECC5DCF63F643CCD55';

// As administrators find it in the documentation of the product that this one stands in for.
const documented = `<?xml version="1.0" encoding="utf-8"?>
<ConnectorTrustSettingsFile xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <CloudProxyTrust>
    <Thumbprint>${thumbprint}</Thumbprint>
    <IsInUserStore>false</IsInUserStore>
  </CloudProxyTrust>
</ConnectorTrustSettingsFile>
`;

test('the document is written byte for byte as documented', () => {
  assert.equal(formatTrustSettings({ thumbprint, isInUserStore: false }), documented);
});

describe('reading accepts', () => {
  const expected = { thumbprint, isInUserStore: false };
  for (const [title, xml] of [
    ['the documented form', documented],
    ['a byte order mark and CRLF', `\uFEFF${documented.replaceAll('\n', '\r\n')}`],
    ['no white space at all', documented.replace(/>\s+</g, '><')],
    [
      'lower-case digits and white space in the elements',
      documented.replace(thumbprint, ` ${thumbprint.toLowerCase()}\n`),
    ],
    [
      'a comment',
      documented.replace('<CloudProxyTrust>', '<!-- <Thumbprint>x</Thumbprint> --><CloudProxyTrust>'),
    ],
    ['no declaration', documented.replace(/<\?xml.*\?>/, '')],
    ['the elements in another order', documented.replace(/( *<Thumb.*\n)( *<IsIn.*\n)/, '$2$1')],
  ] as const) {
    test(title, () => assert.deepEqual(parseTrustSettings(xml), expected));
  }

  test('the user store', () => {
    assert.equal(parseTrustSettings(documented.replace('false', 'true')).isInUserStore, true);
  });
});

describe('reading refuses', () => {
  for (const [title, xml] of [
    ['an empty file', ''],
    ['a file cut short', documented.slice(0, 200)],
    ['another document', '<a/>'],
    ['no thumbprint', documented.replace(/ *<Thumbprint>.*\n/, '')],
    ['two thumbprints', documented.replace(/( *<Thumbprint>.*\n)/, '$1$1')],
    ['a thumbprint too short', documented.replace(thumbprint, thumbprint.slice(1))],
    ['a thumbprint that is a path', documented.replace(thumbprint, '../../../../etc/passwd')],
    ['neither true nor false', documented.replace('false', 'maybe')],
  ] as const) {
    test(title, () => assert.throws(() => parseTrustSettings(xml), { code: 'bad_trust_settings' }));
  }
});

test('written settings read back, replace the old ones and leave no temporary file', async t => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'postern-trust-'));
  t.after(() => rmSync(dataDir, { recursive: true }));
  assert.equal(await readTrustSettings(dataDir), null);

  await writeTrustSettings(dataDir, { thumbprint, isInUserStore: false });
  await writeTrustSettings(dataDir, { thumbprint, isInUserStore: true });

  assert.deepEqual(await readTrustSettings(dataDir), { thumbprint, isInUserStore: true });
  assert.deepEqual(readdirSync(path.join(dataDir, 'Config')), ['TrustSettings.xml']);
  assert.equal(readFileSync(path.join(dataDir, 'Config', 'TrustSettings.xml'))[0], '<'.charCodeAt(0));
});
