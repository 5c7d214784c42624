import 'reflect-metadata';
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sha256Of } from '@postern/protocol/x509/certificate';
import { issueServerLeaf } from './authorities.ts';
import { readFirstContact } from './first-contact.ts';
import { writeLocalCertificates } from './local-certificates.ts';
import { createAuthority, openSigner, type Signer } from './signer.ts';

const domain = 'example.com';

describe('the first contact', () => {
  let folder: string;
  let signer: Signer;
  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'postern-first-contact-'));
    signer = openSigner(await createAuthority('p384', 'A root', Date.now()));
  });
  after(() => rmSync(folder, { recursive: true }));

  async function chainFile(name: string, host: string, more = ''): Promise<string> {
    const file = path.join(folder, name);
    const leaf = await issueServerLeaf(signer, [host], Date.now());
    writeFileSync(file, leaf.certificate + more);
    return file;
  }
  function contactOf(files: readonly string[], local = false) {
    const certificates = {
      local,
      files: files.map(certificateFile => ({ certificateFile, keyFile: '/nowhere' })),
    };
    return readFirstContact({ certificates, dataDir: folder, domain, publicPort: 8443 });
  }
  const rootSha256 = () => sha256Of(new X509Certificate(signer.certificate));

  test('with the local authority names its fingerprint', async () => {
    await writeLocalCertificates({ all: [signer], current: signer, former: [] }, domain, folder, Date.now());

    const contact = contactOf([], true);

    assert.deepEqual(contact, { host: 'connect.example.com', port: 8443, rootSha256: rootSha256() });
  });

  test('with a chain that ends in its root names that', async () => {
    const file = await chainFile('with-root.pem', '*.example.com', signer.certificate);

    assert.equal(contactOf([file]).rootSha256, rootSha256());
  });

  test('with a chain that ends before its root, as those of public authorities do, names none', async () => {
    const file = await chainFile('public.pem', 'connect.example.com');

    assert.equal(contactOf([file]).rootSha256, null);
  });

  test('goes by the certificate of connect, whatever else is served', async () => {
    const other = await chainFile('other.pem', 'wiki.example.com', signer.certificate);
    const own = await chainFile('own.pem', 'connect.example.com');

    assert.equal(contactOf([other, own]).rootSha256, null);
    assert.equal(contactOf([path.join(folder, 'absent.pem')]).rootSha256, null);
  });
});
