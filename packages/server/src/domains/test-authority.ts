import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Keys as OpenSSL makes them. */
const keyParameters = {
  'rsa-1024': ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
  'rsa-2048': ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  'p-256': ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  secp256k1: ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
  ed25519: ['genpkey', '-algorithm', 'ED25519'],
} as const;

export interface LeafOptions {
  readonly names: readonly string[];
  readonly key?: keyof typeof keyParameters;
  readonly digest?: 'sha256' | 'sha1';
  readonly use?: 'serverAuth' | 'clientAuth';
  readonly days?: number;
}

/** Certificate and key, PEM. */
export interface Issued {
  readonly certificate: string;
  readonly key: string;
}

const ca = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n';

/** A company's authority made with OpenSSL, which none of us wrote: root, intermediate, and leaves by the latter. */
export class TestAuthority implements Disposable {
  readonly root: string;
  readonly intermediate: string;
  readonly #folder: string;
  #count = 0;

  constructor() {
    this.#folder = mkdtempSync(path.join(tmpdir(), 'postern-authority-'));
    this.#key('root', 'p-256');
    this.#key('intermediate', 'p-256');
    this.#sign('root', 'Test root', ca, null, 'sha256', 3650);
    this.#sign('intermediate', 'Test intermediate', ca, 'root', 'sha256', 1825);
    this.root = this.#read('root.pem');
    this.intermediate = this.#read('intermediate.pem');
  }

  issue({ names, key = 'p-256', digest = 'sha256', use = 'serverAuth', days = 90 }: LeafOptions): Issued {
    const name = `leaf-${++this.#count}`;
    const alternatives =
      names.length === 0 ? '' : `subjectAltName=${names.map(each => `DNS:${each}`).join(',')}\n`;
    this.#key(name, key);
    const extensions = `basicConstraints=CA:FALSE\nextendedKeyUsage=${use}\n${alternatives}`;
    this.#sign(name, names[0] ?? 'nobody', extensions, 'intermediate', digest, days);
    return { certificate: this.#read(`${name}.pem`), key: this.#read(`${name}.key`) };
  }

  /** A certificate of the root's name and key by an older authority, as for clients that do not know the root yet. */
  crossSigned(): string {
    this.#key('older', 'p-256');
    this.#sign('older', 'Older root', ca, null, 'sha256', 3650);
    copyFileSync(path.join(this.#folder, 'root.key'), path.join(this.#folder, 'cross.key'));
    this.#sign('cross', 'Test root', ca, 'older', 'sha256', 1825);
    return this.#read('cross.pem');
  }

  selfSigned(name: string): Issued {
    this.#key('self', 'p-256');
    this.#sign('self', name, `subjectAltName=DNS:${name}\n`, null, 'sha256', 90);
    return { certificate: this.#read('self.pem'), key: this.#read('self.key') };
  }

  /** A PFX file as base64; the key is left out where it is null. */
  pfx(
    { certificate, key }: { readonly certificate: string; readonly key: string | null },
    password: string,
    kind: 'modern' | 'legacy' = 'modern',
    others = this.intermediate + this.root,
  ): string {
    const [input, keyFile, chain, output] = ['in.pem', 'in.key', 'chain.pem', 'out.pfx'].map(file =>
      path.join(this.#folder, file),
    ) as [string, string, string, string];
    writeFileSync(input, certificate);
    writeFileSync(chain, others);
    if (key !== null) writeFileSync(keyFile, key);
    this.#openssl([
      ...['pkcs12', '-export', '-in', input, '-out', output, '-passout', `pass:${password}`],
      ...(key === null ? ['-nokeys'] : ['-inkey', keyFile]),
      ...(others === '' ? [] : ['-certfile', chain]),
      ...(kind === 'legacy' ? ['-legacy', '-certpbe', 'PBE-SHA1-RC2-40', '-keypbe', 'PBE-SHA1-3DES'] : []),
    ]);
    return readFileSync(output).toString('base64');
  }

  /** The key as an encrypted PKCS#8 PEM. */
  encryptKey(key: string, password: string): string {
    const [input, output] = [path.join(this.#folder, 'plain.key'), path.join(this.#folder, 'sealed.key')];
    writeFileSync(input, key);
    this.#openssl(['pkcs8', '-topk8', '-in', input, '-out', output, '-passout', `pass:${password}`]);
    return readFileSync(output, 'utf8');
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }

  #key(name: string, kind: keyof typeof keyParameters): void {
    this.#openssl([...keyParameters[kind], '-out', path.join(this.#folder, `${name}.key`)]);
  }

  #sign(
    name: string,
    commonName: string,
    extensions: string,
    issuer: string | null,
    digest: string,
    days: number,
  ): void {
    const file = (suffix: string) => path.join(this.#folder, `${name}.${suffix}`);
    const issuerFile = (suffix: string) => path.join(this.#folder, `${issuer ?? name}.${suffix}`);
    writeFileSync(file('ext'), extensions);
    this.#openssl(['req', '-new', '-key', file('key'), '-subj', `/CN=${commonName}`, '-out', file('csr')]);
    this.#openssl([
      ...['x509', '-req', '-in', file('csr'), '-out', file('pem'), '-days', String(days)],
      ...['-extfile', file('ext'), `-${digest}`],
      ...(issuer === null
        ? ['-signkey', issuerFile('key')]
        : ['-CA', issuerFile('pem'), '-CAkey', issuerFile('key'), '-CAcreateserial']),
    ]);
  }

  #read(name: string): string {
    return readFileSync(path.join(this.#folder, name), 'utf8');
  }

  #openssl(parameters: readonly string[]): void {
    execFileSync('openssl', parameters, { stdio: 'pipe' });
  }
}
