import type { Log } from '../events/log.ts';
import type { TunnelClient } from '../tunnel-client.ts';
import type { TunnelKeeper } from '../tunnel-keeper.ts';
import { AnchorsError, fingerprintsOf, readAnchors } from './anchors.ts';
import type { CertificatePair } from './certificate-store.ts';
import { ExpiryNotice } from './expiry-notice.ts';
import { type Identity, loadIdentity } from './identity.ts';
import { IdentityWatch } from './identity-watch.ts';
import { RenewalError } from './renewal.ts';
import { Renewer } from './renewer.ts';
import { ServiceClock } from './service-clock.ts';
import { readServiceSettings, writeServiceSettings } from './service-settings.ts';

export interface TrustLifecycleParts {
  readonly dataDir: string;
  readonly identity: Identity;
  readonly keeper: Pick<TunnelKeeper, 'pair' | 'live' | 'tryPair' | 'dropTrial' | 'adopt' | 'trust'>;
  readonly log: Log;
  /** What is used from now on has changed: renewed here, or registered by another program. */
  readonly onIdentity: (identity: Identity) => void;
  readonly timing?: TrustTiming;
}

/** What the service's word on its authorities comes through. */
export type AnnouncingTunnel = Pick<TunnelClient, 'serverCertificate' | 'confirmAnchors'>;

/** How often things are looked at; tests are in more of a hurry than certificates. */
export interface TrustTiming {
  /** Whether a renewal is due. Default six hours. */
  readonly renewalCheckMs?: number;
  /** Pause after the first failed renewal. Default one minute. */
  readonly renewalRetryMs?: number;
  /** Whether another program has written an identity. Default two seconds. */
  readonly filesCheckMs?: number;
  /** Pause before anchors that could not be written are tried again. Default one minute. */
  readonly anchorsRetryMs?: number;
}

/**
 * What becomes of a running connector's identity: renewed when it is due, announced when it has expired, and exchanged
 * when `register` has written another, all without a restart.
 */
export class TrustLifecycle {
  readonly #parts: TrustLifecycleParts;
  readonly #clock: ServiceClock;
  readonly #notice: ExpiryNotice;
  readonly #renewer: Renewer;
  readonly #watch: IdentityWatch;
  #isStopped = false;
  #identity: Identity;
  #lastAnchors: Promise<void> = Promise.resolve();
  #anchorsRetry: NodeJS.Timeout | null = null;

