import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { createSecureContext, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { splitCertificates } from '@postern/protocol/x509/certificate';
import type { CertificateErrorCode } from './certificate-error.ts';
import { type CertificateInput, readCertificate } from './read-certificate.ts';
import { readPfx } from './read-pfx.ts';
import { TestAuthority } from './test-authority.ts';

const authority = new TestAuthority();
/** One that this machine trusts. */
const trusted = new TestAuthority();
setDefaultCACertificates([...getCACertificates('default'), trusted.root]);
after(() => {
  authority[Symbol.dispose]();
  trusted[Symbol.dispose]();
});

const names = ['wiki.contoso.test', '*.apps.contoso.test'];
const day = 86_400_000;

function fingerprints(pem: string): string[] {
  return splitCertificates(pem).map(one => new X509Certificate(one).fingerprint256);
}

async function refusal(input: CertificateInput, now = Date.now()) {
  try {
    await readCertificate(input, now);
  } catch (error) {
    const { code, message, remedy } = error as {
      code: CertificateErrorCode;
      message: string;
      remedy: string;
    };
    assert.ok(remedy?.length > 20, String(error));
    return { code, message };
  }
  throw new Error('it was accepted');
}

describe('an uploaded certificate', { timeout: 300_000 }, () => {
  for (const key of ['p-256', 'rsa-2048'] as const) {
    for (const kind of ['modern', 'legacy'] as const) {
      test(`is read from a ${kind} PFX file with a key ${key}`, async () => {
        const issued = authority.issue({ names, key });

        const usable = await readCertificate(
          { pfx: authority.pfx(issued, 'Pa55word', kind), password: 'Pa55word' },
          Date.now(),
        );

        assert.deepEqual(usable.names, names);
        assert.deepEqual(fingerprints(usable.pem), fingerprints(issued.certificate + authority.intermediate));
        createSecureContext({ cert: usable.pem, key: usable.privateKey });
      });
    }
  }

  test('is read from PEM in any order, with its key beside or encrypted', async () => {
    const { certificate, key } = authority.issue({ names });
    const shuffled = `${authority.root}${authority.intermediate}${certificate}`;

    const plain = await readCertificate({ certificate: `${shuffled}${key}` }, Date.now());
    const sealed = await readCertificate(
      { certificate: shuffled, privateKey: authority.encryptKey(key, 'geheim'), password: 'geheim' },
      Date.now(),
    );

    assert.equal(splitCertificates(plain.pem).length, 2, 'without the root');
    assert.equal(sealed.pem, plain.pem);
    assert.equal(sealed.privateKey, plain.privateKey);
  });

  test('is complete with a root that an older authority has signed, too', async () => {
    const { certificate, key } = authority.issue({ names });
    const { intermediate, root } = authority;
    const cross = authority.crossSigned();

    for (const others of [`${intermediate}${cross}${root}`, `${root}${cross}${intermediate}`]) {
      const usable = await readCertificate({ certificate: `${certificate}${others}${key}` }, Date.now());
      assert.deepEqual(fingerprints(usable.pem), fingerprints(certificate + intermediate));
    }
    const { code } = await refusal({ certificate: `${certificate}${intermediate}${cross}${key}` });
    assert.equal(code, 'incomplete_chain', 'nobody trusts the root, or the older one');
  });

  test('is complete up to a root that is trusted, and what an older authority has signed of it is sent on', async () => {
    const { certificate, key } = trusted.issue({ names });
    const chain = `${certificate}${trusted.intermediate}${trusted.crossSigned()}`;

    const usable = await readCertificate({ certificate: `${chain}${key}` }, Date.now());

    assert.deepEqual(fingerprints(usable.pem), fingerprints(chain));
  });

  test('with a wrong password is told from a file that is no PFX', async () => {
    const issued = authority.issue({ names });
    for (const kind of ['modern', 'legacy'] as const) {
      const pfx = authority.pfx(issued, 'right', kind);
      assert.equal((await refusal({ pfx, password: 'wrong' })).code, 'wrong_password');
      assert.equal((await refusal({ pfx })).code, 'wrong_password');
    }
    const noPfx = Buffer.from('-----BEGIN NOTHING-----').toString('base64');
    assert.equal((await refusal({ pfx: noPfx, password: 'x' })).code, 'not_pfx');
    const cut = authority.pfx(issued, 'right').slice(0, 400);
    assert.equal((await refusal({ pfx: cut, password: 'right' })).code, 'not_pfx');
  });

  test('that takes too long to open is given up, and its reader ended', async () => {
    const pfx = authority.pfx(authority.issue({ names }), 'x');

    await assert.rejects(readPfx(pfx, 'x', 1), { code: 'too_costly', remedy: /work factor/ });
  });

  test('without a key, without a certificate, or with the key of another one is refused', async () => {
    const one = authority.issue({ names });
    const other = authority.issue({ names });
    const { certificate, key } = one;
    const keyless = authority.pfx({ certificate, key: null }, 'x');

    assert.equal((await refusal({ pfx: keyless, password: 'x' })).code, 'no_private_key');
    assert.equal((await refusal({ certificate })).code, 'no_private_key');
    assert.equal((await refusal({ certificate: key })).code, 'no_certificate');
    assert.equal((await refusal({ certificate: 'hello' })).code, 'not_pem');
    const { code, message } = await refusal({ certificate, privateKey: other.key });
    assert.equal(code, 'key_mismatch');
    assert.match(message, /wiki\.contoso\.test/);
    const sealed = authority.encryptKey(key, 'geheim');
    assert.equal((await refusal({ certificate, privateKey: sealed })).code, 'wrong_password');
    assert.equal((await refusal({ certificate, privateKey: sealed, password: 'x' })).code, 'wrong_password');
  });

  test('outside its dates is refused with the date', async () => {
    const { certificate, key } = authority.issue({ names, days: 90 });
    const input = { certificate: `${certificate}${authority.intermediate}${authority.root}${key}` };

    const expired = await refusal(input, Date.now() + 91 * day);
    const early = await refusal(input, Date.now() - day);

    assert.equal(expired.code, 'expired');
    assert.match(expired.message, /expired on \d{4}-\d\d-\d\dT/);
    assert.equal(early.code, 'not_yet_valid');
  });

  test('that browsers refuse is refused: weak, for another use, without names, self-signed', async () => {
    const whole = ({ certificate, key }: { certificate: string; key: string }) => ({
      certificate: `${certificate}${authority.intermediate}${authority.root}${key}`,
    });
    const cases = [
      ['weak_key', authority.issue({ names, key: 'rsa-1024' })],
      ['unsupported_key', authority.issue({ names, key: 'secp256k1' })],
      ['unsupported_key', authority.issue({ names, key: 'ed25519' })],
      ['weak_signature', authority.issue({ names, digest: 'sha1' })],
      ['not_for_servers', authority.issue({ names, use: 'clientAuth' })],
      ['no_names', authority.issue({ names: [] })],
      ['self_signed', authority.selfSigned('wiki.contoso.test')],
    ] as const;
    for (const [code, issued] of cases) assert.equal((await refusal(whole(issued))).code, code);
  });

  test('whose intermediates are missing is refused, and the missing one is named', async () => {
    const issued = authority.issue({ names });
    const { certificate, key } = issued;

    for (const input of [
      { certificate: `${certificate}${key}` },
      { certificate: `${certificate}${authority.root}${key}` },
      { pfx: authority.pfx(issued, 'x', 'modern', ''), password: 'x' },
    ]) {
      const { code, message } = await refusal(input);
      assert.equal(code, 'incomplete_chain');
      assert.match(message, /Test intermediate/);
    }
  });
});
