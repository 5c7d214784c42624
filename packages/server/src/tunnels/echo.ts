import type { X509Certificate } from 'node:crypto';
import type { EchoAnswer } from '@postern/protocol/tunnel/messages';
import { sha256Of } from '@postern/protocol/x509/certificate';
import type { Verdict } from './verdict.ts';

/**
 * What the doctor of a connector is told about the connection that it asks on: which client certificate arrived, over
 * which TLS, and the verdict that a tunnel would meet. All of it is the asker's own, so that the answer gives nobody
 * anything (the verdict is what the tunnel listener tells whoever holds the key).
 *
 * @param now Milliseconds since the epoch.
 */
export function echoAnswer(
  certificate: X509Certificate | undefined,
  tlsVersion: string | null,
  verdict: Verdict,
  now: number,
): EchoAnswer {
  return {
    tlsVersion: tlsVersion ?? '',
    certificate:
      certificate === undefined
        ? null
        : {
            sha256: sha256Of(certificate),
            signatureAlgorithm: String(certificate.signatureAlgorithm ?? certificate.signatureAlgorithmOid),
          },
    verdict: verdict.accepted ? 'accepted' : verdict.reason,
    detail: verdict.accepted ? '' : verdict.detail,
    time: now,
  };
}
