import type { OutboundProxy } from '@postern/outbound/outbound';
import type { DoctorContext } from './context.ts';
import type { Endpoint } from './probe.ts';

/**
 * The command with which an administrator repeats a request by hand. A proxy's password is never in it: curl asks for
 * it where only the user is given.
 *
 * @param options Further options of curl.
 */
export function curl(context: DoctorContext, url: string, options: readonly string[] = []): string {
  const { hostname, port, protocol } = new URL(url);
  const proxy = context.outbound.proxyFor(hostname, Number(port) || (protocol === 'https:' ? 443 : 80));
  const ca = context.caFile === null || protocol !== 'https:' ? [] : ['--cacert', context.caFile];
  return shell(['curl', '-v', ...proxyOptions(proxy), ...ca, ...options, url]);
}

/** The same for a TLS connection. @param options Further options of s_client. */
export function sClient(
  context: DoctorContext,
  { host, port }: Endpoint,
  options: readonly string[] = [],
): string {
  const proxy = context.outbound.proxyFor(host, port);
  // s_client cannot speak TLS with a proxy.
  if (proxy?.tls) return curl(context, `https://${authorityOf(host)}:${port}/`, ['-k']);
  const through = proxy === null ? [] : ['-proxy', `${proxy.host}:${proxy.port}`];
  const user = proxy?.user == null ? [] : ['-proxy_user', proxy.user];
  return shell([
    'openssl',
    's_client',
    '-connect',
    `${host}:${port}`,
    '-servername',
    host,
    ...through,
    ...user,
    ...options,
  ]);
}

function proxyOptions(proxy: OutboundProxy | null): string[] {
  // Without this, curl would go by the shell's variables, which need not be the connector's.
  if (proxy === null) return ['--noproxy', '*'];
  return [
    '-x',
    `${proxy.tls ? 'https' : 'http'}://${authorityOf(proxy.host)}:${proxy.port}`,
    ...(proxy.user === null ? [] : ['-U', proxy.user, '--proxy-anyauth']),
  ];
}

function authorityOf(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Joins words so that a POSIX shell takes them apart in the same way. */
export function shell(words: readonly string[]): string {
  return words
    .map(word => (/^[A-Za-z0-9@%_+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}
