import path from 'node:path';
import type { Workplace } from './programs.ts';

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A self-signed P-256 certificate for a baseline; curl and the load generators do not check whose it is. */
export async function makeCertificate(workplace: Workplace, name: string): Promise<CertificateFiles> {
  const certFile = path.join(workplace.folder, `${name}.pem`);
  const keyFile = path.join(workplace.folder, `${name}.key`);
  await workplace.run([
    'openssl',
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`],
    ...['-keyout', keyFile, '-out', certFile],
  ]);
  return { certFile, keyFile };
}
