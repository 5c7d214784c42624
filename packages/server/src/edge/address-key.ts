import { isIPv4, isIPv6 } from 'node:net';

/** What the use and the failures of an address are counted under: the IPv4 address, or the /64 of an IPv6 address, which is one site. */
export function addressKey(address: string): string {
  const unmapped = address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  if (isIPv4(unmapped)) return unmapped;
  if (!isIPv6(unmapped)) return 'unknown';
  return `${expandIpv6(unmapped).slice(0, 4).join(':')}::/64`;
}

function expandIpv6(address: string): string[] {
  const [head, tail] = address.split('%')[0].split('::');
  const groups = (part: string | undefined) => (part ? part.split(':') : []);
  const before = groups(head);
  const after = groups(tail);
  const missing = Math.max(0, 8 - before.length - after.length);
  return [...before, ...Array<string>(missing).fill('0'), ...after].map(group =>
    group.replace(/^0+(?=.)/, ''),
  );
}
