import type { CorsConfiguration } from '@postern/protocol/admin/cors';
import type { HealthProbe } from '@postern/protocol/admin/publishing-backends';
import type { ClientAuthentication } from '@postern/protocol/admin/publishing-clients';
import type { CustomHeaders, SecurityHeaders } from '@postern/protocol/admin/publishing-headers';
import type { ApplicationLimits, MaintenanceMode } from '@postern/protocol/admin/publishing-limits';
import type { DoctorReport } from '@postern/protocol/doctor';
import type { RenewalAnswer } from '@postern/protocol/tunnel/messages';
import type { BackendReport } from './backend-reports.ts';
import type { PathFacts, PathTest } from './path-facts.ts';
import type { PathOutcome } from './path-outcomes.ts';

export type { CorsConfiguration };

/**
 * What the control process tells relays, and what relays tell it: one JSON document per line over the Unix socket
 * `<run>/feed.sock`. A relay that connects says hello and gets a snapshot, then changes in order; each change list
 * carries the next sequence number. After a lost connection the relay connects again and gets a new snapshot, which
 * replaces everything it knew.
 */

/** An application as the relay needs it. Times in milliseconds; URLs are origins plus a path that ends in `/`. */
export interface ApplicationRecord {
  readonly id: string;
  readonly displayName: string;
  /**
   * For example `https://wiki.example.com/`; no port unless the service's public port is not 443. A wildcard such as
   * `https://*.apps.example.com/` has a wildcard as internal URL, too.
   */
  readonly externalUrl: string;
  /** For example `http://10.0.0.5:8080/app/`. */
  readonly internalUrl: string;
  readonly preAuthentication: 'preAuthenticated' | 'passthrough';
  readonly connectorGroupId: string;
  readonly assignmentRequired: boolean;
  readonly assignedUserIds: readonly string[];
  readonly assignedGroupIds: readonly string[];
  /** How long the backend may take until its first answer byte; 0 means no limit. */
  readonly backendTimeoutMs: number;
  /** Send the internal host as Host, and turn addresses in the fields of requests inwards. */
  readonly translateHostHeader: boolean;
  /** Turn addresses in the fields of answers outwards; absent: as `translateHostHeader`. */
  readonly translateAnswers?: boolean;
  /** Turn links in the content of answers outwards; absent: leave them alone. */
  readonly bodyLinks?: {
    readonly jsonLd: boolean;
    /** Internal URLs that are turned outwards in inline scripts, too. */
    readonly inlineScriptUrls: readonly string[];
  };
  readonly validateBackendCertificate: boolean;
  /** PEM of certificates that connectors trust for this application's backends beside those of their machine. */
  readonly backendAuthorities?: string;
  /** Backends are spoken to in HTTP/2: over TLS, or in the clear with prior knowledge. Absent: HTTP/1.1. */
  readonly backendProtocol?: 'http2' | 'h2c';
  readonly enabled: boolean;
  /** With a wildcard as external URL: only these are published. Absent: every host that the wildcard stands for. */
  readonly segments?: readonly SegmentRecord[];
  /** Rules for requests of other origins' pages; absent where there are none. */
  readonly cors?: readonly CorsConfiguration[];
  /** A second external URL; `isKept`: people who came by it stay on it. */
  readonly alternateUrl?: { readonly url: string; readonly isKept: boolean };
  /** Each client stays with one connector of the group, and with one backend. */
  readonly keepsClients?: true;
  /** Absent where the internal URL is the only backend. */
  readonly backends?: { readonly internalUrlWeight: number; readonly further: readonly BackendRecord[] };
  /** Absent while it is off. */
  readonly healthProbe?: HealthProbe;
  /** Add HttpOnly to the backend's cookies. */
  readonly httpOnlyCookies?: true;
  /** The backend answers /robots.txt, not the service. */
  readonly ownRobotsTxt?: true;
  /** Absent where none is set or removed. */
  readonly customHeaders?: CustomHeaders;
  /** Absent where no preset is on. */
  readonly securityHeaders?: SecurityHeaders;
  /** Absent where there is no limit, nobody is denied, and everybody is allowed. */
  readonly limits?: ApplicationLimits;
  /** Absent while it is off. */
  readonly maintenanceMode?: MaintenanceMode;
  /** How programs may say who they are; absent where it is as by default. */
  readonly clientAuthentication?: ClientAuthentication;
  /** Of programs that may use it; absent where there are none. */
  readonly credentials?: readonly CredentialRecord[];
}

