/**
 * Whether a name of a certificate covers a host: the same name, or a wildcard for its first label and no more
 * (RFC 6125 §6.4.3). Both in lower case, without trailing dot.
 */
export function nameCovers(name: string, host: string): boolean {
  return name === host || name === wildcardOf(host);
}

/** The wildcard that covers a host: `*.example.com` for `wiki.example.com`, and for `*.example.com` itself. */
export function wildcardOf(host: string): string {
  return `*${host.slice(Math.max(host.indexOf('.'), 0))}`;
}

/** Whether a name is a domain or a name under it; a wildcard is where its other labels are. */
export function isWithin(name: string, domain: string): boolean {
  const plain = name.startsWith('*.') ? name.slice(2) : name;
  return plain === domain || plain.endsWith(`.${domain}`);
}
