import { createPrivateKey, hash, randomUUID, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  dnsNamesOf,
  sha256Of,
  splitCertificates,
  thumbprintOf,
  validityOf,
} from '@postern/protocol/x509/certificate';
import { requiredNames } from '../config/certificate-names.ts';
import type { Config } from '../config/schema.ts';
import type { Directory } from '../directory/directory.ts';
import { certificateChooser, publishedHosts } from '../domains/certificate-for-host.ts';
import { deleteCertificate, namesOf, putCertificate, rowOf } from '../domains/certificates.ts';
import { markVerified } from '../domains/custom-domains.ts';
import type { NameServers } from '../domains/name-servers.ts';
import type { ChallengeRecord } from '../feed/messages.ts';
import {
  type AutomaticCertificateRow,
  deleteAutomaticCertificate,
  findAutomaticCertificate,
  listAutomaticCertificates,
  putAutomaticCertificate,
} from '../store/automatic-certificates.ts';
import { listCustomDomains } from '../store/custom-domains.ts';
import { listPublicCertificates, type PublicCertificateRow } from '../store/public-certificates.ts';
import type { SealedSecrets } from '../store/sealed-secrets.ts';
import * as events from '../telemetry/events.ts';
import type { Logger } from '../telemetry/logger.ts';
import { AcmeError, remedyFor } from './acme-error.ts';
import {
  AcmeClient,
  type Authorization,
  type Challenge,
  digestOf,
  type ExternalAccount,
  errorFrom,
  type Order,
} from './client.ts';
import type { DnsWebhook } from './dns-webhook.ts';
import { createChallengeCertificate, createKey, createRequest } from './key-material.ts';
import type { AcmeTransport } from './transport.ts';
import { type ChallengeKind, type WantedCertificate, wantedCertificates } from './wanted.ts';

/** Lets the relays answer challenges. */
export interface ChallengeBoard {
  /** Resolves when every relay does. */
  putChallenge(challenge: ChallengeRecord): Promise<void>;
  removeChallenge(id: string): void;
  /** Without relays nobody could answer. */
  readonly relayCount: number;
}

export interface AutomaticCertificatesParts {
  readonly config: Pick<Config, 'certificates' | 'domain'>;
  readonly directory: Directory;
  readonly secrets: SealedSecrets;
  readonly transport: AcmeTransport;
  readonly board: ChallengeBoard;
  readonly dnsWebhook: DnsWebhook;
  readonly nameServers: NameServers;
  /** Of some hosts those that a certificate of the configuration covers now. */
  readonly coveredByFiles: (hosts: readonly string[]) => readonly string[];
  readonly log: Logger;
  /** From 0 up to 1. */
  readonly random: () => number;
}

/** What there is and what was tried, of one certificate that is wanted. */
export interface AutomaticCertificate {
  /** Its names, with commas. */
  readonly id: string;
  readonly names: readonly string[];
  readonly status: 'waiting' | 'issued' | 'failing';
  readonly certificate: PublicCertificateRow | null;
  readonly failures: number;
  readonly lastAttemptAt: number | null;
  readonly nextAttemptAt: number | null;
  readonly error: { readonly message: string; readonly remedy: string } | null;
}

const minuteMs = 60_000;
const soonMs = 1_000;
/** After the first, second, … failure in a row; authorities count failures by the hour. */
const pausesMs = [1, 5, 20, 60, 180, 360, 720, 1_440].map(minutes => minutes * minuteMs);
const maxAtOnce = 4;
const authorizationLimitMs = 120_000;
const issueLimitMs = 120_000;
/** Days before its end at which an uploaded certificate counts no more, so that the next is there in time. */
const takeOverMs = 3 * 86_400_000;

/**
 * Gets certificates by ACME and renews them at two thirds of their life. Everything that is needed to go on after a
 * crash is in the store before the authority is asked for it: the account, each order and its key. A certificate is
 * replaced in one transaction with its successor.
 */
