/** What the first flight of a TLS connection says before any key is agreed on. */
export interface ClientHello {
  /** Server name (RFC 6066 §3), lower case and without a trailing dot; null where the client sent none. */
  readonly serverName: string | null;
  /** Application protocols in the client's order (RFC 7301). */
  readonly protocols: readonly string[];
}

/** A first flight longer than this is refused; the largest seen in practice, with post-quantum shares, is under 4 KiB. */
export const maxClientHelloBytes = 16_384;

/**
 * Reads a ClientHello that may be spread over several TLS records (RFC 8446 §4.1.2, §5.1).
 *
 * @param bytes Everything received so far.
 * @returns the hello, `incomplete` while bytes are missing, or `invalid` if this is no ClientHello.
 */
export function readClientHello(bytes: Buffer): ClientHello | 'incomplete' | 'invalid' {
  const message = joinRecords(bytes);
  if (typeof message === 'string') return message;
  try {
    return parseHandshake(message);
  } catch (error) {
    if (error instanceof RangeError) return 'invalid';
    throw error;
  }
}

/** Takes the handshake message out of the records around it; it is complete when its own length says so. */
function joinRecords(bytes: Buffer): Buffer | 'incomplete' | 'invalid' {
  const pieces: Buffer[] = [];
  let have = 0;
  let wanted = 0;
  let offset = 0;
  for (;;) {
    if (bytes.length > offset && bytes[offset] !== 0x16) return 'invalid';
    if (bytes.length < offset + 5) return 'incomplete';
    if (bytes[offset + 1] !== 3) return 'invalid';
    const length = bytes.readUInt16BE(offset + 3);
    if (length === 0 || length > maxClientHelloBytes) return 'invalid';
    const piece = bytes.subarray(offset + 5, offset + 5 + length);
    pieces.push(piece);
    have += piece.length;
    if (wanted === 0 && have >= 4) {
      const header = Buffer.concat(pieces, 4);
      if (header[0] !== 1) return 'invalid';
      wanted = 4 + header.readUIntBE(1, 3);
      if (wanted > maxClientHelloBytes) return 'invalid';
    }
    if (wanted > 0 && have >= wanted) return Buffer.concat(pieces, wanted);
    if (piece.length < length) return 'incomplete';
    offset += 5 + length;
  }
}

/** Throws RangeError where a length points beyond the message. */
function parseHandshake(message: Buffer): ClientHello | 'invalid' {
  let offset = 4 + 2 + 32;
  offset += 1 + message.readUInt8(offset);
  offset += 2 + message.readUInt16BE(offset);
  offset += 1 + message.readUInt8(offset);
  if (offset === message.length) return { serverName: null, protocols: [] };
  const end = offset + 2 + message.readUInt16BE(offset);
  if (end !== message.length) return 'invalid';
  offset += 2;
  let serverName: string | null = null;
  let protocols: string[] = [];
  while (offset < end) {
    const type = message.readUInt16BE(offset);
    const length = message.readUInt16BE(offset + 2);
    const start = offset + 4;
    offset = start + length;
    if (offset > end) return 'invalid';
    if (type === 0) serverName = readServerName(message.subarray(start, offset));
    if (type === 16) protocols = readProtocols(message.subarray(start, offset));
  }
  return { serverName, protocols };
}

function readServerName(extension: Buffer): string | null {
  let offset = 2;
  while (offset + 3 <= extension.length) {
    const length = extension.readUInt16BE(offset + 1);
    if (extension[offset] === 0) {
      const name = extension.toString('latin1', offset + 3, offset + 3 + length).toLowerCase();
      return name.endsWith('.') ? name.slice(0, -1) : name;
    }
    offset += 3 + length;
  }
  return null;
}

function readProtocols(extension: Buffer): string[] {
  const protocols: string[] = [];
  let offset = 2;
  while (offset < extension.length) {
    const length = extension[offset]!;
    protocols.push(extension.toString('latin1', offset + 1, offset + 1 + length));
    offset += 1 + length;
  }
  return protocols;
}
