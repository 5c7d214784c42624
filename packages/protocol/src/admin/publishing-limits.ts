import { z } from 'zod';
import { id } from './collection.ts';

/** Limits and protection of one application, and its maintenance mode. Names of ours: Entra has the mode only, in its portal. */

/**
 * One address, or a network in CIDR notation.
 *
 * @returns the address's family and how many bits count; null where the text is neither.
 */
export function parseNetwork(
  text: string,
): { address: string; family: 'ipv4' | 'ipv6'; bits: number } | null {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIpv4(address) ? 'ipv4' : isIpv6(address) ? 'ipv6' : null;
  if (family === null || rest.length > 0) return null;
  const most = family === 'ipv4' ? 32 : 128;
  if (bits === undefined) return { address, family, bits: most };
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > most) return null;
  return { address, family, bits: Number(bits) };
}

const network = z
  .string()
  .max(50)
  .refine(text => parseNetwork(text) !== null, {
    error: 'must be an address or a network such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32',
  });

const networkList = (description: string) => z.array(network).max(1_000).meta({ description });
const most = (limit: number, description: string) => z.int().min(0).max(limit).meta({ description });

/** What one application lets clients use. A client is one address; of IPv6, one /64. */
export const applicationLimits = z
  .strictObject({
    requestsPerMinute: most(
      100_000_000,
      'Most requests a minute of all clients together; beyond, 429 with Retry-After. As many may come at once. 0: no limit. Default 0.',
    ),
    requestsPerMinutePerClient: most(
      100_000_000,
      'Most requests a minute of one client. As many may come at once. 0: no limit. Default 0.',
    ),
    openRequests: most(
      1_000_000,
      'Most requests of all clients together that are under way at a time, upgrades included. 0: no limit. Default 0.',
    ),
    openRequestsPerClient: most(
      1_000_000,
      'Most requests of one client that are under way at a time, upgrades included. 0: no limit. Default 0.',
    ),
    openUpgrades: most(
      1_000_000,
      'Most WebSockets and other upgrades of all clients together. 0: no limit. Default 0.',
    ),
    openUpgradesPerClient: most(
      1_000_000,
      'Most WebSockets and other upgrades of one client. 0: no limit. Default 0.',
    ),
    allowedNetworks: networkList(
      'Addresses and networks that may use the application. Empty: everybody. Default empty.',
    ),
    deniedNetworks: networkList(
      'Addresses and networks that may not use the application, allowed or not. Default empty.',
    ),
  })
  .meta({ id: 'ApplicationLimits' });
export type ApplicationLimits = z.infer<typeof applicationLimits>;

/** Whether people find the application or a page that says that it is being worked on. */
export const maintenanceMode = z
  .strictObject({
    isEnabled: z
      .boolean()
      .meta({ description: 'Answer 503 with a page in place of the application. Default false.' }),
    message: z
      .string()
      .trim()
      .max(1_000)
      .regex(/^[^\p{Cc}\u2028\u2029]*$/u, { error: 'must be one line without control characters' })
      .meta({
        description: 'What the page says, in one line. Empty: that the application is being worked on.',
        examples: ['The wiki moves to a new server and is back at 14:00 UTC.'],
      }),
    retryAfterSeconds: z
      .int()
      .min(1)
      .max(604_800)
      .meta({ description: 'What Retry-After says, in seconds. Default 300.' }),
    exceptPrincipalIds: z.array(id).max(100).meta({
      description:
        'Ids of users and groups that reach the application all the same. Others are asked to sign in first where there is one. Default empty.',
    }),
  })
  .meta({ id: 'MaintenanceMode' });
export type MaintenanceMode = z.infer<typeof maintenanceMode>;

/** No limit, everybody allowed, no maintenance. */
export const limitDefaults: {
  readonly limits: ApplicationLimits;
  readonly maintenanceMode: MaintenanceMode;
} = {
  limits: {
    requestsPerMinute: 0,
    requestsPerMinutePerClient: 0,
    openRequests: 0,
    openRequestsPerClient: 0,
    openUpgrades: 0,
    openUpgradesPerClient: 0,
    allowedNetworks: [],
    deniedNetworks: [],
  },
  maintenanceMode: { isEnabled: false, message: '', retryAfterSeconds: 300, exceptPrincipalIds: [] },
};

// Without leading zeros, which some read as octal.
const ipv4 = /^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;

function isIpv4(text: string): boolean {
  return ipv4.test(text);
}

/** RFC 4291 §2.2, without a zone. */
function isIpv6(text: string): boolean {
  return /^[0-9a-f:.]+$/i.test(text) && text.includes(':') && URL.canParse(`http://[${text}]/`);
}
