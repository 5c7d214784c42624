import { checkCertificateNames } from './certificate-names.ts';
import type { Config } from './schema.ts';

/**
 * Of some hosts those that a certificate of the configuration covers now. The local authority's do not count: hardly
 * anybody trusts it.
 *
 * @param now Milliseconds since the epoch.
 */
export function coveredByFiles(config: Config, hosts: readonly string[], now: number): readonly string[] {
  const certificates = { ...config.certificates, local: false };
  const { uncovered } = checkCertificateNames({ ...config, certificates }, hosts, now);
  return hosts.filter(host => !uncovered.includes(host));
}
