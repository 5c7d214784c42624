import type { Log } from '../events/log.ts';
import type { CertificatePair } from './certificate-store.ts';
import { RenewalError, type RenewalSteps, renewalDueAt, renewIdentity } from './renewal.ts';

export interface RenewerParts {
  readonly steps: RenewalSteps;
  /** The pair in use. */
  readonly current: () => CertificatePair;
  /** A tunnel is up, so that the service can be asked. */
  readonly isConnected: () => boolean;
  /** The pair to use from now on; a tunnel with it is up, and the trust settings name it. */
  readonly onRenewed: (pair: CertificatePair) => void;
  /** A renewal has failed: whatever was opened for it may end. */
  readonly onFailed: () => void;
  readonly log: Log;
  /** In [0, 1). */
  readonly random: () => number;
  /** How often it is looked whether a renewal is due. Default six hours. */
  readonly checkEveryMs?: number;
  /** Pause after the first failed renewal; it doubles with each further one. Default one minute. */
  readonly firstRetryMs?: number;
}

const hourMs = 3_600_000;

/**
 * Renews the certificate in use when it is due: looks at the first tunnel, and then every six hours. A renewal that fails
 * is an event, and is tried again after a pause that doubles up to the time between two looks.
 */
export class Renewer {
  readonly #parts: RenewerParts;
  readonly #checkEveryMs: number;
  readonly #regular: NodeJS.Timeout;
  #retry: NodeJS.Timeout | null = null;
  #failures = 0;
  #isRenewing = false;
  #isStopped = false;

  constructor(parts: RenewerParts) {
    this.#parts = parts;
    this.#checkEveryMs = parts.checkEveryMs ?? 6 * hourMs;
    this.#regular = setInterval(() => this.check(), this.#checkEveryMs);
  }

  /** Renews if it is due and can be done now. */
  check(): void {
    if (this.#isStopped) return;
    const { steps, current, isConnected } = this.#parts;
    const pair = current();
    const isDue = steps.now() >= renewalDueAt(pair);
    if (isDue && isConnected() && !this.#isRenewing && this.#retry === null) void this.#renew(pair);
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#regular);
    if (this.#retry !== null) clearTimeout(this.#retry);
  }

  async #renew(current: CertificatePair): Promise<void> {
    const { steps, log, onRenewed } = this.#parts;
    this.#isRenewing = true;
    try {
      const pair = await renewIdentity(steps, current);
      this.#failures = 0;
      if (this.#isStopped) return;
      onRenewed(pair);
      log({
        event: 'certificate_renewed',
        message: `The trust certificate was renewed: ${pair.thumbprint}, valid until ${dateOf(pair.notAfter)}.`,
        thumbprint: pair.thumbprint,
        store: pair.store,
        notAfter: dateOf(pair.notAfter),
        replaced: current.thumbprint,
      });
    } catch (error) {
      if (!this.#isStopped) this.#failed(error, current);
    } finally {
      this.#isRenewing = false;
    }
  }

  #failed(error: unknown, current: CertificatePair): void {
    const { log, random, onFailed, firstRetryMs = 60_000 } = this.#parts;
    onFailed();
    this.#failures += 1;
    const ceilingMs = Math.min(this.#checkEveryMs, firstRetryMs * 2 ** Math.min(this.#failures - 1, 20));
    const retryInMs = Math.round((ceilingMs * (1 + random())) / 2);
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.check();
    }, retryInMs);
    const code = error instanceof RenewalError ? error.code : 'internal';
    const why = error instanceof Error ? error.message : String(error);
    log({
      event: 'certificate_renewal_failed',
      message:
        `The trust certificate could not be renewed (${code}): ${why}. The present one is valid until ` +
        `${dateOf(current.notAfter)}; the connector tries again in ${Math.ceil(retryInMs / 60_000)} minutes.`,
      code,
      thumbprint: current.thumbprint,
      notAfter: dateOf(current.notAfter),
      retryInMs,
    });
  }
}

function dateOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
