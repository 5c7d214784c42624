const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const labels = new RegExp(`^${label}(?:\\.${label})*$`);

/** Whether a host is a wildcard: `*.` and a name. */
export function isWildcardHost(host: string): boolean {
  return host.startsWith('*.');
}

/**
 * What stands in a host for the `*` of a wildcard: one label or more, such as `a.b` of `a.b.corp.example` under
 * `*.corp.example`.
 *
 * @param host Lower case, without trailing dot.
 * @returns null where the wildcard does not stand for the host. Labels are letters, digits and inner hyphens, so that
 *   what goes from one name into another can lead nowhere else.
 */
export function wildcardLabels(wildcard: string, host: string): string | null {
  const suffix = wildcard.slice(1);
  if (host.length > 253 || host.length <= suffix.length || !host.endsWith(suffix)) return null;
  const matched = host.slice(0, -suffix.length);
  return labels.test(matched) ? matched : null;
}

/** The host that a wildcard stands for with these labels; null where the name would be too long for one. */
export function expandWildcard(wildcard: string, matched: string): string | null {
  const host = matched + wildcard.slice(1);
  return wildcardLabels(wildcard, host) === null ? null : host;
}
