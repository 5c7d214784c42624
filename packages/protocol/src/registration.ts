import { z } from 'zod';

/** `POST https://connect.<domain>/register`, with the administrator's access token as bearer. */
export const registrationRequest = z.strictObject({
  /**
   * Self-signed certificate (PEM, SHA-512 signature) of the key made on the connector's machine: the proof that the
   * connector holds the private key. Nothing else of it is taken over.
   */
  proofCertificate: z.string().max(16_384),
  machineName: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/),
  version: z.string().max(64),
  os: z.string().max(128),
  /** Connector group id; the default group where absent. */
  connectorGroupId: z.string().optional(),
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
     * `not_authenticated`, `not_authorized`, `bad_request`, `bad_proof`, `proof_already_used`, `weak_key`,
     * `unknown_connector_group`, `unavailable`.
     */
    code: z.string(),
    message: z.string(),
    category: registrationFailureCategory.optional(),
    /** What the administrator can do about it: one sentence. */
    remedy: z.string().optional(),
  }),
});
