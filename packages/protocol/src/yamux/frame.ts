/**
 * The frame header of yamux: version, type, flags, stream id, length, in network order, 12 bytes.
 *
 * https://github.com/hashicorp/yamux/blob/master/spec.md
 */

export const headerBytes = 12;
export const protocolVersion = 0;

export const typeData = 0;
export const typeWindowUpdate = 1;
export const typePing = 2;
export const typeGoAway = 3;

export const flagSyn = 1;
export const flagAck = 2;
export const flagFin = 4;
export const flagRst = 8;
export const allFlags = flagSyn | flagAck | flagFin | flagRst;

/** Codes of a go-away frame. */
export const goAwayCodes = { normal: 0, protocolError: 1, internalError: 2 } as const;

/** Both sides begin each stream with this window; a larger one is announced with SYN or ACK. */
export const initialWindow = 256 * 1024;

/** Windows are counted in 32 bits. */
export const maxWindow = 0xffff_ffff;

/** Writes a header at `at`. */
export function writeHeader(
  target: Buffer,
  at: number,
  type: number,
  flags: number,
  streamId: number,
  length: number,
): void {
  target[at] = protocolVersion;
  target[at + 1] = type;
  target[at + 2] = 0;
  target[at + 3] = flags;
  writeUint32(target, at + 4, streamId);
  writeUint32(target, at + 8, length);
}

/** As Buffer.writeUInt32BE, without its checks: a header is written for every message. */
export function writeUint32(target: Buffer, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}

/** As Buffer.readUInt32BE, without its checks. */
export function readUint32(source: Buffer, at: number): number {
  return ((source[at] << 24) | (source[at + 1] << 16) | (source[at + 2] << 8) | source[at + 3]) >>> 0;
}
