import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type CertificateSources, certificateFiles, controlHosts } from './names.ts';
import type { Config } from './schema.ts';

/** The hosts that the service answers at, whatever is published. */
export function requiredNames(config: Pick<Config, 'domain'>): string[] {
  return Object.values(controlHosts(config));
}

/** What is wrong with the certificates of the configuration: files that cannot be used, and hosts that none covers. */
export interface CertificateFindings {
  readonly unreadable: readonly { readonly file: string; readonly reason: string }[];
  readonly uncovered: readonly string[];
}

/**
 * Looks whether the configured certificates cover the given hosts now.
 *
 * @param now Milliseconds since the epoch; a certificate outside its dates covers nothing.
 */
export function checkCertificateNames(
  config: CertificateSources,
  hosts: readonly string[],
  now: number,
): CertificateFindings {
  const unreadable: { file: string; reason: string }[] = [];
  const certificates: X509Certificate[] = [];
  for (const { certificateFile } of certificateFiles(config)) {
    try {
      certificates.push(new X509Certificate(readFileSync(certificateFile)));
    } catch (error) {
      unreadable.push({ file: certificateFile, reason: reasonOf(error) });
    }
  }
  const valid = certificates.filter(
    certificate => certificate.validFromDate.getTime() <= now && now < certificate.validToDate.getTime(),
  );
  return {
    unreadable,
    uncovered: hosts.filter(host => !valid.some(certificate => certificate.checkHost(host) !== undefined)),
  };
}

/** The findings as sentences, one for each, with what to do. */
export function describeCertificateFindings({ unreadable, uncovered }: CertificateFindings): string[] {
  return [
    ...unreadable.map(({ file, reason }) => `The certificate file ${file} cannot be used: ${reason}.`),
    ...uncovered.map(
      host =>
        `No valid certificate covers ${host}. Add one to certificates.files; browsers refuse that name until then.`,
    ),
  ];
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it cannot be read';
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'there is no such file';
  return code === 'EACCES' ? 'this user may not read it' : 'it holds no PEM certificate';
}
