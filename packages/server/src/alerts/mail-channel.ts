import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { type Outbound, OutboundError } from '@postern/outbound/outbound';
import { createTransport } from 'nodemailer';
import { type Alert, AlertError, type ConfiguredChannel } from './alert.ts';
import { readSecret } from './read-secret.ts';

export interface MailSettings {
  readonly host: string;
  readonly port: number;
  readonly tls: 'starttls' | 'tls' | 'none';
  /** Empty: the server asks for none. */
  readonly user: string;
  readonly passwordFile: string;
  /** PEM; empty: the authorities of Node. */
  readonly caFile: string;
  readonly from: string;
  readonly to: readonly string[];
}

export interface MailParts {
  /** Domain of the service, for subject and host name. */
  readonly service: string;
  readonly outbound: Outbound;
}

const connectTimeoutMs = 10_000;
const silenceTimeoutMs = 20_000;

/** Sends alerts as mail to everybody in `mail.to`, one message for all. */
export class MailChannel implements ConfiguredChannel {
  readonly name = 'mail';
  readonly #settings: MailSettings;
  readonly #service: string;
  readonly #outbound: Outbound;

  constructor(settings: MailSettings, { service, outbound }: MailParts) {
    this.#settings = settings;
    this.#service = service;
    this.#outbound = outbound;
  }

  async send(alert: Alert): Promise<string> {
    const { host, port, from, to } = this.#settings;
    const transport = await this.#openTransport();
    try {
      const { response, rejected } = await transport.sendMail({
        from,
        to: [...to],
        subject: `[${this.#service}] ${alert.title}`,
        text: `${alert.text}\n\n${describe(alert, this.#service)}\n`,
        messageId: `<${alert.id}@${this.#service}>`,
        date: new Date(alert.createdAt),
        // No answer machine is to answer (RFC 3834 §5).
        headers: { 'Auto-Submitted': 'auto-generated' },
      });
      if (rejected.length > 0) throw this.#partlyRefused(rejected.length, response);
      return `${host}:${port} accepted the message: ${printable(response)}`;
    } catch (error) {
      throw error instanceof AlertError ? error : this.#explain(error);
    } finally {
      transport.close();
    }
  }

  async tryOut(): Promise<string> {
    const { host, port, tls, user } = this.#settings;
    const transport = await this.#openTransport();
    try {
      await transport.verify();
      const secured = tls === 'none' ? 'without TLS' : `with TLS (${tls})`;
      return `${host}:${port} answers ${secured}${user === '' ? '' : ` and accepts the sign-in of ${user}`}`;
    } catch (error) {
      throw error instanceof AlertError ? error : this.#explain(error);
    } finally {
      transport.close();
    }
  }

  async #openTransport() {
    const { host, port, tls } = this.#settings;
    return createTransport({
      host,
      port,
      name: this.#service,
      secure: tls === 'tls',
      requireTLS: tls === 'starttls',
      ignoreTLS: tls === 'none',
      auth: await this.#credentials(),
      tls: { minVersion: 'TLSv1.2', ca: await this.#authority() },
      connectionTimeout: connectTimeoutMs,
      greetingTimeout: connectTimeoutMs,
      socketTimeout: silenceTimeoutMs,
      disableFileAccess: true,
      disableUrlAccess: true,
      // Without a proxy it connects by itself, and has an own way with names of several addresses.
      ...(this.#outbound.proxyFor(host, port) !== null && {
        getSocket: (_options: unknown, done: (error: Error | null, way?: { connection: Socket }) => void) =>
          this.#outbound.connect(host, port, { timeoutMs: connectTimeoutMs }).then(
            connection => done(null, { connection }),
            (error: Error) => done(error),
          ),
      }),
    });
  }

  async #credentials(): Promise<{ user: string; pass: string } | undefined> {
    const { user, passwordFile } = this.#settings;
    if (user === '') return undefined;
    return { user, pass: await readSecret(passwordFile, 'mail.passwordFile') };
  }

  async #authority(): Promise<string | undefined> {
    const { caFile } = this.#settings;
    if (caFile === '') return undefined;
    return await readFile(caFile, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      const message = `${caFile} (mail.caFile) cannot be read (${cause.code}).`;
      throw new AlertError('untrusted', message, 'Name a PEM file that the service can read.', { cause });
    });
  }

  #partlyRefused(count: number, response: string): AlertError {
    const { host, port, to } = this.#settings;
    return new AlertError(
      'refused',
      `${host}:${port} refused ${count} of ${to.length} recipients: ${printable(response)}`,
      'Check the addresses in mail.to.',
      { isPartial: true },
    );
  }

  #explain(error: unknown): AlertError {
    const { host, port, tls } = this.#settings;
    const { code = '', message, response } = error as Error & { code?: string; response?: string };
    const where = `${host}:${port}`;
    const cause = { cause: error };
    const said = printable(response ?? message);
    if (error instanceof OutboundError) {
      const text = `${where} cannot be reached: ${error.message}`;
      return new AlertError('unreachable', text, error.remedy, cause);
    }
    if (code === 'EDNS' || /ENOTFOUND|EAI_AGAIN/.test(message)) {
      const remedy = 'Check mail.host, and that the name servers of this machine know it.';
      return new AlertError('name_not_resolved', `The name ${host} cannot be resolved.`, remedy, cause);
    }
    if (code === 'EAUTH') {
      const remedy =
        'Check mail.user and the password in mail.passwordFile, and whether the account may send by SMTP.';
      return new AlertError('authentication', `${where} refused the sign-in: ${said}`, remedy, cause);
    }
    if (code === 'ETLS' && /STARTTLS/i.test(message)) {
      const remedy =
        'Set mail.tls to "tls" where the server expects TLS from the start (often port 465), or let the server offer STARTTLS.';
      return new AlertError('no_tls', `${where} offers no TLS, and mail.tls demands it.`, remedy, cause);
    }
    if (/certificate|altname|self.signed|verify/i.test(message)) {
      const remedy =
        'If the server uses an authority of its own, name its certificate in mail.caFile; mail.host has to be a name in the server’s certificate.';
      return new AlertError(
        'untrusted',
        `The certificate of ${where} is not trusted: ${said}`,
        remedy,
        cause,
      );
    }
    if (code === 'ETIMEDOUT') {
      const remedy = `Let this machine make connections to ${where}. With mail.tls: ${tls}, see that the port is the right one for it.`;
      return new AlertError('timed_out', `${where} did not answer in time.`, remedy, cause);
    }
    if (code === 'EENVELOPE' || code === 'EMESSAGE') {
      const remedy = 'Check mail.from and mail.to, and what the server lets this account send.';
      return new AlertError('refused', `${where} refused the message: ${said}`, remedy, cause);
    }
    const remedy = `Check mail.host, mail.port and mail.tls (${tls}), and that this machine may connect there.`;
    return new AlertError('unreachable', `No mail could be sent through ${where}: ${said}`, remedy, cause);
  }
}

function describe({ details, createdAt, id }: Alert, service: string): string {
  const lines = Object.entries(details).map(([name, value]) => `${name}: ${value}`);
  return [
    '-- ',
    `service: ${service}`,
    `time: ${new Date(createdAt).toISOString()}`,
    ...lines,
    `alert: ${id}`,
  ].join('\n');
}

function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').slice(0, 300);
}
