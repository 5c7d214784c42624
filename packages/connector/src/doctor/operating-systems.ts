/**
 * When operating systems stop getting security updates for everybody, by their makers' own pages.
 * As of January 2026; a release that is not here is not judged.
 */
const endOfSupport: Readonly<Record<string, string>> = {
  'debian 11': '2026-08-31',
  'debian 12': '2028-06-30',
  'debian 13': '2030-06-30',
  'ubuntu 20.04': '2025-05-31',
  'ubuntu 22.04': '2027-05-31',
  'ubuntu 24.04': '2029-05-31',
  'rhel 7': '2024-06-30',
  'rhel 8': '2029-05-31',
  'rhel 9': '2032-05-31',
  'rhel 10': '2035-05-31',
  'centos 7': '2024-06-30',
  'centos 9': '2027-05-31',
  'rocky 8': '2029-05-31',
  'rocky 9': '2032-05-31',
  'rocky 10': '2035-05-31',
  'almalinux 8': '2029-03-01',
  'almalinux 9': '2032-05-31',
  'almalinux 10': '2035-05-31',
  'ol 8': '2029-07-31',
  'ol 9': '2032-06-30',
  'amzn 2': '2026-06-30',
  'amzn 2023': '2029-06-30',
  'sles 15': '2031-07-31',
  'opensuse-leap 15.6': '2026-04-30',
  'fedora 41': '2025-12-15',
  'fedora 42': '2026-05-13',
  'alpine 3.20': '2026-04-01',
  'alpine 3.21': '2026-11-01',
  'alpine 3.22': '2027-05-01',
};

/** Node's release lines, likewise (nodejs.org/about/previous-releases). */
const nodeEndOfLife: Readonly<Record<number, string>> = { 24: '2028-04-30' };

/** What a machine says that it runs, from /etc/os-release (os-release(5)). */
export interface OperatingSystem {
  readonly name: string;
  /** Last day with security updates, as 2028-06-30; null where it is not known. */
  readonly supportedUntil: string | null;
}

/** @param osRelease Content of /etc/os-release. */
export function readOperatingSystem(osRelease: string): OperatingSystem {
  const field = (name: string) => new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(osRelease)?.[1] ?? '';
  const id = field('ID').toLowerCase();
  const version = field('VERSION_ID');
  const keys = [
    `${id} ${version}`,
    `${id} ${version.split('.').slice(0, 2).join('.')}`,
    `${id} ${version.split('.')[0]}`,
  ];
  const found = keys.find(key => Object.hasOwn(endOfSupport, key));
  return {
    name: field('PRETTY_NAME') || `${id} ${version}`.trim() || 'an unknown Linux',
    supportedUntil: found === undefined ? null : endOfSupport[found]!,
  };
}

/** Last day with security updates of a release line of Node; null where it is not known. */
export function nodeSupportedUntil(version: string): string | null {
  return nodeEndOfLife[Number(/^v?(\d+)/.exec(version)?.[1])] ?? null;
}
