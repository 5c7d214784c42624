import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Outbound, OutboundError } from '@postern/outbound/outbound';
import { type Dispatcher, request } from 'undici';
import { createOutboundAgent, startTls } from '../outbound/outbound-agent.ts';
import { type Alert, AlertError, type ConfiguredChannel } from './alert.ts';
import { readSecret } from './read-secret.ts';

export interface WebhookSettings {
  /** May hold a secret: only its origin is ever shown. */
  readonly url: string;
  readonly secretFile: string;
  /** PEM; empty: the authorities of Node. */
  readonly caFile: string;
}

export interface WebhookParts {
  /** Domain of the service. */
  readonly service: string;
  readonly outbound: Outbound;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** For connection, request and answer together. */
const timeoutMs = 10_000;
/** Of an answer, nothing is needed but its status. */
const maxAnswerBytes = 64 * 1024;

/**
 * Posts alerts as JSON to one address. The signature is an HMAC-SHA256 with the shared secret over time stamp, full stop
 * and body, so that a receiver can tell who sent it, and that it is no old one sent again.
 */
export class WebhookChannel implements ConfiguredChannel {
  readonly name: string;
  readonly #settings: WebhookSettings;
  readonly #parts: WebhookParts;

  /** @param name Without anything secret. */
  constructor(name: string, settings: WebhookSettings, parts: WebhookParts) {
    this.name = name;
    this.#settings = settings;
    this.#parts = parts;
  }

  async send(alert: Alert): Promise<string> {
    const secret = await readSecret(this.#settings.secretFile, 'webhooks.secretFile');
    const timestamp = String(Math.floor(this.#parts.now() / 1_000));
    const body = JSON.stringify(documentOf(alert, this.#parts.service));
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Postern',
      'postern-alert': alert.id,
      'postern-timestamp': timestamp,
      'postern-signature': `sha256=${signDelivery(secret, timestamp, body)}`,
    };
    const status = await this.#post(headers, body);
    if (status >= 300 && status < 400) throw this.#redirected(status);
    if (status < 200 || status > 299) throw this.#refused(status);
    return `${this.#origin} answered with status ${status}`;
  }

  async tryOut(): Promise<string> {
    await readSecret(this.#settings.secretFile, 'webhooks.secretFile');
    const { hostname, port, protocol } = new URL(this.#settings.url);
    const host = hostname.replace(/^\[|\]$/g, '');
    const isSecure = protocol === 'https:';
    const ca = await this.#authority();
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const target = Number(port) || (isSecure ? 443 : 80);
      const socket = await this.#parts.outbound.connect(host, target, { timeoutMs, signal });
      const last = isSecure ? await startTls(socket, host, ca, signal) : socket;
      last.on('error', () => {});
      last.destroy();
      return `${this.#origin} takes connections${isSecure ? ', and its certificate is accepted' : ''}`;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  get #origin(): string {
    return new URL(this.#settings.url).origin;
  }

  async #post(headers: Record<string, string>, body: string): Promise<number> {
    // A connection of its own: alerts are rare. Redirects are not followed, for undici does so only when asked to.
    const agent = createOutboundAgent(this.#parts.outbound, { ca: await this.#authority(), timeoutMs });
    try {
      const answer = await request(this.#settings.url, {
        method: 'POST',
        headers,
        body,
        dispatcher: agent,
        signal: AbortSignal.timeout(timeoutMs),
      });
      await discard(answer);
      return answer.statusCode;
    } catch (error) {
      throw this.#explain(error);
    } finally {
      await agent.destroy();
    }
  }

  async #authority(): Promise<string | undefined> {
    const { caFile } = this.#settings;
    if (caFile === '') return undefined;
    return await readFile(caFile, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      const message = `${caFile} (webhooks.caFile) cannot be read (${cause.code}).`;
      throw new AlertError('untrusted', message, 'Name a PEM file that the service can read.', { cause });
    });
  }

  #redirected(status: number): AlertError {
    return new AlertError(
      'redirected',
      `${this.#origin} answered with status ${status}, a redirection, which is not followed.`,
      'Put the address that it leads to into webhooks.url, if it is to get alerts.',
    );
  }

  #refused(status: number): AlertError {
    const remedy =
      status === 401 || status === 403
        ? 'See that the receiver knows the secret in webhooks.secretFile and that its clock is right.'
        : 'Look into the log of the receiver; webhooks.url may be wrong.';
    return new AlertError('refused', `${this.#origin} answered with status ${status}.`, remedy);
  }

  #explain(error: unknown): AlertError {
    const { code = '', name, message } = error as Error & { code?: string };
    const cause = { cause: error };
    if (error instanceof OutboundError && error.proxy !== null) {
      return new AlertError(
        'unreachable',
        `${this.#origin} cannot be reached: ${error.message}`,
        error.remedy,
        cause,
      );
    }
    if (code === 'name_not_resolved') {
      const remedy = 'Check webhooks.url, and that the name servers of this machine know its host.';
      return new AlertError(
        'name_not_resolved',
        `The host of ${this.#origin} has no address.`,
        remedy,
        cause,
      );
    }
    if (name === 'TimeoutError' || code === 'timed_out') {
      const remedy = 'Let this machine make connections there, and see that the receiver answers at once.';
      const text = `${this.#origin} did not answer within ${timeoutMs / 1_000} s.`;
      return new AlertError('timed_out', text, remedy, cause);
    }
    if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code)) {
      const remedy = 'If the receiver uses an authority of its own, name its certificate in webhooks.caFile.';
      return new AlertError(
        'untrusted',
        `The certificate of ${this.#origin} is not trusted (${code}).`,
        remedy,
        cause,
      );
    }
    const remedy = 'Check webhooks.url, and that this machine may make connections there.';
    const why = error instanceof OutboundError || code === '' ? message.replace(/\.$/, '') : code;
    return new AlertError('unreachable', `${this.#origin} cannot be reached (${why}).`, remedy, cause);
  }
}

/** The signature of a delivery, in hex. */
export function signDelivery(secret: string, timestamp: string, body: string): string {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
}

function documentOf({ id, type, createdAt, title, text, details }: Alert, service: string): object {
  return { id, type, time: new Date(createdAt).toISOString(), service, title, text, details };
}

async function discard({ body }: Dispatcher.ResponseData): Promise<void> {
  let length = 0;
  for await (const chunk of body) {
    length += (chunk as Buffer).length;
    if (length > maxAnswerBytes) break;
  }
}
