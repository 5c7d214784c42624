import type { Generated } from 'kysely';

/**
 * The tables, as Kysely sees them. Ids are lower-case UUIDs; times are milliseconds since the epoch; booleans are 0 or 1
 * (SQLite has none); names ending in `Json` hold a JSON document.
 */
export interface Database {
  user: UserTable;
  userGroup: UserGroupTable;
  userGroupMember: UserGroupMemberTable;
  roleAssignment: RoleAssignmentTable;
  application: ApplicationTable;
  applicationCredential: ApplicationCredentialTable;
  appRoleAssignment: AppRoleAssignmentTable;
  connectorGroup: ConnectorGroupTable;
  connector: ConnectorTable;
  connectorCertificate: ConnectorCertificateTable;
  registrationProof: RegistrationProofTable;
  enrolmentToken: EnrolmentTokenTable;
  connectorEvent: ConnectorEventTable;
  alert: AlertTable;
  alertDelivery: AlertDeliveryTable;
  edgeSession: EdgeSessionTable;
  invitation: InvitationTable;
  signInFailure: SignInFailureTable;
  oidcRecord: OidcRecordTable;
  sealedSecret: SealedSecretTable;
  customDomain: CustomDomainTable;
  publicCertificate: PublicCertificateTable;
  automaticCertificate: AutomaticCertificateTable;
}

export interface UserTable {
  id: string;
  /** As entered, for display. */
  userPrincipalName: string;
  /** Lower case, NFC; unique. The name people sign in with. */
  signInName: string;
  displayName: string;
  mail: string | null;
  accountEnabled: number;
  /** PHC string of argon2id, or null until the invitation has been used. */
  passwordHash: string | null;
  createdAt: number;
  /** Changes with every change of the row; the admin API's ETag. */
  version: Generated<number>;
}

export interface UserGroupTable {
  id: string;
  displayName: string;
  description: string | null;
  createdAt: number;
  version: Generated<number>;
}

export interface UserGroupMemberTable {
  groupId: string;
  userId: string;
}

export interface RoleAssignmentTable {
  userId: string;
  /** `Global Administrator` or `Application Administrator`. */
  role: string;
}

export interface ApplicationTable {
  /** Object id, the one in URLs of the admin API. */
  id: string;
  /** Client id (`appId`). */
  appId: string;
  servicePrincipalId: string;
  displayName: string;
  connectorGroupId: string;
  assignmentRequired: number;
  accountEnabled: number;
  /** Shown in My Apps. */
  visibleToUsers: number;
  homePageUrl: string | null;
  /** The onPremisesPublishing object; null until it has been configured. */
  publishingJson: string | null;
  /** Lower-case external URL, unique; null until configured. */
  externalUrl: string | null;
  createdAt: number;
  version: Generated<number>;
}

/** Secrets and certificates with which programs use an application; what is kept of one is its hash. */
export interface ApplicationCredentialTable {
  id: string;
  applicationId: string;
  /** Who the program is; several credentials may be the same client's. */
  clientId: string;
  displayName: string | null;
  /** base64url SHA-256 of the secret; empty, which no hash is, for a certificate. */
  secretHash: string;
  /** SHA-256 of the certificate's DER, 64 upper-case hex digits; null for a secret. */
  certificateSha256: string | null;
  /** The first characters of the secret, to tell it from others; empty for a certificate. */
  hint: string;
  createdAt: number;
  expiresAt: number;
  lastUsedAt: number | null;
}

export interface AppRoleAssignmentTable {
  id: string;
  /** servicePrincipalId of the application. */
  resourceId: string;
  principalId: string;
  /** `User` or `Group`. */
  principalType: string;
  createdAt: number;
}

export interface ConnectorGroupTable {
  id: string;
  name: string;
  isDefault: number;
  region: string | null;
  createdAt: number;
  version: Generated<number>;
}

export interface ConnectorTable {
  id: string;
  machineName: string;
  groupId: string;
  externalIp: string | null;
  version: string;
  os: string;
  createdAt: number;
  lastSeenAt: number | null;
  revokedAt: number | null;
  /**
   * The newest authority for `connect.<domain>` that it has said it keeps, while such a rotation is under way: SHA-256 of
   * the DER, upper-case hex.
   */
  keptAnchor?: string | null;
  /** Since when it takes no new requests; null while it does. */
  drainingSince?: number | null;
  /** As an administrator wrote it; null for none. */
  region?: string | null;
}

export interface ConnectorCertificateTable {
  /** Upper-case hex. */
  serial: string;
  connectorId: string;
  /** SHA-256 of the DER, upper-case hex. */
  sha256: string;
  /** SHA-1 of the DER, upper-case hex: what administrators know as the thumbprint. */
  thumbprint: string;
  notBefore: number;
  notAfter: number;
  revokedAt: number | null;
  pem: string;
}

