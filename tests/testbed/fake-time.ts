import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * The library that, preloaded, shows a program another time. Its own command stays between a program and whoever started
 * it, who would end that one and leave the program behind.
 */
export function libfaketime(): string {
  const said = execFileSync('faketime', ['-f', '+0', 'env'], { encoding: 'utf8' });
  const library = /^LD_PRELOAD=(.+)$/m.exec(said)?.[1];
  if (library === undefined) throw new Error(`faketime names no library:\n${said}`);
  return library;
}

/** The wall clock of programs that are started with its environment; their monotonic clock goes as it does everywhere. */
export class ShiftedClock implements Disposable {
  readonly environment: Record<string, string>;
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'postern-clock-'));
  readonly #offsetFile = path.join(this.#folder, 'offset');

  constructor() {
    this.set(0);
    this.environment = {
      LD_PRELOAD: libfaketime(),
      FAKETIME_TIMESTAMP_FILE: this.#offsetFile,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** @param seconds Between that clock and the clock of everything else, from now on. */
  set(seconds: number): void {
    // An empty file would be read as no difference at all, for as long as it is being written.
    writeFileSync(`${this.#offsetFile}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    renameSync(`${this.#offsetFile}.new`, this.#offsetFile);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
