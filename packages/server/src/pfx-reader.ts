/**
 * Reads a PFX file (PKCS#12, RFC 7292), modern or legacy: one JSON document on standard input, `{ pfx, password }` with
 * the file in base64; one on standard output. A process of its own, because the work factor stands in the file: whoever
 * writes an absurd one keeps this program busy, which is then ended, and nobody else.
 */
import forge from 'node-forge';

/** What was found, PEM; keys are PKCS#8. */
export type PfxAnswer =
  | { readonly certificates: readonly string[]; readonly privateKeys: readonly string[] }
  | { readonly error: 'not_pfx' | 'wrong_password' };

const { asn1, pkcs12, pki, pem } = forge;

function readPfx(pfx: string, password: string): PfxAnswer {
  let outer: forge.asn1.Asn1;
  try {
    outer = asn1.fromDer(forge.util.createBuffer(Buffer.from(pfx, 'base64').toString('latin1')));
  } catch {
    return { error: 'not_pfx' };
  }
  try {
    const file = pkcs12.pkcs12FromAsn1(outer, false, password);
    const bags = (type: string) => file.getBags({ bagType: type })[type] ?? [];
    return {
      certificates: bags(pki.oids['certBag']!).map(certificateOf),
      privateKeys: [...bags(pki.oids['pkcs8ShroudedKeyBag']!), ...bags(pki.oids['keyBag']!)].map(keyOf),
    };
  } catch (error) {
    const said = error instanceof Error ? error.message : '';
    return { error: isWrongPassword(said) ? 'wrong_password' : 'not_pfx' };
  }
}

/** Keys and certificates with curves are none that the library knows; it gives them as they stand in the file. */
function certificateOf({ cert, asn1: raw }: forge.pkcs12.Bag): string {
  return toPem('CERTIFICATE', cert ? pki.certificateToAsn1(cert) : raw);
}

function keyOf({ key, asn1: raw }: forge.pkcs12.Bag): string {
  return toPem('PRIVATE KEY', key ? pki.wrapRsaPrivateKey(pki.privateKeyToAsn1(key)) : raw);
}

function toPem(type: string, value: forge.asn1.Asn1): string {
  return pem.encode({ type, body: asn1.toDer(value).getBytes() });
}

/** The check value is over everything; where a file has none, what is decrypted with a wrong password is no key. */
function isWrongPassword(said: string): boolean {
  return /MAC could not be verified|Invalid password|decrypt/i.test(said);
}

if (import.meta.main) {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const { pfx, password } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as {
    pfx: string;
    password: string;
  };
  process.stdout.write(JSON.stringify(readPfx(pfx, password)));
}