/** What a program may present in place of a person. */
export interface CredentialRecord {
  readonly id: string;
  /** Who the program is; several credentials may be the same client's. */
  readonly clientId: string;
  readonly displayName: string | null;
  /** base64url SHA-256 of the secret, which is stored nowhere; empty for a certificate. */
  readonly secretHash: string;
  /** SHA-256 of the DER of a client's certificate, 64 upper-case hex digits; absent for a secret. */
  readonly certificateSha256?: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** A backend beside the internal URL. */
export interface BackendRecord {
  /** For example `http://10.0.0.6:8080`. */
  readonly origin: string;
  readonly weight: number;
  /** Gets requests only while no other is healthy. */
  readonly isBackup: boolean;
}

/** A part of a complex application, with a backend of its own. */
export interface SegmentRecord {
  readonly id: string;
  readonly externalUrl: string;
  readonly internalUrl: string;
  readonly cors?: readonly CorsConfiguration[];
}

export interface ConnectorGroupRecord {
  readonly id: string;
  readonly name: string;
  /** Which of its connectors are preferred: those of this region. Absent: as the service says. */
  readonly region?: string;
}

export interface ConnectorRecord {
  readonly id: string;
  readonly machineName: string;
  readonly groupId: string;
  /** Certificates issued to this connector, by SHA-256 of the DER in upper-case hex. */
  readonly certificates: readonly { readonly sha256: string; readonly revoked: boolean }[];
  readonly revoked: boolean;
  /** Takes no new requests. */
  readonly draining: boolean;
  /** Where it is; absent: nowhere in particular. */
  readonly region?: string;
}

export interface UserRecord {
  readonly id: string;
  readonly userPrincipalName: string;
  readonly displayName: string;
  readonly mail: string | null;
  readonly enabled: boolean;
  readonly groupIds: readonly string[];
}

/** One browser's signed-in state at one application host. */
export interface SessionRecord {
  readonly id: string;
  /** base64url SHA-256 of the cookie's value; the value itself is stored nowhere. */
  readonly idHash: string;
  /** The host, lower case and without port, whose cookie this is; it proves nothing at another host. */
  readonly host: string;
  readonly userId: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Until when its answers say how long each hop took: an administrator has asked for it. Absent: not at all. */
  readonly timingUntil?: number;
}

/** PEM material that the tunnel listener needs. */
export interface TunnelTrust {
  /** Leaf and chain for `connect.<domain>`, of the service's own CA. */
  readonly certificate: string;
  readonly privateKey: string;
  /** Registration CA certificates whose trust certificates are accepted. */
  readonly clientAuthorities: readonly string[];
  /** Authorities that connectors are to trust for `connect.<domain>`: the one that signs, and any before or after it. */
  readonly anchors?: readonly string[];
  /** Served on port 80 of `connect.<domain>`. */
  readonly revocationLists?: readonly RevocationList[];
}

/** What access tokens of our OpenID Provider are verified with. */
export interface TokenTrust {
  readonly issuer: string;
  /** Public keys (RFC 7517), ES256. */
  readonly keys: readonly TokenKey[];
}

export interface TokenKey {
  readonly kid: string;
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y: string;
}

/** What one registration CA has revoked. */
export interface RevocationList {
  /** Where it is served: `/crl/<name>.crl`. */
  readonly path: string;
  /** base64 of the DER. */
  readonly der: string;
}

/** A certificate for public names that the store holds, with its key. */
export interface CertificateRecord {
  readonly id: string;
  /** DNS names that it is used for: those of its names whose domain is proved to be ours. */
  readonly names: readonly string[];
  /** Leaf and intermediates, PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly privateKey: string;
  /** Milliseconds since the epoch, as the times below. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly createdAt: number;
}

/** What an ACME server looks for at a host that is to get a certificate (RFC 8555 §8.3, RFC 8737). */
export type ChallengeRecord =
  | {
      readonly kind: 'http-01';
      readonly id: string;
      readonly host: string;
      readonly token: string;
      readonly keyAuthorization: string;
    }
  | {
      readonly kind: 'tls-alpn-01';
      readonly id: string;
      readonly host: string;
      /** PEM. */
      readonly certificate: string;
      readonly privateKey: string;
    };

export interface RelayState {
  readonly applications: readonly ApplicationRecord[];
  readonly connectorGroups: readonly ConnectorGroupRecord[];
  readonly connectors: readonly ConnectorRecord[];
  readonly users: readonly UserRecord[];
  readonly sessions: readonly SessionRecord[];
  readonly tunnelTrust: TunnelTrust;
  /** Absent: no access token is let in. */
  readonly tokenTrust?: TokenTrust;
  readonly certificates?: readonly CertificateRecord[];
  readonly challenges?: readonly ChallengeRecord[];
}

/** A change of one record; `remove` names it by id. */
export type Change =
  | { readonly set: 'applications'; readonly put: ApplicationRecord }
  | { readonly set: 'connectorGroups'; readonly put: ConnectorGroupRecord }
  | { readonly set: 'connectors'; readonly put: ConnectorRecord }
  | { readonly set: 'users'; readonly put: UserRecord }
  | { readonly set: 'sessions'; readonly put: SessionRecord }
  | { readonly set: 'tunnelTrust'; readonly put: TunnelTrust }
  | { readonly set: 'tokenTrust'; readonly put: TokenTrust }
  | { readonly set: 'certificates'; readonly put: CertificateRecord }
  | { readonly set: 'challenges'; readonly put: ChallengeRecord }
  | {
      readonly set:
        | 'applications'
        | 'connectorGroups'
        | 'connectors'
        | 'users'
        | 'sessions'
        | 'certificates'
        | 'challenges';
      readonly remove: string;
    };

/** Control process → relay. */
export type ControlMessage =
  | { readonly type: 'snapshot'; readonly sequence: number; readonly state: RelayState }
  | { readonly type: 'changes'; readonly sequence: number; readonly changes: readonly Change[] }
  /** Sent every 5 s, so that a relay can tell a quiet control process from a dead one. */
  | { readonly type: 'alive' }
  /** Answer to `find-session`. */
  | { readonly type: 'session'; readonly question: number; readonly session: SessionRecord | null }
  /** Answer to `renew`; the renewed certificate was in a list of changes before it. */
  | { readonly type: 'renewed'; readonly question: number; readonly answer: RenewalAnswer }
  /** Send a request to an application and say how it fares; answered by `tested`. */
  | { readonly type: 'test'; readonly question: number; readonly test: PathTest }
  /** Say what is known of the health of an application's backends; answered by `backends-reported`. */
  | { readonly type: 'report-backends'; readonly question: number; readonly applicationId: string }
  /** Say what was seen last of the way to these applications; answered by `outcomes-reported`. */
  | {
      readonly type: 'report-outcomes';
      readonly question: number;
      readonly applicationIds: readonly string[];
    }
  /** Let this connector look at itself; answered by `examined`. */
  | { readonly type: 'examine'; readonly question: number; readonly connectorId: string };

/** Relay → control process. */
export type RelayMessage =
  | { readonly type: 'hello'; readonly processId: number }
  /** Every change up to this sequence number is in force on this relay. */
  | { readonly type: 'applied'; readonly sequence: number }
  /** A cookie that the relay does not know: asked once, so that a sign-in is never lost to a race. */
  | {
      readonly type: 'find-session';
      readonly question: number;
      readonly idHash: string;
      readonly host: string;
    }
  /** A connector asks for a new trust certificate through its tunnel. */
  | ({ readonly type: 'renew'; readonly question: number } & RenewalRequest)
  /** A credential of an application has let a request in; said at most once a minute. */
  | { readonly type: 'credential-used'; readonly credentialId: string }
  /** A connector asks through its tunnel to be revoked: it is being uninstalled. */
  | { readonly type: 'leave'; readonly connectorId: string }
  /** Answer to `examine`; null where this relay has no tunnel of that connector, or the connector did not answer. */
  | { readonly type: 'examined'; readonly question: number; readonly report: DoctorReport | null }
  /** Answer to `report-outcomes`; applications that nothing was seen of are left out. */
  | {
      readonly type: 'outcomes-reported';
      readonly question: number;
      readonly outcomes: readonly PathOutcome[];
    }
  /** Answer to `test`; null where this relay does not publish the application. */
  | { readonly type: 'tested'; readonly question: number; readonly facts: PathFacts | null }
  /** Answer to `report-backends`; null where this relay does not publish the application. */
  | {
      readonly type: 'backends-reported';
      readonly question: number;
      readonly reports: readonly BackendReport[] | null;
    }
  | { readonly type: 'tunnel-up'; readonly tunnel: TunnelReport }
  /** Pings on a tunnel are not answered any more, or again. */
  | { readonly type: 'tunnel-probe'; readonly tunnelId: string; readonly isAnswered: boolean }
  /** The certificate of a connector that is known was not accepted. */
  | ({ readonly type: 'refused' } & TunnelRefusal)
  /** A connector trusts these authorities for `connect.<domain>`, and will after a restart: SHA-256 of each DER. */
  | { readonly type: 'anchors-kept'; readonly connectorId: string; readonly anchors: readonly string[] }
  | {
      readonly type: 'tunnel-down';
      readonly tunnelId: string;
      readonly connectorId: string;
      readonly reason: string;
    };

/** A tunnel that was refused to a connector that is known: it has proved the key of a certificate on record. */
export interface TunnelRefusal {
  readonly connectorId: string;
  /** As the connector was told it. */
  readonly reason: string;
  readonly detail: string;
  readonly externalIp: string;
}

/** What a relay knows of a connector that asks for a new trust certificate. */
export interface RenewalRequest {
  /** Whose tunnel it is; never what the connector says of itself. */
  readonly connectorId: string;
  /** The certificate that the tunnel was opened with: SHA-256 of the DER, upper-case hex. */
  readonly certificateSha256: string;
  /** PEM, as the connector sent it. */
  readonly proofCertificate: string;
}

export interface TunnelReport {
  readonly tunnelId: string;
  readonly connectorId: string;
  /** Address the tunnel came from. */
  readonly externalIp: string;
  readonly machineName: string;
  readonly version: string;
  readonly os: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Pings on it are not answered. */
  readonly isUnanswered?: boolean;
}