export class AutomaticCertificates {
  readonly #parts: AutomaticCertificatesParts;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  /** One for all orders at the same time. */
  #account: Promise<Account & { readonly url: string }> | null = null;

  constructor(parts: AutomaticCertificatesParts) {
    this.#parts = parts;
  }

  get isConfigured(): boolean {
    return this.#settings.directoryUrl !== '';
  }

  /** Has it run within a second or two: something has changed, or relays are about to come. */
  soon(): void {
    if (!this.isConfigured || this.#stop.signal.aborted) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.run().catch((error: unknown) =>
        this.#parts.log.error({ err: error }, 'certificates could not be looked after'),
      );
    }, soonMs);
  }

  /** Gets what is wanted and due; calls at the same time are one after the other. */
  run(): Promise<void> {
    const run = this.#running.then(() => this.#turn());
    this.#running = run.catch(() => undefined);
    return run;
  }

  /** What is wanted, with its state. */
  async list(): Promise<AutomaticCertificate[]> {
    if (!this.isConfigured) return [];
    const wanted = await this.#wanted();
    const rows = new Map((await listAutomaticCertificates(this.#db)).map(row => [row.key, row]));
    const issued = await this.#issued();
    return wanted.map(({ key, names }) => {
      const row = rows.get(key);
      const certificate = issued.get(key) ?? null;
      const hasFailed = row !== undefined && row.lastError !== null;
      return {
        id: key,
        names,
        status: hasFailed ? 'failing' : certificate === null ? 'waiting' : 'issued',
        certificate,
        failures: row?.failures ?? 0,
        lastAttemptAt: row?.lastAttemptAt ?? null,
        nextAttemptAt: row?.nextAttemptAt ?? null,
        error: hasFailed ? { message: row.lastError!, remedy: row.lastRemedy ?? remedyFor('') } : null,
      };
    });
  }

  /** Whether a host of the service's own gets a certificate that was got here. */
  async serves(host: string): Promise<boolean> {
    const { directory, config, coveredByFiles } = this.#parts;
    if (coveredByFiles([host]).length > 0) return false;
    const [certificates, domains] = [
      await listPublicCertificates(this.#db),
      await listCustomDomains(this.#db),
    ];
    return certificateChooser(certificates, domains, config.domain, directory.now())(host) !== null;
  }

  /**
   * Begins to get a certificate, whether or not it is due.
   *
   * @param id Its names with commas, or one of them.
   * @returns false where none is wanted under that name.
   */
  async renewNow(id: string): Promise<boolean> {
    if (!this.isConfigured) return false;
    const wanted = (await this.#wanted()).find(({ key, names }) => key === id || names.includes(id));
    if (wanted === undefined) return false;
    const run = this.#running.then(() => this.#attempt(wanted));
    this.#running = run.catch(() => undefined);
    return true;
  }

  /** Ends what is under way; the next process goes on with it. */
  async stop(): Promise<void> {
    this.#stop.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running;
  }

  get #db() {
    return this.#parts.directory.db;
  }

  get #settings() {
    return this.#parts.config.certificates.acme;
  }

  async #turn(): Promise<void> {
    if (!this.isConfigured || this.#stop.signal.aborted) return;
    if (this.#parts.board.relayCount === 0) {
      this.soon();
      return;
    }
    const wanted = await this.#wanted();
    const keys = new Set(wanted.map(({ key }) => key));
    await this.#forgetAllBut(keys);
    const issued = await this.#issued();
    await this.#deleteExpired(issued, keys);
    const rows = new Map((await listAutomaticCertificates(this.#db)).map(row => [row.key, row]));
    const now = this.#parts.directory.now();
    const due = wanted.filter(({ key }) => {
      const row = rows.get(key);
      if (row?.nextAttemptAt != null && row.nextAttemptAt > now) return false;
      const certificate = issued.get(key);
      return certificate === undefined || row?.orderUrl != null || now >= (certificate.renewAt ?? 0);
    });
    await Promise.all(
      Array.from({ length: Math.min(maxAtOnce, due.length) }, async () => {
        for (let next = due.shift(); next !== undefined; next = due.shift()) await this.#attempt(next);
      }),
    );
  }

  async #wanted(): Promise<WantedCertificate[]> {
    const { directory, config, coveredByFiles, nameServers } = this.#parts;
    const now = directory.now();
    const domains = await listCustomDomains(this.#db);
    const uploaded = (await listPublicCertificates(this.#db)).filter(({ source }) => source === 'uploaded');
    const choose = certificateChooser(uploaded, domains, config.domain, now);
    const withoutAny = (hosts: readonly string[]) => {
      const covered = new Set(coveredByFiles(hosts));
      return hosts.filter(host => {
        const certificate = choose(host);
        const isServed = certificate !== null && certificate.notAfter - takeOverMs > now;
        return !covered.has(host) && !isServed;
      });
    };
    const hosts = withoutAny([...requiredNames(config), ...(await publishedHosts(this.#db))]);
    const toProve: string[] = [];
    const own = await nameServers.addresses(`connect.${config.domain}`).catch((): string[] => []);
    for (const { name, automaticCertificates, verifiedAt } of domains) {
      if (verifiedAt !== null || automaticCertificates === 0) continue;
      // Only where it leads here already: authorities count attempts that fail.
      const addresses = await nameServers.addresses(name).catch((): string[] => []);
      if (addresses.length > 0 && addresses.every(address => own.includes(address))) toProve.push(name);
    }
    const { challenges } = this.#settings;
    return wantedCertificates({
      ownDomain: config.domain,
      hosts,
      domains,
      domainsToProve: toProve,
      challenges,
    });
  }

  /** The certificates that were got, by their names. */
  async #issued(): Promise<Map<string, PublicCertificateRow>> {
    const issued = new Map<string, PublicCertificateRow>();
    for (const row of await listPublicCertificates(this.#db)) {
      const key = [...namesOf(row)].sort().join(',');
      if (row.source === 'automatic' && !issued.has(key)) issued.set(key, row);
    }
    return issued;
  }

  async #forgetAllBut(keys: ReadonlySet<string>): Promise<void> {
    for (const { key } of await listAutomaticCertificates(this.#db)) {
      if (keys.has(key)) continue;
      await this.#db.transaction().execute(async db => {
        await deleteAutomaticCertificate(db, key);
        await this.#parts.secrets.remove(orderKeyName(key), db);
      });
    }
  }

  /** What nobody wants any more goes when it is good for nothing. */
  async #deleteExpired(
    issued: ReadonlyMap<string, PublicCertificateRow>,
    wanted: ReadonlySet<string>,
  ): Promise<void> {
    const now = this.#parts.directory.now();
    for (const [key, { id, notAfter }] of issued) {
      if (notAfter < now && !wanted.has(key)) await deleteCertificate(this.#parts, id);
    }
  }

  async #attempt(wanted: WantedCertificate): Promise<void> {
    const { directory, log } = this.#parts;
    const { key, names } = wanted;
    try {
      const row = await this.#issue(wanted);
      const { id: certificateId, thumbprint, notAfter } = row;
      events.automaticCertificateIssued(log, { certificateId, names, thumbprint, notAfter });
    } catch (error) {
      // Whoever stops us has not failed.
      if (this.#stop.signal.aborted) return;
      const before = await this.#row(wanted);
      const failures = before.failures + 1;
      const known = error instanceof AcmeError ? error : null;
      if (known?.code === 'accountDoesNotExist') await this.#forgetAccount();
      const code = known?.code ?? 'internal';
      const message = known?.message ?? 'The service failed; its log says why.';
      const pauseMs = pausesMs[Math.min(failures, pausesMs.length) - 1]! * (0.8 + 0.4 * this.#parts.random());
      const nextAttemptAt = directory.now() + Math.max(pauseMs, known?.retryAfterMs ?? 0);
      await this.#put({
        ...before,
        failures,
        lastAttemptAt: directory.now(),
        nextAttemptAt,
        lastError: message,
        lastRemedy: known?.remedy ?? remedyFor(code),
      });
      if (known === null) log.error({ err: error, key }, 'a certificate could not be got');
      events.automaticCertificateFailed(log, { names, code, reason: message, failures, nextAttemptAt });
    }
  }

  async #issue(wanted: WantedCertificate): Promise<PublicCertificateRow> {
    const { names } = wanted;
    if (wanted.challenges.length === 0) {
      throw new AcmeError(
        'no_challenge',
        `A wildcard such as ${names.find(name => name.startsWith('*.'))} can be proved by DNS records only.`,
        'Add dns-01 to certificates.acme.challenges and set certificates.acme.dnsWebhook, or upload a certificate.',
      );
    }
    const client = await this.#client();
    const { order, key } = await this.#order(client, wanted);
    const ready = await this.#authorize(client, order, wanted);
    const done = await this.#finish(client, ready, key, names);
    try {
      const pem = await client.certificate(done.certificate!);
      return await this.#keep(wanted, key, pem);
    } catch (error) {
      // The authority would say the same as often as it is asked.
      if (error instanceof AcmeError && isForGood(error)) await this.#forgetOrder(wanted);
      throw error;
    }
  }

  /** The order that was under way if it is still good for anything, else a new one. Its key is sealed before it is used. */
  async #order(client: AcmeClient, wanted: WantedCertificate): Promise<{ order: Order; key: string }> {
    const { secrets } = this.#parts;
    const row = await this.#row(wanted);
    if (row.orderUrl !== null) {
      const kept = await secrets.unseal(orderKeyName(wanted.key));
      const order = await client.order(row.orderUrl).catch((error: unknown) => {
        // Gone, or of an account that is ours no more.
        if (error instanceof AcmeError && isAboutOrder(error)) return null;
        throw error;
      });
      if (kept !== null && order !== null && order.status !== 'invalid') {
        return { order, key: kept.toString('utf8') };
      }
    }
    const order = await client.newOrder(wanted.names);
    const key = await createKey();
    await this.#db.transaction().execute(async db => {
      await secrets.seal(orderKeyName(wanted.key), key, db);
      await putAutomaticCertificate(db, { ...row, orderUrl: order.url });
    });
    return { order, key };
  }

  async #forgetOrder(wanted: WantedCertificate): Promise<void> {
    const row = await this.#row(wanted);
    await this.#db.transaction().execute(async db => {
      await putAutomaticCertificate(db, { ...row, orderUrl: null });
      await this.#parts.secrets.remove(orderKeyName(wanted.key), db);
    });
  }

  async #authorize(client: AcmeClient, order: Order, wanted: WantedCertificate): Promise<Order> {
    if (order.status !== 'pending') return order;
    for (const url of order.authorizations) {
      const authorization = await client.authorization(url);
      if (authorization.status === 'valid') continue;
      await this.#prove(client, url, authorization, wanted);
    }
    return client.poll(
      () => client.order(order.url),
      ({ status }) => status !== 'pending',
      authorizationLimitMs,
    );
  }

  async #prove(
    client: AcmeClient,
    url: string,
    authorization: Authorization,
    wanted: WantedCertificate,
  ): Promise<void> {
    const host = authorization.identifier.value;
    const { failures } = await this.#row(wanted);
    const challenge = chooseChallenge(authorization.challenges, wanted.challenges, failures);
    if (challenge === null || challenge.token === undefined) {
      const offered = authorization.challenges.map(({ type }) => type).join(', ');
      throw new AcmeError(
        'no_challenge',
        `The authority offers ${offered} for ${host}, and none of these is in certificates.acme.challenges.`,
        'Add one of them to certificates.acme.challenges.',
      );
    }
    const keyAuthorization = await client.keyAuthorization(challenge.token);
    const { kind, token } = { kind: challenge.type as ChallengeKind, token: challenge.token };
    const withdraw = await this.#present(kind, host, token, keyAuthorization);
    try {
      if (challenge.status === 'pending') await client.respond(challenge.url);
      const decided = await client.poll(
        () => client.authorization(url),
        ({ status }) => status !== 'pending',
        authorizationLimitMs,
      );
      if (decided.status === 'valid') return;
      const failed = decided.challenges.find(({ error }) => error !== undefined);
      throw errorFrom(failed?.error ?? { type: 'unauthorized', detail: `it is ${decided.status}` });
    } finally {
      await withdraw();
    }
  }

  /** Shows the answer to a challenge; gives what takes it away. */
  async #present(
    kind: ChallengeKind,
    host: string,
    token: string,
    keyAuthorization: string,
  ): Promise<() => Promise<void>> {
    const { board, dnsWebhook, directory, log } = this.#parts;
    if (kind === 'dns-01') {
      const name = `_acme-challenge.${host}`;
      const value = digestOf(keyAuthorization).toString('base64url');
      await dnsWebhook.create(name, value, this.#stop.signal);
      return () =>
        dnsWebhook.remove(name, value, AbortSignal.timeout(minuteMs)).catch((error: unknown) => {
          log.warn({ error: (error as Error).message, name }, 'a DNS record of a challenge was not removed');
        });
    }
    const id = randomUUID();
    if (kind === 'http-01') {
      await board.putChallenge({ kind, id, host, token, keyAuthorization });
    } else {
      const pair = await createChallengeCertificate(host, digestOf(keyAuthorization), directory.now());
      await board.putChallenge({ kind, id, host, ...pair });
    }
    return async () => board.removeChallenge(id);
  }

  async #finish(client: AcmeClient, order: Order, key: string, names: readonly string[]): Promise<Order> {
    const handedIn =
      order.status === 'ready' ? await client.finalize(order, await createRequest(key, names)) : order;
    const done = await client.poll(
      () => client.order(handedIn.url),
      ({ status }) => status === 'valid' || status === 'invalid',
      issueLimitMs,
    );
    if (done.status === 'valid' && done.certificate !== undefined) return done;
    throw errorFrom(done.error ?? { type: 'orderNotReady', detail: 'the order is invalid' });
  }

  /** Takes a certificate into service, in place of the one before, and ends the order. */
  async #keep(wanted: WantedCertificate, key: string, pem: string): Promise<PublicCertificateRow> {
    const { directory, secrets, random } = this.#parts;
    const chain = splitCertificates(pem);
    const leaf = readLeaf(chain);
    const names = leaf === null ? [] : dnsNamesOf(leaf);
    const isOurs = leaf?.checkPrivateKey(createPrivateKey(key)) === true;
    if (leaf === null || !isOurs || !wanted.names.every(name => names.includes(name))) {
      throw new AcmeError(
        'wrong_certificate',
        'What the authority issued is not the certificate that was asked for.',
        remedyFor(''),
      );
    }
    const validity = validityOf(leaf);
    const lifeMs = validity.notAfter - validity.notBefore;
    // Jitter, so that what was issued together is not renewed together.
    const renewAt = Math.round(validity.notBefore + (lifeMs * 2) / 3 - (lifeMs / 20) * random());
    const usable = {
      ...{ pem: chain.join(''), privateKey: key, names },
      ...{ sha256: sha256Of(leaf), thumbprint: thumbprintOf(leaf) },
      ...validity,
    };
    const now = directory.now();
    const certificate = rowOf(usable, 'automatic', renewAt, now);
    await directory.change(
      async (db, touched) => {
        await putCertificate(db, touched, secrets, certificate, key);
        await putAutomaticCertificate(db, { ...emptyRow(wanted), lastAttemptAt: now });
        await secrets.remove(orderKeyName(wanted.key), db);
      },
      { awaitRelays: true },
    );
    if (wanted.proves !== null) await markVerified(directory, wanted.proves, 'acme');
    return certificate;
  }

  async #client(): Promise<AcmeClient> {
    this.#account ??= this.#openAccount().catch(error => {
      this.#account = null;
      throw error;
    });
    const { privateKey, url } = await this.#account;
    return this.#clientFor(privateKey, url);
  }

  #clientFor(privateKey: string, accountUrl: string | null): AcmeClient {
    return new AcmeClient({
      directoryUrl: this.#settings.directoryUrl,
      transport: this.#parts.transport,
      signal: this.#stop.signal,
      key: createPrivateKey(privateKey),
      accountUrl,
    });
  }

  async #openAccount(): Promise<Account & { readonly url: string }> {
    const { secrets } = this.#parts;
    const name = accountName(this.#settings.directoryUrl);
    const kept = await secrets.unseal(name);
    const account = kept === null ? null : (JSON.parse(kept.toString('utf8')) as Account);
    const privateKey = account?.privateKey ?? (await createKey());
    if (account !== null && account.url !== null) return { privateKey, url: account.url };
    // Before the authority hears of it: a key that was lost would leave an account behind that nobody can use.
    if (account === null) await secrets.seal(name, JSON.stringify({ privateKey, url: null }));
    const url = await this.#clientFor(privateKey, null).register({
      email: this.#settings.email,
      externalAccount: await this.#externalAccount(),
    });
    await secrets.seal(name, JSON.stringify({ privateKey, url }));
    return { privateKey, url };
  }

  /** The authority knows the account no more: the next attempt makes it anew, with the same key. */
  async #forgetAccount(): Promise<void> {
    const account = await this.#account;
    this.#account = null;
    if (account === null) return;
    const { privateKey } = account;
    const name = accountName(this.#settings.directoryUrl);
    await this.#parts.secrets.seal(name, JSON.stringify({ privateKey, url: null }));
  }

  async #externalAccount(): Promise<ExternalAccount | null> {
    const { externalAccountKeyId: keyId, externalAccountKeyFile: file } = this.#settings;
    if (keyId === '') return null;
    const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new AcmeError(
        'externalAccountRequired',
        `${file} (certificates.acme.externalAccountKeyFile) cannot be read (${cause.code}).`,
        'Name a file that the service can read, with the key as the authority gave it (base64url).',
        { cause },
      );
    });
    return { keyId, key: Buffer.from(text.trim(), 'base64url') };
  }

  async #row(wanted: WantedCertificate): Promise<AutomaticCertificateRow> {
    return (await findAutomaticCertificate(this.#db, wanted.key)) ?? emptyRow(wanted);
  }

  async #put(row: AutomaticCertificateRow): Promise<void> {
    await putAutomaticCertificate(this.#db, row);
  }
}

