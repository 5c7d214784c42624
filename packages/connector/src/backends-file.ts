import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackendConfiguration } from '@postern/protocol/tunnel/messages';

/** What the service has configured, as a running connector keeps it for the doctor: `<data>/run/backends.json`. */
function backendsFile(dataDir: string): string {
  return join(dataDir, 'run', 'backends.json');
}

/** Writes the configuration that is in force, one write at a time; each tunnel brings the same. */
export class BackendsFile {
  readonly #file: string;
  #wanted = '';
  #written = '';
  #isWriting = false;

  constructor(dataDir: string) {
    this.#file = backendsFile(dataDir);
  }

  write(backends: readonly BackendConfiguration[]): void {
    this.#wanted = `${JSON.stringify(backends)}\n`;
    if (!this.#isWriting) void this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#written !== this.#wanted) {
      const text = this.#wanted;
      this.#written = text;
      // On a full disk the doctor looks at an older configuration; that is no reason to stop.
      await this.#replace(text).catch(() => {});
    }
    this.#isWriting = false;
  }

  async #replace(text: string): Promise<void> {
    await writeFile(`${this.#file}.new`, text, { mode: 0o600 });
    await rename(`${this.#file}.new`, this.#file);
  }
}

/** Reads the configuration that was in force last; null where no connector has had one. */
export async function readBackends(dataDir: string): Promise<readonly BackendConfiguration[] | null> {
  try {
    const value: unknown = JSON.parse(await readFile(backendsFile(dataDir), 'utf8'));
    return Array.isArray(value) ? (value as BackendConfiguration[]) : null;
  } catch {
    return null;
  }
}
