/** The quick start cannot go on; the message is one sentence with the remedy. */
export class QuickStartError extends Error {
  override readonly name = 'QuickStartError';
}
