import { CliError } from './cli-error.ts';

/** A service as a person names it: its domain and public port, and the origins that follow from them. */
export interface ServiceAddress {
  /** `example.com` or `postern.localhost:8443`; the key in the credentials file. */
  readonly name: string;
  readonly domain: string;
  readonly port: number;
  readonly portalOrigin: string;
  readonly loginOrigin: string;
  readonly connectOrigin: string;
}

/**
 * Reads a domain (`example.com`, `postern.localhost:8443`) or the address of one of the service's own pages
 * (`https://portal.example.com/…`).
 *
 * @throws CliError `usage` where it is neither.
 */
export function parseServiceAddress(text: string): ServiceAddress {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`);
  if (url === null || url.hostname === '') {
    throw new CliError('usage', `"${text}" is not the address of a service.`, {
      remedy: 'Give its domain, such as example.com, or the address of its portal.',
    });
  }
  if (url.protocol !== 'https:') {
    throw new CliError('usage', 'A service is reached over https only.', {
      remedy: `Use https://${url.host}.`,
    });
  }
  const domain = url.hostname.replace(/^(portal|login|connect)\./, '');
  const port = url.port === '' ? 443 : Number(url.port);
  const suffix = port === 443 ? '' : `:${port}`;
  return {
    name: `${domain}${suffix}`,
    domain,
    port,
    portalOrigin: `https://portal.${domain}${suffix}`,
    loginOrigin: `https://login.${domain}${suffix}`,
    connectOrigin: `https://connect.${domain}${suffix}`,
  };
}
