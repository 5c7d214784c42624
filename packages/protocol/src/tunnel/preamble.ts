/**
 * How a data stream begins. The service opens it and writes the preamble: a 16-bit big-endian length and that many
 * bytes of JSON. It need not wait: the bytes for the backend may follow at once. The connector's first bytes are the
 * open answer: one byte of {@link OpenCode}, a 16-bit big-endian length and that many bytes of JSON detail; the
 * backend's bytes follow.
 */

export interface Preamble {
  readonly applicationId: string;
  /** Of the request that caused the stream; later requests on it are announced by nobody. */
  readonly requestId: string;
  /** The host to dial, where the one that is configured is a wildcard. */
  readonly host?: string;
}

export const openCodes = {
  ok: 0,
  unknown_application: 1,
  not_allowed: 2,
  name_not_resolved: 3,
  connection_refused: 4,
  connection_timed_out: 5,
  unreachable: 6,
  tls_failed: 7,
  busy: 8,
  internal: 9,
  /** The backend does not choose HTTP/2 in the TLS handshake. */
  no_http2: 10,
} as const;

export type OpenFailure = Exclude<keyof typeof openCodes, 'ok'>;

export interface OpenDetail {
  /** `address:port` that was dialled. */
  readonly address?: string;
  readonly dnsMs?: number;
  readonly connectMs?: number;
  readonly tlsMs?: number;
  readonly alpn?: string;
  /** One sentence for an administrator. */
  readonly error?: string;
}

export type OpenAnswer =
  | { readonly code: 'ok'; readonly detail: OpenDetail }
  | { readonly code: OpenFailure; readonly detail: OpenDetail };

const codeNames = Object.keys(openCodes) as (keyof typeof openCodes)[];

/** Encodes what the service writes first on a data stream. */
export function encodePreamble(preamble: Preamble): Buffer {
  const json = Buffer.from(JSON.stringify(preamble));
  const out = Buffer.allocUnsafe(2 + json.length);
  out.writeUInt16BE(json.length, 0);
  json.copy(out, 2);
  return out;
}

/**
 * Reads a preamble from the first bytes of a stream.
 *
 * @returns the preamble and the offset after it, or null while bytes are missing.
 * @throws SyntaxError if the bytes are no preamble.
 */
export function decodePreamble(bytes: Buffer): { preamble: Preamble; length: number } | null {
  if (bytes.length < 2) return null;
  const length = 2 + bytes.readUInt16BE(0);
  if (bytes.length < length) return null;
  const value: unknown = JSON.parse(bytes.toString('utf8', 2, length));
  if (
    !isRecord(value) ||
    typeof value['applicationId'] !== 'string' ||
    typeof value['requestId'] !== 'string'
  ) {
    throw new SyntaxError('a preamble needs applicationId and requestId');
  }
  const { applicationId, requestId, host } = value;
  return { preamble: { applicationId, requestId, ...(typeof host === 'string' && { host }) }, length };
}

/** Encodes what the connector writes first on a data stream. */
export function encodeOpenAnswer(answer: OpenAnswer): Buffer {
  const json = Buffer.from(JSON.stringify(answer.detail));
  const out = Buffer.allocUnsafe(3 + json.length);
  out[0] = openCodes[answer.code];
  out.writeUInt16BE(json.length, 1);
  json.copy(out, 3);
  return out;
}

/**
 * Reads the open answer from a stream's first bytes.
 *
 * @returns the answer and the offset after it, or null while bytes are missing.
 * @throws SyntaxError if the bytes are no open answer.
 */
export function decodeOpenAnswer(bytes: Buffer): { answer: OpenAnswer; length: number } | null {
  if (bytes.length < 3) return null;
  const length = 3 + bytes.readUInt16BE(1);
  if (bytes.length < length) return null;
  const detail: unknown = JSON.parse(bytes.toString('utf8', 3, length));
  if (!isRecord(detail)) throw new SyntaxError('the detail of an open answer is an object');
  // A code from a newer connector is still a failure.
  const code = codeNames[bytes[0]!] ?? 'internal';
  return { answer: { code, detail: detail as OpenDetail }, length };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
