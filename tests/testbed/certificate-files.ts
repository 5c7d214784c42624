import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';

/**
 * What an administrator has from an authority of the company: `access.pem` and `access.key` for a domain and the names
 * below it, in a new folder `tls`; the authority itself is `ca.pem` in `folder`.
 */
export function makeCertificateFiles(folder: string, tls: string, domain: string): void {
  mkdirSync(tls);
  const openssl = (...parameters: string[]) =>
    execFileSync('openssl', parameters, { cwd: folder, stdio: 'pipe' });
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'];
  openssl('req', '-x509', ...ec, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Example CA');
  openssl(
    ...['req', '-x509', ...ec, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-subj', `/CN=${domain}`],
    ...['-addext', `subjectAltName=DNS:*.${domain}`, '-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-keyout', path.join(tls, 'access.key'), '-out', path.join(tls, 'access.pem')],
  );
}
