import { controlHosts, plainHttpPort } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { guardedPageHeaders } from '../pages/page-headers.ts';
import { portCheckContentSecurityPolicy, renderPortCheck } from './port-check-page.ts';
import { regionsOf } from './regions.ts';

/** Asked by pages of any service: it says that the port is open, and nothing else. */
export const probePath = '/.postern/port-check';

/**
 * Leads back to plain HTTP. Browsers try https first for an address that says http, and take a redirection to http for
 * the answer that there is none; the page at `/` would just be shown over https again.
 */
export const plainPath = '/plain';

export interface PortCheckAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Whatever page asks may know that this port is open; it says nothing about the person, and takes no cookies. */
const probeHeaders = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET',
  // Browsers ask this before a page from the internet may reach a service in a private network.
  'access-control-allow-private-network': 'true',
  'cross-origin-resource-policy': 'cross-origin',
  'cache-control': 'no-store',
} as const;

/**
 * Answers for `portcheck.<domain>`, the same over https and in the clear.
 *
 * @param path Without the query.
 * @returns null for every other path.
 */
export function answerPortCheck(
  config: Pick<Config, 'domain' | 'publicPort' | 'listen' | 'portCheck'>,
  scheme: 'http' | 'https',
  path: string,
): PortCheckAnswer | null {
  if (path === probePath) return { status: 204, headers: probeHeaders, body: '' };
  if (path !== '/' && path !== plainPath) return null;
  const plainUrl = plainUrlOf(config);
  if (path === plainPath && scheme === 'https') {
    const location = plainUrl ?? '/';
    return { status: 307, headers: { location, 'cache-control': 'no-store' }, body: '' };
  }
  const regions = regionsOf(config);
  return {
    status: 200,
    headers: {
      ...guardedPageHeaders,
      'content-security-policy': portCheckContentSecurityPolicy(regions),
    },
    body: renderPortCheck({
      domain: config.domain,
      scheme,
      plainUrl,
      regions,
      httpsPort: config.publicPort,
      httpPort: plainHttpPort(config),
    }),
  };
}

function plainUrlOf(config: Pick<Config, 'domain' | 'publicPort' | 'listen'>): string | null {
  const port = plainHttpPort(config);
  if (port === null) return null;
  return `http://${controlHosts(config).portcheck}${port === 80 ? '' : `:${port}`}${plainPath}`;
}
