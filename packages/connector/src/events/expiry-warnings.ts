import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { daysLeft, dueWarning, type Validity } from '@postern/protocol/expiry';
import type { Log } from './log.ts';

const hourMs = 3_600_000;

/** The certificate in use. */
export interface WatchedCertificate extends Validity {
  readonly thumbprint: string;
}

export interface ExpiryWarningsOptions {
  readonly dataDir: string;
  readonly log: Log;
  readonly certificate: () => WatchedCertificate;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What was said last; in `run/expiry-warning.json`, so that a restart does not say it again. */
interface Said {
  readonly thumbprint: string;
  readonly days: number;
}

/** Warns that the trust certificate expires: 30, 14, 7 and 1 days before, once each for every certificate. */
export class ExpiryWarnings {
  readonly #options: ExpiryWarningsOptions;
  readonly #file: string;
  #timer: NodeJS.Timeout | null = null;
  #said: Said | null = null;

  constructor(options: ExpiryWarningsOptions) {
    this.#options = options;
    this.#file = join(options.dataDir, 'run', 'expiry-warning.json');
  }

  /**
   * Looks every hour until it is stopped. The first look is left to whoever knows when the service has told its clock, or
   * could not be asked.
   */
  async start(): Promise<void> {
    this.#said = await this.#read();
    this.#timer = setInterval(() => void this.check(), hourMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Looks, and warns of what was not warned of yet. */
  async check(): Promise<void> {
    const { certificate, now, log } = this.#options;
    const { thumbprint, notBefore, notAfter } = certificate();
    const days = dueWarning({ notBefore, notAfter }, now());
    // That it has expired is an event of its own.
    if (days === null || days === 0 || this.#wasSaid(thumbprint, days)) return;
    this.#said = { thumbprint, days };
    const left = daysLeft({ notAfter }, now());
    log({
      event: 'certificate_expires_soon',
      message:
        `The trust certificate ${thumbprint} expires in ${left === 1 ? 'a day' : `${left} days`}, on ` +
        `${new Date(notAfter).toISOString()}, and has not been renewed. If the connector cannot renew it, run ` +
        '"postern connector register" on this computer before that day.',
      thumbprint,
      notAfter: new Date(notAfter).toISOString(),
      expiresInDays: left,
    });
    await this.#write(this.#said).catch(() => {});
  }

  #wasSaid(thumbprint: string, days: number): boolean {
    return this.#said !== null && this.#said.thumbprint === thumbprint && this.#said.days <= days;
  }

  async #read(): Promise<Said | null> {
    try {
      const value = JSON.parse(await readFile(this.#file, 'utf8')) as Partial<Said> | null;
      const { thumbprint, days } = value ?? {};
      return typeof thumbprint === 'string' && typeof days === 'number' ? { thumbprint, days } : null;
    } catch {
      // Then it is said once more than necessary.
      return null;
    }
  }

  async #write(said: Said): Promise<void> {
    await mkdir(join(this.#options.dataDir, 'run'), { recursive: true, mode: 0o700 });
    await writeFile(`${this.#file}.new`, `${JSON.stringify(said)}\n`, { mode: 0o600 });
    await rename(`${this.#file}.new`, this.#file);
  }
}
