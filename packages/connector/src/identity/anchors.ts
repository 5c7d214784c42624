import { X509Certificate } from 'node:crypto';
import { sha256Of } from '@postern/protocol/x509/certificate';

/** Why announced anchors are not used; those on disk stay in force. */
export class AnchorsError extends Error {
  /**
   * - `bad_anchors`: what came is no list of authorities.
   * - `strange_anchors`: none of them has issued the certificate that the service shows.
   * - `files`: they could not be written.
   */
  readonly code: 'bad_anchors' | 'strange_anchors' | 'files';

  constructor(code: AnchorsError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** More authorities than any rotation needs. */
const maxAnchors = 16;

/**
 * Reads the authorities that the service announces for itself. Such a set is used only where it would accept the very
 * service that sends it: a mistake there must not cut a connector off from whoever could correct it.
 *
 * @param announced As it came.
 * @param shown The certificate that the service shows on the tunnel that it came through.
 * @returns PEM, one certificate each.
 * @throws AnchorsError `bad_anchors`, `strange_anchors`.
 */
export function readAnchors(announced: unknown, shown: X509Certificate): string[] {
  const anchors = parse(announced);
  if (!anchors.some(anchor => shown.checkIssued(anchor) && shown.verify(anchor.publicKey))) {
    throw new AnchorsError(
      'strange_anchors',
      'none of the announced authorities has issued the certificate that the service shows',
    );
  }
  return anchors.map(anchor => anchor.toString());
}

function parse(announced: unknown): X509Certificate[] {
  if (!Array.isArray(announced) || announced.length === 0 || announced.length > maxAnchors) {
    throw new AnchorsError('bad_anchors', 'the service announced no list of authorities');
  }
  try {
    const anchors = announced.map(pem => new X509Certificate(String(pem)));
    if (anchors.every(({ ca }) => ca)) return anchors;
  } catch (cause) {
    throw new AnchorsError('bad_anchors', 'one of the announced authorities is no certificate', { cause });
  }
  throw new AnchorsError('bad_anchors', 'one of the announced authorities may not issue certificates');
}

/** SHA-256 of the DER of each, upper-case hex. @param anchors PEM. */
export function fingerprintsOf(anchors: readonly string[]): string[] {
  return anchors.map(pem => sha256Of(new X509Certificate(pem)));
}