  /** Begins to watch; the rest follows what the keeper reports. */
  constructor(parts: TrustLifecycleParts) {
    const { dataDir, identity, keeper, log, timing = {} } = parts;
    this.#parts = parts;
    this.#identity = identity;
    this.#clock = new ServiceClock(log);
    this.#notice = new ExpiryNotice(log);
    this.#renewer = new Renewer({
      steps: {
        dataDir,
        now: () => this.#clock.now(),
        // Making certificates takes a library that a connector needs twice a year.
        createKey: async kind => (await import('./proof.ts')).createKey(kind),
        request: proofCertificate => this.#request(proofCertificate),
        tryPair: pair => keeper.tryPair(pair),
      },
      current: () => keeper.pair,
      isConnected: () => keeper.live.length > 0,
      onRenewed: pair => this.#renewed(pair),
      onFailed: () => keeper.dropTrial(),
      log,
      random: Math.random,
      ...(timing.renewalCheckMs !== undefined && { checkEveryMs: timing.renewalCheckMs }),
      ...(timing.renewalRetryMs !== undefined && { firstRetryMs: timing.renewalRetryMs }),
    });
    this.#watch = new IdentityWatch({
      dataDir,
      onChange: () => void this.#reload(),
      ...(timing.filesCheckMs !== undefined && { everyMs: timing.filesCheckMs }),
    });
  }

  /** The service has accepted a tunnel. */
  connected(tunnel: TunnelClient): void {
    this.#notice.end();
    this.#clock.set(tunnel.serviceTime);
    // The hooks of this welcome are still running; the keeper counts the tunnel as live after them.
    setImmediate(() => this.#renewer.check());
  }

  /** Milliseconds since the epoch, by the service's clock as far as it has told. */
  now(): number {
    return this.#clock.now();
  }

  /** No tunnel came to be. @param serviceTime The service's clock, where it told that in its refusal. */
  failed(serviceTime: number | null): void {
    this.#clock.set(serviceTime);
  }

  /** The service has refused every pair, the last one as expired. */
  expired(pair: CertificatePair): void {
    this.#notice.begin(pair);
  }

  /**
   * The service says which authorities may issue its certificate from now on. They are on disk before the service is told
   * so, since it may let another one sign then.
   */
  announced(tunnel: AnnouncingTunnel, announced: unknown): void {
    this.#lastAnchors = this.#lastAnchors.then(() => this.#takeAnchors(tunnel, announced));
  }

  stop(): void {
    this.#notice.end();
    this.#renewer.stop();
    this.#watch.stop();
    this.#isStopped = true;
    if (this.#anchorsRetry !== null) clearTimeout(this.#anchorsRetry);
  }

  async #takeAnchors(tunnel: AnnouncingTunnel, announced: unknown): Promise<void> {
    const shown = tunnel.serverCertificate;
    if (this.#isStopped || shown === undefined) return;
    try {
      const anchors = readAnchors(announced, shown);
      const fingerprints = fingerprintsOf(anchors);
      if (fingerprintsOf(this.#identity.service.anchors).join() !== fingerprints.join()) {
        await this.#useAnchors(anchors, fingerprints);
      }
      tunnel.confirmAnchors(fingerprints);
    } catch (error) {
      if (!(error instanceof AnchorsError)) throw error;
      this.#parts.log({
        event: 'anchors_refused',
        message: `The authorities that the service announced are not used (${error.code}): ${error.message}. Those on disk stay in force.`,
        code: error.code,
      });
      if (error.code === 'files') this.#retryAnchors(tunnel, announced);
    }
  }

  async #useAnchors(anchors: readonly string[], fingerprints: readonly string[]): Promise<void> {
    const { dataDir, keeper, log } = this.#parts;
    const before = this.#identity.service;
    const service = { ...before, anchors };
    try {
      const onDisk = await readServiceSettings(dataDir);
      // Another program has just written an identity, with the anchors of its own registration.
      if (JSON.stringify(onDisk) !== JSON.stringify(before))
        throw new Error('the identity on disk is another one');
      await writeServiceSettings(dataDir, service);
    } catch (cause) {
      throw new AnchorsError('files', cause instanceof Error ? cause.message : String(cause), { cause });
    }
    this.#identity = { ...this.#identity, service };
    keeper.trust(service);
    log({
      event: 'anchors_changed',
      message:
        anchors.length === 1
          ? 'The service is trusted with a certificate of one authority from now on.'
          : `The service is trusted with a certificate of any of ${anchors.length} authorities from now on.`,
      anchors: fingerprints,
    });
  }

  #retryAnchors(tunnel: AnnouncingTunnel, announced: unknown): void {
    if (this.#anchorsRetry !== null) clearTimeout(this.#anchorsRetry);
    this.#anchorsRetry = setTimeout(
      () => this.announced(tunnel, announced),
      this.#parts.timing?.anchorsRetryMs ?? 60_000,
    );
  }

  async #request(proofCertificate: string): Promise<string> {
    const [tunnel] = this.#parts.keeper.live;
    if (tunnel === undefined) throw new RenewalError('no_tunnel', 'no tunnel is up');
    return tunnel.renew(proofCertificate);
  }

  #renewed(pair: CertificatePair): void {
    // The pairs before it stay in the stores, and are what is left if this one is ever refused.
    const others = this.#identity.pairs.filter(one => one.thumbprint !== pair.thumbprint);
    this.#use({ service: this.#identity.service, pairs: [pair, ...others], fallback: null });
  }

  async #reload(): Promise<void> {
    const { dataDir, log, keeper } = this.#parts;
    let found: Identity;
    try {
      found = await loadIdentity(dataDir, this.#clock.now());
    } catch {
      // What runs goes on with what it has; a start would say what is wrong with the files.
      return;
    }
    const [pair] = found.pairs;
    const isSame =
      pair!.thumbprint === keeper.pair.thumbprint &&
      JSON.stringify(found.service) === JSON.stringify(this.#identity.service);
    if (isSame) return;
    log({
      event: 'identity_changed',
      message: `Another identity was written to ${dataDir}: connector ${found.service.connectorId} with the certificate ${pair!.thumbprint}. It is used from now on.`,
      connectorId: found.service.connectorId,
      thumbprint: pair!.thumbprint,
      store: pair!.store,
    });
    this.#use(found);
  }

  #use(identity: Identity): void {
    this.#identity = identity;
    this.#notice.end();
    this.#parts.keeper.adopt(identity);
    this.#parts.onIdentity(identity);
  }
}
