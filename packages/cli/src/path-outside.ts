import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { connect as netConnect, type Socket } from 'node:net';
import { checkServerIdentity, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { addressPatienceMs, lookupName } from '@postern/outbound/lookup-name';
import type { Outbound } from '@postern/outbound/outbound';
import type { ServiceAddress } from './service-address.ts';

/** A station between this machine and the service. */
export interface OutsideHop {
  readonly hop: 'dns' | 'connect' | 'tls' | 'service';
  readonly state: 'passed' | 'warning' | 'failed' | 'notRun';
  /** From the start of the walk, in milliseconds. */
  readonly startMs: number | null;
  readonly durationMs: number | null;
  readonly detail: string;
  /** A stable name of what is wrong. */
  readonly code: string | null;
  readonly remedy: string | null;
}

export interface OutsideParts {
  readonly service: ServiceAddress;
  /** PEM, of whom certificates are accepted. */
  readonly authorities: readonly string[];
  readonly outbound: Outbound;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** Every step by itself. */
const timeoutMs = 10_000;
/** From here on a certificate ought to have been renewed. */
const soonDays = 14;
const dayMs = 24 * 3_600_000;

/** Walks from this machine to the service, as a browser does that opens an external URL, and tells of each step. */
export async function walkOutside(url: URL, parts: OutsideParts): Promise<OutsideHop[]> {
  const walk = new Walk(url, parts);
  await walk.run();
  return walk.hops;
}

/** A step that failed, in the words that a person reads. */
class StepFailure extends Error {
  readonly code: string;
  readonly remedy: string;

  constructor(code: string, message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.remedy = remedy;
  }
}

interface Seen {
  readonly detail: string;
  readonly warning?: { readonly code: string; readonly remedy: string };
}

class Walk {
  readonly hops: OutsideHop[] = [];
  readonly #url: URL;
  readonly #parts: OutsideParts;
  readonly #port: number;
  readonly #startedAt: number;
  #addresses: readonly string[] = [];
  /** What the name's addresses have to do with the service's; a hint for what fails behind. */
  #isElsewhere = false;
  #socket: Socket | null = null;
  #tls: TLSSocket | null = null;

  constructor(url: URL, parts: OutsideParts) {
    this.#url = url;
    this.#parts = parts;
    this.#port = url.port === '' ? 443 : Number(url.port);
    this.#startedAt = parts.now();
  }

  async run(): Promise<void> {
    const { outbound } = this.#parts;
    const proxy = outbound.proxyFor(this.#url.hostname, this.#port);
    try {
      if (proxy !== null) this.#skip('dns', `the proxy ${proxy.host} resolves it`);
      const isOnItsWay =
        (proxy !== null || (await this.#step('dns', () => this.#resolve()))) &&
        (await this.#step('connect', () => this.#connect())) &&
        (await this.#step('tls', () => this.#handshake())) &&
        (await this.#step('service', () => this.#ask()));
      if (!isOnItsWay) this.#skipRest();
    } finally {
      this.#tls?.destroy();
      this.#socket?.destroy();
    }
  }

  async #step(hop: OutsideHop['hop'], run: () => Promise<Seen>): Promise<boolean> {
    const { now } = this.#parts;
    const from = now();
    const times = () => ({ startMs: round(from - this.#startedAt), durationMs: round(now() - from) });
    try {
      const { detail, warning } = await run();
      const state = warning === undefined ? 'passed' : 'warning';
      const { code = null, remedy = null } = warning ?? {};
      this.hops.push({ hop, state, ...times(), detail, code, remedy });
      return true;
    } catch (error) {
      if (!(error instanceof StepFailure)) throw error;
      const { code, message: detail, remedy } = error;
      this.hops.push({ hop, state: 'failed', ...times(), detail, code, remedy });
      return false;
    }
  }

  #skip(hop: OutsideHop['hop'], detail: string): void {
    this.hops.push({
      hop,
      state: 'notRun',
      startMs: null,
      durationMs: null,
      detail,
      code: null,
      remedy: null,
    });
  }

  #skipRest(): void {
    for (const hop of ['connect', 'tls', 'service'] as const) {
      if (!this.hops.some(one => one.hop === hop)) this.#skip(hop, 'not reached');
    }
  }

  async #resolve(): Promise<Seen> {
    const { hostname } = this.#url;
    const portal = new URL(this.#parts.service.portalOrigin).hostname;
    try {
      this.#addresses = await resolve(hostname);
    } catch (error) {
      throw new StepFailure(
        'name_not_resolved',
        `${hostname} has no address`,
        `Create its DNS record: the same address that ${portal} has. For a domain of your own, postern domain show says which record.`,
        { cause: error },
      );
    }
    const detail = this.#addresses.join(', ');
    const ours = await resolve(portal).catch(() => null);
    this.#isElsewhere = ours !== null && !this.#addresses.some(one => ours.includes(one));
    if (!this.#isElsewhere) return { detail };
    const remedy = `The service itself is at ${ours!.join(', ')}. Where no load balancer or proxy of yours stands at the other address, correct the DNS record of ${hostname}.`;
    return { detail, warning: { code: 'name_leads_elsewhere', remedy } };
  }

  async #connect(): Promise<Seen> {
    const { hostname } = this.#url;
    const { outbound } = this.#parts;
    try {
      if (outbound.proxyFor(hostname, this.#port) !== null) {
        this.#socket = await outbound.connect(hostname, this.#port, { timeoutMs });
        return { detail: `${hostname}:${this.#port}, through the proxy` };
      }
      const socket = netConnect({
        host: hostname,
        port: this.#port,
        lookup: lookupName,
        autoSelectFamilyAttemptTimeout: addressPatienceMs,
      });
      this.#socket = socket;
      await within(socket, 'connect');
      const { remoteAddress = '', remotePort } = socket;
      return {
        detail: `${remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`,
      };
    } catch (error) {
      const { code = 'unreachable', message } = error as NodeJS.ErrnoException;
      throw new StepFailure(
        code.toLowerCase(),
        code === 'ECONNREFUSED' ? `nothing listens at port ${this.#port}` : message,
        this.#isElsewhere
          ? `Correct the DNS record of ${hostname} first: it leads to ${this.#addresses.join(', ')}, which is not where the service is.`
          : `Is the service running, and does a firewall let port ${this.#port} through to it? postern doctor on its machine says more.`,
        { cause: error },
      );
    }
  }

  async #handshake(): Promise<Seen> {
    const { hostname } = this.#url;
    const { authorities, clock } = this.#parts;
    const tls = tlsConnect({
      socket: this.#socket!,
      servername: hostname,
      ca: [...authorities],
      ALPNProtocols: ['http/1.1'],
      // What is wrong with a certificate is told from the certificate, all of it.
      rejectUnauthorized: false,
    });
    this.#tls = tls;
    try {
      await within(tls, 'secureConnect');
    } catch (error) {
      throw new StepFailure(
        'tls_failed',
        (error as Error).message,
        this.#otherServer('No TLS is spoken there.'),
        { cause: error },
      );
    }
    const certificate = tls.getPeerCertificate();
    const until = new Date(certificate.valid_to);
    const days = Math.floor((until.getTime() - clock()) / dayMs);
    const names = (certificate.subjectaltname ?? '').replaceAll('DNS:', '');
    const renew =
      'Renew it: postern certificate list says which it is and why it was not renewed; postern certificate upload replaces it.';
    if (until.getTime() < clock()) {
      const on = until.toISOString().slice(0, 10);
      throw new StepFailure('certificate_expired', `the certificate expired on ${on}`, renew);
    }
    if (checkServerIdentity(hostname, certificate) !== undefined) {
      throw new StepFailure(
        'certificate_for_other_name',
        `the certificate is for ${names || 'no name'}`,
        this.#otherServer(`Get one for ${hostname}: postern certificate upload, or automatic certificates.`),
      );
    }
    if (!tls.authorized) {
      throw new StepFailure(
        'certificate_not_trusted',
        `the certificate is not trusted here (${String(tls.authorizationError)})`,
        'Browsers of this machine will refuse it, too. If the authority is your own, trust it, or name it with --ca-file.',
      );
    }
    const left = days === 1 ? '1 day left' : `${days} days left`;
    const detail = `${names.split(', ')[0]}, ${left}`;
    return days < soonDays ? { detail, warning: { code: 'certificate_expires', remedy: renew } } : { detail };
  }

  async #ask(): Promise<Seen> {
    const { service } = this.#parts;
    const tls = this.#tls!;
    tls.write(
      `GET /.postern/service HTTP/1.1\r\nHost: ${this.#url.host}\r\nAccept: application/json\r\nConnection: close\r\n\r\n`,
    );
    const said = await readAnswer(tls);
    const domain = /^HTTP\/1\.1 200 .*\{"service":"postern","domain":"([^"]+)"\}/s.exec(said)?.[1];
    if (domain === service.domain) return { detail: `Postern of ${domain}` };
    const status = /^HTTP\/1\.\d (\d{3})/.exec(said)?.[1];
    throw new StepFailure(
      'other_service',
      domain === undefined
        ? `what answers there is not this service${status === undefined ? '' : ` (${status})`}`
        : `the service of ${domain} answers`,
      this.#otherServer('Is the application published, and its host under a domain of this service?'),
    );
  }

  #otherServer(otherwise: string): string {
    if (!this.#isElsewhere) return otherwise;
    return `${this.#url.hostname} leads to ${this.#addresses.join(', ')}, which is not where the service is: correct its DNS record.`;
  }
}

function resolve(host: string): Promise<string[]> {
  return new Promise((done, fail) => {
    lookupName(host, { all: true }, (error, found) => {
      if (error !== null) return fail(error);
      done((found as LookupAddress[]).map(({ address }) => address));
    });
  });
}

async function within(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  const timer = setTimeout(
    () => socket.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`)),
    timeoutMs,
  );
  const onClose = () => socket.emit('error', new Error('the connection was closed at once'));
  socket.once('close', onClose);
  try {
    await once(socket, event);
  } finally {
    clearTimeout(timer);
    socket.off('close', onClose);
    socket.on('error', () => {});
  }
}

/** The first bytes of an answer, until it ends or says nothing more. */
async function readAnswer(socket: Socket): Promise<string> {
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  let said = '';
  const { promise, resolve: done } = Promise.withResolvers<void>();
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    said += text;
    if (said.length > 64 * 1024) socket.destroy();
  });
  socket.once('close', () => done());
  socket.once('end', () => done());
  await promise;
  clearTimeout(timer);
  return said;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
