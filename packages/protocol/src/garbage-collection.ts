import { setFlagsFromString } from 'node:v8';

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