/** Keys that connectors have registered with: a proof of possession gives one connector, however often it is sent. */
export interface RegistrationProofTable {
  /** SHA-256 of the SPKI, upper-case hex. */
  keySha256: string;
  connectorId: string;
  /** The enrolment token that it was used with, if it was one. */
  enrolmentTokenId: string | null;
  createdAt: number;
}

/** Enrolment tokens that administrators have made; what is kept of the secret is its hash. */
export interface EnrolmentTokenTable {
  id: string;
  /** base64url SHA-256 of the secret. */
  secretHash: string;
  displayName: string | null;
  connectorGroupId: string;
  /** User id of the administrator; the user may be gone. */
  createdBy: string;
  maxUses: number;
  uses: number;
  createdAt: number;
  expiresAt: number;
  lastUsedAt: number | null;
  revokedAt: number | null;
}

/** What happened to a connector lately, as the service saw it; the oldest rows of each go. */
export interface ConnectorEventTable {
  sequence: Generated<number>;
  connectorId: string;
  createdAt: number;
  /** Stable name. */
  event: string;
  /** `info`, `warn` or `error`. */
  level: string;
  message: string;
}

/** Alerts that were raised. A subject is raised once, whatever became of the deliveries. */
export interface AlertTable {
  id: string;
  /** Such as `certificate:<serial>:<days>`. */
  subject: string;
  createdAt: number;
  alertJson: string;
}

/** One alert by one channel. */
export interface AlertDeliveryTable {
  alertId: string;
  channel: string;
  attempts: number;
  /** Null: delivered, or given up. */
  nextAttemptAt: number | null;
  deliveredAt: number | null;
  lastError: string | null;
}

export interface EdgeSessionTable {
  id: string;
  /** base64url SHA-256 of the cookie's value. */
  idHash: string;
  host: string;
  userId: string;
  /** Session or, of an access token, grant of the OpenID Provider that this one came from: it ends with that one. */
  loginSessionUid: string | null;
  createdAt: number;
  expiresAt: number;
  /** Until when its answers say how long each hop took; null: they do not. */
  timingUntil: number | null;
}

export interface InvitationTable {
  /** base64url SHA-256 of the link's secret. */
  secretHash: string;
  userId: string;
  /** `invite`, `setup` or `recover`. */
  purpose: string;
  createdAt: number;
  expiresAt: number;
  usedAt: number | null;
}

export interface SignInFailureTable {
  /** What is counted: `account:` and the SHA-256 of the sign-in name, or `address:` and the IPv4 address or IPv6 /64. */
  key: string;
  count: number;
  windowStartedAt: number;
  blockedUntil: number | null;
}

export interface OidcRecordTable {
  /** oidc-provider's model name, such as `Session` or `AccessToken`. */
  model: string;
  /** SHA-256 of the id where the id is a bearer secret. */
  id: string;
  payloadJson: string;
  grantId: string | null;
  userCode: string | null;
  uid: string | null;
  consumedAt: number | null;
  expiresAt: number | null;
  /** Of what waits for somebody to sign in, the address it was begun from, as uses and failures are counted. */
  origin: string | null;
}

export interface SealedSecretTable {
  /** `registration-ca`, `service-ca`, `local-ca`, `oidc-keys`, `cookie-keys`. */
  name: string;
  /** AES-256-GCM under the master key: nonce, tag and ciphertext in base64. */
  sealed: string;
  createdAt: number;
}

/** Domains beside the service's own under which applications may be published, once their ownership has been proved. */
export interface CustomDomainTable {
  /** Lower case, punycode, without trailing dot. */
  name: string;
  /** What the TXT record has to say; no secret. */
  verificationToken: string;
  /** Certificates for names under it are got by ACME, where that is configured. */
  automaticCertificates: number;
  verifiedAt: number | null;
  /** `txt`, `parent` (a domain above it was verified), or `acme`, which proves this very name and none below it. */
  verifiedBy: string | null;
  createdAt: number;
}

/** Certificates for public names; the private key is sealed under `certificate-key:<id>`. */
export interface PublicCertificateTable {
  id: string;
  /** `uploaded` or `automatic`. */
  source: string;
  /** Its DNS names, lower case, wildcards included. */
  namesJson: string;
  /** Leaf and intermediates. */
  pem: string;
  sha256: string;
  thumbprint: string;
  notBefore: number;
  notAfter: number;
  /** Null where it was uploaded. */
  renewAt: number | null;
  createdAt: number;
}

/** A certificate that the service gets by itself: what was tried last, and the order that is under way. */
export interface AutomaticCertificateTable {
  /** Its names in order, with commas. */
  key: string;
  namesJson: string;
  /** Of an order whose key is sealed under `acme-order-key:<key>`; null where none is under way. */
  orderUrl: string | null;
  /** Attempts in a row that failed. */
  failures: number;
  lastAttemptAt: number | null;
  /** Not before this time, after a failure. */
  nextAttemptAt: number | null;
  lastError: string | null;
  lastRemedy: string | null;
}
