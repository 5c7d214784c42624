import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createTestCertificate, type TestCertificate } from '../alerts/test-receivers.ts';
import type { CertificateRecord } from '../feed/messages.ts';
import { issueServerLeaf } from '../registration/authorities.ts';
import { createAuthority, openSigner, type Signer } from '../registration/signer.ts';
import { createLogger } from '../telemetry/logger.ts';
import { Certificates } from './certificates.ts';

const day = 86_400_000;
const begin = Date.UTC(2030, 0, 1);
const log = createLogger({ program: 'test', level: 'silent' });

let folder: string;
let signer: Signer;
let localhost: TestCertificate;
let count = 0;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'postern-certificates-'));
  signer = openSigner(await createAuthority('p384', 'Test authority', begin));
  localhost = await createTestCertificate();
});
after(() => rmSync(folder, { recursive: true }));

async function file(names: readonly string[], isLastResort = false) {
  const leaf = await issueServerLeaf(signer, names, begin);
  const base = path.join(folder, String(++count));
  writeFileSync(`${base}.pem`, leaf.certificate);
  writeFileSync(`${base}.key`, leaf.privateKey);
  return { certificateFile: `${base}.pem`, keyFile: `${base}.key`, isLastResort };
}

function record(
  id: string,
  names: readonly string[],
  times: { createdAt?: number; notBefore?: number; notAfter?: number } = {},
): CertificateRecord {
  const { createdAt = begin, notBefore = begin - day, notAfter = begin + day } = times;
  return {
    id,
    names,
    certificate: localhost.cert,
    privateKey: localhost.key,
    notBefore,
    notAfter,
    createdAt,
  };
}

/** Those of `records` that a host gets, by id; `file` for one of the configuration. */
function chosen(certificates: Certificates, host: string): string | undefined {
  const found = certificates.find(host) as { record?: CertificateRecord } | undefined;
  return found === undefined ? undefined : (found.record?.id ?? 'file');
}

describe('the certificate for a server name', () => {
  test('is the one with that very name, then the wildcard for its first label and no more', () => {
    const certificates = new Certificates([], log, () => begin);
    certificates.setStored([
      record('wildcard', ['*.contoso.test', 'contoso.test']),
      record('wiki', ['wiki.contoso.test']),
      record('deep', ['*.apps.contoso.test']),
    ]);

    assert.equal(chosen(certificates, 'wiki.contoso.test'), 'wiki');
    assert.equal(chosen(certificates, 'git.contoso.test'), 'wildcard');
    assert.equal(chosen(certificates, 'contoso.test'), 'wildcard');
    assert.equal(chosen(certificates, 'a.apps.contoso.test'), 'deep');
    const uncovered = certificates.find('a.b.contoso.test');
    assert.equal(uncovered?.covers('a.b.contoso.test'), false);
    assert.equal(certificates.find('git.contoso.test')?.covers('git.contoso.test'), true);
    assert.equal(certificates.find('git.contoso.test')?.covers('a.git.contoso.test'), false);
    certificates.stop();
  });

  test('is a valid one before one that is not, and of several the newest', () => {
    let now = begin;
    const certificates = new Certificates([], log, () => now);
    certificates.setStored([
      record('wildcard', ['*.contoso.test'], { notAfter: begin + 10 * day }),
      record('old', ['wiki.contoso.test'], { createdAt: begin - 2 }),
      record('new', ['wiki.contoso.test'], { createdAt: begin - 1, notAfter: begin + 2 * day }),
    ]);

    assert.equal(chosen(certificates, 'wiki.contoso.test'), 'new');
    now = begin + 3 * day;
    assert.equal(chosen(certificates, 'wiki.contoso.test'), 'wildcard');
    now = begin + 11 * day;
    assert.equal(
      chosen(certificates, 'wiki.contoso.test'),
      'new',
      'an error that names a date is better than none',
    );
    certificates.stop();
  });

  test('is a file of the configuration before the store, and the local authority’s last', async () => {
    const local = await file(['bed.test', '*.bed.test'], true);
    const own = await file(['login.bed.test']);
    const certificates = new Certificates([own, local], log, () => begin);
    assert.equal(chosen(certificates, 'wiki.bed.test'), 'file');

    certificates.setStored([record('stored', ['login.bed.test', '*.bed.test'])]);

    assert.equal(chosen(certificates, 'login.bed.test'), 'file');
    assert.equal(chosen(certificates, 'wiki.bed.test'), 'stored');
    certificates.setStored([]);
    assert.equal(chosen(certificates, 'wiki.bed.test'), 'file');
    assert.equal(new Certificates([], log, () => begin).find('wiki.bed.test'), undefined);
    certificates.stop();
  });

  test('keeps its context as long as it is the same; one that cannot be used serves nobody and harms no other', () => {
    const certificates = new Certificates([], log, () => begin);
    certificates.setStored([record('one', ['wiki.contoso.test'])]);
    const { context } = certificates.find('wiki.contoso.test')!;

    certificates.setStored([
      record('one', ['wiki.contoso.test', 'git.contoso.test']),
      { ...record('broken', ['a.contoso.test']), privateKey: 'no key' },
    ]);

    assert.notEqual(context, null);
    assert.equal(certificates.find('git.contoso.test')?.context, context);
    assert.equal(certificates.find('a.contoso.test')?.context, null);
    certificates.stop();
  });
});
