import { hash } from 'node:crypto';

/**
 * What an enrolment token tells a machine that knows nothing of the service yet: where it is, how to recognise it at
 * first contact, and the secret with which one connector may register.
 */
export interface EnrolmentToken {
  /** `connect.<domain>`. */
  readonly host: string;
  readonly port: number;
  /**
   * SHA-256 of the root certificate (DER, 64 upper-case hex digits) that the chain of `host` must contain; null where
   * its certificate comes from an authority that machines trust anyway.
   */
  readonly rootSha256: string | null;
  /** The only group that it enrols into. */
  readonly connectorGroupId: string;
  /** 256 random bits, base64url. */
  readonly secret: string;
}

/** What every enrolment token begins with, for people and for scanners that look for secrets. */
export const enrolmentTokenPrefix = 'postern_enrolment_';

/**
 * Why a text is no enrolment token of this release; the message holds nothing of it.
 *
 * - `not_a_token`: it does not begin like one.
 * - `damaged`: it begins like one, and its checksum is wrong: cut off, or changed.
 * - `newer_format`: it was made by a newer service.
 */
export class EnrolmentTokenError extends Error {
  readonly code: 'not_a_token' | 'damaged' | 'newer_format';

  constructor(code: EnrolmentTokenError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

const format = 1;
const secretBytes = 32;
const groupBytes = 16;
const fingerprintBytes = 32;
const checksumBytes = 4;
/** Format, kind of trust, secret, group, port; fingerprint and host come behind. */
const fixedBytes = 2 + secretBytes + groupBytes + 2;

/** @throws RangeError for a secret, a group or a fingerprint of another length. */
export function formatEnrolmentToken(token: EnrolmentToken): string {
  const port = Buffer.alloc(2);
  port.writeUInt16BE(token.port);
  const body = Buffer.concat([
    Buffer.from([format, token.rootSha256 === null ? 0 : 1]),
    exactly(secretBytes, Buffer.from(token.secret, 'base64url')),
    exactly(groupBytes, Buffer.from(token.connectorGroupId.replaceAll('-', ''), 'hex')),
    port,
    token.rootSha256 === null
      ? Buffer.alloc(0)
      : exactly(fingerprintBytes, Buffer.from(token.rootSha256, 'hex')),
    Buffer.from(token.host),
  ]);
  return `${enrolmentTokenPrefix}${Buffer.concat([body, checksumOf(body)]).toString('base64url')}`;
}

/** Whether a text means to be an enrolment token, and not an access token. */
export function isEnrolmentToken(text: string): boolean {
  return text.trimStart().startsWith(enrolmentTokenPrefix);
}

/**
 * Reads an enrolment token. White space in it is passed over: terminals and mail programs break long lines.
 *
 * @throws EnrolmentTokenError
 */
export function parseEnrolmentToken(text: string): EnrolmentToken {
  const compact = text.replace(/\s+/g, '');
  if (!compact.startsWith(enrolmentTokenPrefix)) {
    throw new EnrolmentTokenError('not_a_token', 'This is no enrolment token.');
  }
  const bytes = Buffer.from(compact.slice(enrolmentTokenPrefix.length), 'base64url');
  const body = bytes.subarray(0, -checksumBytes);
  if (body.length === 0 || !checksumOf(body).equals(bytes.subarray(-checksumBytes))) {
    throw new EnrolmentTokenError(
      'damaged',
      'The enrolment token is incomplete or was changed on its way: its checksum is wrong.',
    );
  }
  if (body[0] !== format) {
    throw new EnrolmentTokenError('newer_format', 'The enrolment token was made by a newer service.');
  }
  return read(body);
}

function read(body: Buffer): EnrolmentToken {
  const hasFingerprint = body[1] === 1;
  const hostAt = fixedBytes + (hasFingerprint ? fingerprintBytes : 0);
  const group = body.subarray(2 + secretBytes, 2 + secretBytes + groupBytes).toString('hex');
  return {
    host: body.subarray(hostAt).toString('utf8'),
    port: body.readUInt16BE(2 + secretBytes + groupBytes),
    rootSha256: hasFingerprint ? body.subarray(fixedBytes, hostAt).toString('hex').toUpperCase() : null,
    connectorGroupId: group.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    secret: body.subarray(2, 2 + secretBytes).toString('base64url'),
  };
}

function checksumOf(body: Buffer): Buffer {
  return hash('sha256', body, 'buffer').subarray(0, checksumBytes);
}

function exactly(length: number, bytes: Buffer): Buffer {
  if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes where ${length} are needed`);
  return bytes;
}
