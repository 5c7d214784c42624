import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Sets V8's garbage collector up for a process that relays bytes: small heap, and hundreds of megabytes a second in
 * buffers that die at once. To be called at the start; figures in docs/performance.md.
 */
export function tuneGarbageCollection(): void {
  // V8 answers a long transfer with a young generation of 48 MiB and keeps it.
  setFlagsFromString('--semi-space-growth-factor=1');
  // Buffers count towards the next full collection, which they made due before the cheap one of the young generation:
  // five a second, a third of an upload's processor time.
  setFlagsFromString('--heap-growing-percent=200');
}

/** Messages below this leave little behind. */
const largeLength = 1_000_000;
/** By then what was made of the message is made. */
const settleMs = 1_000;
let collect: (() => void) | null = null;

/**
 * Collects, a second later, what a large message has left behind that comes once in a process's life, or nearly so: V8
 * would keep the room that it took for hours. Takes up to a tenth of a second.
 *
 * @param length Of the message; below a million nothing happens.
 */
export function collectGarbageAfter(length: number): void {
  if (length < largeLength) return;
  if (collect === null) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
  }
  setTimeout(collect, settleMs).unref();
}
