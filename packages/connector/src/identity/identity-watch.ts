import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { trustSettingsFile } from './trust-settings.ts';

export interface IdentityWatchOptions {
  readonly dataDir: string;
  /** The files have changed, and have been left alone since. */
  readonly onChange: () => void;
  /** Default two seconds. */
  readonly everyMs?: number;
}

/**
 * Notices that another program, `register` above all, has written an identity. Looks at two files every few seconds: what
 * file systems tell of changes is lost on some of them, and this must not be.
 */
export class IdentityWatch {
  readonly #options: IdentityWatchOptions;
  readonly #timer: NodeJS.Timeout;
  #known: string | null = null;
  #last: string | null = null;
  #isLooking = false;

  constructor(options: IdentityWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), options.everyMs ?? 2_000);
    void this.#look();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  // A change counts when the next look finds the same again: registration writes one file after the other.
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { dataDir, onChange } = this.#options;
    const found = await Promise.all(
      [trustSettingsFile(dataDir), join(dataDir, 'Config', 'service.json')].map(signatureOf),
    );
    const seen = found.join(' ');
    const isNew = this.#known !== null && seen !== this.#known;
    if (isNew && seen === this.#last) onChange();
    if (!isNew || seen === this.#last) this.#known = seen;
    this.#last = seen;
    this.#isLooking = false;
  }
}

async function signatureOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(file);
    return `${ino}:${size}:${mtimeMs}`;
  } catch {
    return 'none';
  }
}