interface Account {
  readonly privateKey: string;
  readonly url: string | null;
}

/** Another directory is another account, with a key of its own. */
function accountName(directoryUrl: string): string {
  return `acme-account:${hash('sha256', directoryUrl, 'base64url')}`;
}

function emptyRow({ key, names }: WantedCertificate): AutomaticCertificateRow {
  return {
    key,
    namesJson: JSON.stringify(names),
    orderUrl: null,
    failures: 0,
    lastAttemptAt: null,
    nextAttemptAt: null,
    lastError: null,
    lastRemedy: null,
  };
}

/** Under which name the key of an order is sealed. */
function orderKeyName(key: string): string {
  return `acme-order-key:${key}`;
}

/** Null where it cannot be read. */
function readLeaf([leaf = '']: readonly string[]): X509Certificate | null {
  try {
    return new X509Certificate(leaf);
  } catch {
    return null;
  }
}

/** Of a certificate that was asked for: there is none, or another one. */
function isForGood({ code }: AcmeError): boolean {
  return code === 'malformed' || code === 'wrong_certificate';
}

function isAboutOrder({ code }: AcmeError): boolean {
  return code === 'malformed' || code === 'unauthorized' || code === 'not_acme';
}

/** With every failure the next of the ways that both sides know. */
function chooseChallenge(
  offered: readonly Challenge[],
  preferred: readonly ChallengeKind[],
  failures: number,
): Challenge | null {
  const usable = preferred.flatMap(kind => offered.filter(({ type }) => type === kind));
  return usable.length === 0 ? null : usable[failures % usable.length]!;
}
