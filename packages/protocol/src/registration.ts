import { X509Certificate } from 'node:crypto';
import { z } from 'zod';

/** That the machine holds the key of a connector which is registered already, so that it stays that connector. */
const previousKeyProof = z.strictObject({
  /** SHA-256 of the earlier trust certificate (DER), upper-case hex. It may have expired. */
  certificateSha256: z.string().regex(/^[0-9A-F]{64}$/),
  /** Signature with SHA-512 by the key of that certificate over {@link reregistrationStatement}, base64. */
  signature: z.base64().max(2_048),
});
export type PreviousKeyProof = z.infer<typeof previousKeyProof>;

/**
 * What the earlier key signs when a connector registers again.
 *
 * @param proofCertificate Of the new key, PEM.
 */
export function reregistrationStatement(proofCertificate: string): Buffer {
  // Words of its own, so that a signature made for something else can never be taken for this.
  return Buffer.concat([
    Buffer.from('Postern connector re-registration\n'),
    new X509Certificate(proofCertificate).raw,
  ]);
}

/**
 * `POST https://connect.<domain>/register`, with `Authorization: Bearer <access token of an administrator>` or
 * `Authorization: Enrolment <secret of an enrolment token>`.
 */
export const registrationRequest = z.strictObject({
  /**
   * Self-signed certificate (PEM, SHA-512 signature) of the key made on the connector's machine: the proof that the
   * connector holds the private key. Nothing else of it is taken over.
   */
  proofCertificate: z.string().max(16_384),
  machineName: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/),
  version: z.string().max(64),
  os: z.string().max(128),
  /**
   * Connector group id. Absent: the group of the enrolment token, else that of the connector that registers again, else
   * the default group.
   */
  connectorGroupId: z.string().optional(),
  /**
   * The connector keeps its id and group where this is right; a connector that is unknown or revoked becomes a new one.
   */
  previous: previousKeyProof.optional(),
});
export type RegistrationRequest = z.infer<typeof registrationRequest>;

export const registrationResult = z.object({
  connectorId: z.string(),
  connectorGroupId: z.string(),
  /** The trust certificate, PEM. */
  certificate: z.string(),
  /** Certificates of the registration CA that issued it, PEM. */
  issuerCertificates: z.array(z.string()),
  /** Trust anchors for the tunnel listener of `connect.<domain>`, PEM. The connector trusts no others afterwards. */
  tunnelAnchors: z.array(z.string()),
  /** Where tunnels go: host and port. */
  tunnelHost: z.string(),
  tunnelPort: z.number().int(),
});
export type RegistrationResult = z.infer<typeof registrationResult>;

/**
 * The three places where a registration can fail: reaching the service, proving and certifying the key, and the
 * administrator's right to register.
 */
export const registrationFailureCategory = z.enum([
  'connectivity',
  'trust_establishment',
  'admin_authentication',
]);
export type RegistrationFailureCategory = z.infer<typeof registrationFailureCategory>;

/** What the registration endpoint answers with any status of 400 and above. */
export const registrationError = z.object({
  error: z.object({
    /**
     * `not_authenticated`, `not_authorized`, `enrolment_token_unknown`, `enrolment_token_used_up`,
     * `enrolment_token_expired`, `enrolment_token_revoked`, `enrolment_token_group`, `bad_request`, `bad_proof`,
     * `proof_already_used`, `weak_key`, `unknown_connector_group`, `unavailable`.
     */
    code: z.string(),
    message: z.string(),
    category: registrationFailureCategory.optional(),
    /** What the administrator can do about it: one sentence. */
    remedy: z.string().optional(),
  }),
});
