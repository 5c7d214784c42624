import type { Outbound } from '@postern/outbound/outbound';
import type { Config } from '../config/schema.ts';
import type { ConfiguredChannel } from './alert.ts';
import { MailChannel } from './mail-channel.ts';
import { WebhookChannel } from './webhook-channel.ts';

/**
 * Makes the channels that are configured: mail, then the webhooks in their order.
 *
 * @param outbound How they connect.
 * @param now Milliseconds since the epoch.
 */
export function createChannels(
  { domain, mail, webhooks }: Pick<Config, 'domain' | 'mail' | 'webhooks'>,
  outbound: Outbound,
  now: () => number,
): ConfiguredChannel[] {
  const names = new Map<string, number>();
  const hooks = webhooks.map(settings => {
    // Only the origin: the rest of the address may be a secret. Several at one origin are told apart by their number.
    const { origin } = new URL(settings.url);
    const number = (names.get(origin) ?? 0) + 1;
    names.set(origin, number);
    const name = number === 1 ? `webhook ${origin}` : `webhook ${origin} (${number})`;
    return new WebhookChannel(name, settings, { service: domain, outbound, now });
  });
  return [...(mail.host === '' ? [] : [new MailChannel(mail, { service: domain, outbound })]), ...hooks];
}
