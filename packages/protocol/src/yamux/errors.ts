/**
 * Why a session or a stream cannot go on.
 *
 * - `protocol_error`: the other side broke the protocol, or says that we did; the session is closed.
 * - `internal_error`: the other side gave up with a fault of its own; the session is closed.
 * - `flooded`: the other side causes answers faster than it reads them; the session is closed.
 * - `session_closed`: the session was closed, or its connection was lost, while the stream was open.
 * - `refused`: the stream was reset before it was accepted: nobody has read a byte of it.
 * - `reset`: the other side reset the stream.
 * - `exhausted`: no stream id is left; the tunnel has to be replaced.
 * - `going_away`: one of the sides has said that it takes no new streams.
 */
export type YamuxErrorCode =
  | 'protocol_error'
  | 'internal_error'
  | 'flooded'
  | 'session_closed'
  | 'refused'
  | 'reset'
  | 'exhausted'
  | 'going_away';

export class YamuxError extends Error {
  readonly code: YamuxErrorCode;

  constructor(code: YamuxErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'YamuxError';
    this.code = code;
  }
}
