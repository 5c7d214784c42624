/**
 * One flow-controlled byte stream towards a backend, whatever carries it: a stream of a tunnel, or a Unix socket to the
 * control process. It is made of callbacks on purpose: a Node stream in this place costs several microseconds a request.
 */
export interface BackendStream {
  /** Called with bytes of the backend, which nobody changes afterwards. */
  onData: (bytes: Buffer) => void;
  /** The backend has sent its last byte. */
  onEnd: () => void;
  /** The stream broke: nothing more will be called. */
  onError: (error: Error) => void;
  /** After `write` returned false: there is room again. */
  onDrain: () => void;

  /** Queues bytes; the caller must not change them afterwards. False: stop until `onDrain`. */
  write(bytes: Buffer): boolean;
  /** No more bytes will be written. */
  end(): void;
  /** Ends both directions at once; no callback follows. */
  reset(): void;
  /** Says that `length` bytes given to `onData` have gone on, so that the sender may send as many more. */
  consumed(length: number): void;
}
