import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Outbound, OutboundError } from '@postern/outbound/outbound';
import { request } from 'undici';
import { readSecret } from '../alerts/read-secret.ts';
import { signDelivery } from '../alerts/webhook-channel.ts';
import type { NameServers } from '../domains/name-servers.ts';
import { createOutboundAgent } from '../outbound/outbound-agent.ts';
import { AcmeError } from './acme-error.ts';

export interface DnsWebhookSettings {
  /** Only its origin is ever shown. */
  readonly url: string;
  readonly secretFile: string;
  /** PEM; empty: the authorities of Node. */
  readonly caFile: string;
  /** How long a record may take until the name servers show it. */
  readonly propagationTimeoutMs: number;
}

export interface DnsWebhookParts {
  readonly settings: DnsWebhookSettings;
  readonly outbound: Outbound;
  readonly nameServers: NameServers;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const timeoutMs = 30_000;
const pauseMs = 2_000;

/**
 * Has TXT records made and removed by a program of the operator: a signed POST for each, as alerts are signed. What it
 * answers with counts by its status alone.
 */
export class DnsWebhook {
  readonly #parts: DnsWebhookParts;

  constructor(parts: DnsWebhookParts) {
    this.#parts = parts;
  }

  /**
   * Has a record made, and waits until the name servers show it.
   *
   * @throws AcmeError `dns_webhook`, `dns_not_propagated`.
   */
  async create(name: string, value: string, signal: AbortSignal): Promise<void> {
    await this.#post('create', name, value, signal);
    const { nameServers, settings } = this.#parts;
    const end = performance.now() + settings.propagationTimeoutMs;
    for (;;) {
      const texts = await nameServers.texts(name).catch((): string[] => []);
      if (texts.includes(value)) return;
      if (performance.now() > end) break;
      await delay(pauseMs, undefined, { signal });
    }
    throw new AcmeError(
      'dns_not_propagated',
      `The webhook has made the TXT record ${name}, but the name servers do not show it after ${settings.propagationTimeoutMs / 1_000} s.`,
      'See that the webhook writes to the servers that the internet asks; give it more time with certificates.acme.dnsWebhook.propagationTimeoutMs.',
    );
  }

  /** @throws AcmeError `dns_webhook` */
  async remove(name: string, value: string, signal: AbortSignal): Promise<void> {
    await this.#post('delete', name, value, signal);
  }

  async #post(action: 'create' | 'delete', name: string, value: string, signal: AbortSignal): Promise<void> {
    const { settings, outbound, now } = this.#parts;
    const { origin } = new URL(settings.url);
    const agent = createOutboundAgent(outbound, await this.#authority());
    try {
      const secret = await readSecret(settings.secretFile, 'certificates.acme.dnsWebhook.secretFile');
      const timestamp = String(Math.floor(now() / 1_000));
      const body = JSON.stringify({ id: randomUUID(), action, name, type: 'TXT', value, ttl: 60 });
      const answer = await request(settings.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'Postern',
          'postern-timestamp': timestamp,
          'postern-signature': `sha256=${signDelivery(secret, timestamp, body)}`,
        },
        body,
        dispatcher: agent,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      await answer.body.dump();
      if (answer.statusCode >= 200 && answer.statusCode <= 299) return;
      throw failed(`${origin} answered with status ${answer.statusCode}`);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AcmeError) throw error;
      throw failed(
        error instanceof OutboundError || error instanceof Error ? error.message : String(error),
        error,
      );
    } finally {
      await agent.destroy();
    }
  }

  async #authority(): Promise<{ ca?: string }> {
    const { caFile } = this.#parts.settings;
    return caFile === '' ? {} : { ca: await readFile(caFile, 'utf8') };
  }
}

function failed(why: string, cause?: unknown): AcmeError {
  return new AcmeError(
    'dns_webhook',
    `The webhook that makes DNS records failed: ${why}.`,
    'Check certificates.acme.dnsWebhook and the log of the program behind it.',
    { cause },
  );
}
