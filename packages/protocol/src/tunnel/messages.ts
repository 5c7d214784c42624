import type { DoctorReport } from '../doctor.ts';
import type { PackedBackends } from './backends.ts';

/**
 * The control stream of a tunnel: the first stream, opened by the connector. Each message is a 32-bit big-endian
 * length followed by that many bytes of JSON (at most {@link maxControlMessageBytes}). Unknown types and fields are
 * ignored, so that either side may be the newer one.
 */

export const tunnelProtocol = 'postern/1';
/**
 * Asked for in place of a tunnel, the tunnel listener says what it saw of the TLS connection, as one JSON document
 * ({@link EchoAnswer}), and closes. It reads nothing.
 */
export const echoProtocol = 'postern-echo/1';
/** In a connector's hello: it keeps a session log, and is to be told of every request. */
export const sessionLogFeature = 'session-log';
export const maxControlMessageBytes = 4 * 1024 * 1024;

/** What a connector may dial for one application. */
export interface BackendConfiguration {
  /**
   * Application id; a data stream's preamble names it. For a segment of a complex application with `/` and the segment's
   * id behind it, for a backend beside the internal URL with a space and its origin.
   */
  readonly applicationId: string;
  /**
   * Host name or address, as the connector resolves it; or a wildcard such as `*.corp.example`: then the preamble names the
   * host, which must be one that the wildcard stands for (`wildcardLabels`).
   */
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** Only with `tls`: whether the backend's certificate must be valid for `host`. */
  readonly validateCertificate: boolean;
  /** Certificates that are trusted for this backend beside those of the connector's machine, PEM. */
  readonly authorities?: string;
  /** The service speaks HTTP/2: with `tls`, the backend must choose it by ALPN. */
  readonly http2?: true;
}

/** Connector → service. */
export type ConnectorMessage =
  | {
      readonly type: 'hello';
      readonly version: string;
      readonly features: readonly string[];
      readonly machineName: string;
      readonly os: string;
    }
  /** The configuration with this revision is in force. */
  | { readonly type: 'configured'; readonly revision: number }
  /**
   * A data stream is over at the backend's side. `bytesWritten` counts what was handed to the backend connection
   * after the preamble; a request whose first byte lies at or beyond it was not sent.
   */
  | {
      readonly type: 'ended';
      readonly stream: number;
      readonly reason: EndReason;
      readonly bytesWritten: number;
    }
  /** The connector is about to stop: no new streams, please. */
  | { readonly type: 'draining' }
  /**
   * A new trust certificate, please, for the connector whose tunnel this is. The proof is of a new key, as at
   * registration (PEM, self-signed with SHA-512). One at a time; answered by `renewed` with the same id.
   */
  | { readonly type: 'renew'; readonly id: number; readonly proofCertificate: string }
  /** Answers `anchors`: these are on disk, and the connector trusts no others. SHA-256 of each DER, upper-case hex. */
  | { readonly type: 'anchors-kept'; readonly anchors: readonly string[] }
  /** The connector is being uninstalled: revoke it. The tunnel ends, and the next one is refused as revoked. */
  | { readonly type: 'leave' }
  /** Answers `doctor`. */
  | { readonly type: 'doctor-report'; readonly id: number; readonly report: DoctorReport };

export type EndReason =
  | 'backend_closed'
  | 'backend_reset'
  | 'backend_timeout'
  | 'service_closed'
  | 'connector_stopping';

/** Service → connector. */
export type ServiceMessage =
  | {
      readonly type: 'welcome';
      readonly connectorId: string;
      readonly nodeId: string;
      /** The service's clock, in milliseconds since the epoch; absent from services that do not tell. */
      readonly time?: number;
    }
  /** Always the whole set: what is not in it may not be dialled any more. */
  | ({ readonly type: 'configure'; readonly revision: number } & PackedBackends)
  /**
   * Always the whole set of authorities (PEM) that may issue the certificate of `connect.<domain>` from now on: told to
   * every tunnel, and again before it changes. Not believed unless one of them issued that of this very tunnel.
   */
  | { readonly type: 'anchors'; readonly anchors: readonly string[] }
  /** Look at yourself, please, and say what you find, within half a minute. */
  | { readonly type: 'doctor'; readonly id: number }
  | ({ readonly type: 'renewed'; readonly id: number } & RenewalAnswer)
  /**
   * The next request on a data stream; its first byte is at `offset` of what follows the preamble. Only to a connector
   * with the feature {@link sessionLogFeature}; the first request of a stream is in its preamble.
   */
  | {
      readonly type: 'request';
      readonly stream: number;
      readonly offset: number;
      readonly requestId: string;
    }
  /**
   * The service opens no more streams on this tunnel and ends it when those in flight have had their time; yamux's own
   * go-away follows, and this is why.
   */
  | { readonly type: 'going-away'; readonly reason: GoAwayReason; readonly detail: string }
  /**
   * The answer to the last request of a stream was complete; of a stream that carries HTTP/2, and several requests at a
   * time, to the one that is named. As `request`, only where a session log is kept.
   */
  | { readonly type: 'answered'; readonly stream: number; readonly requestId?: string }
  /** Of a stream that carries HTTP/2: a request is over without a whole answer, while the others go on. */
  | { readonly type: 'broken-off'; readonly stream: number; readonly requestId: string }
  /** The last message before the service closes a tunnel that it does not accept. */
  | {
      readonly type: 'refused';
      readonly reason: RefusalReason;
      readonly detail: string;
      /** As in `welcome`. */
      readonly time?: number;
    };

/**
 * - `stopping`: this node of the service is about to stop.
 * - `expired`: so has the certificate that this tunnel was opened with.
 * - `exhausted`: no stream id is left on this tunnel.
 */
export type GoAwayReason = 'stopping' | 'expired' | 'exhausted';

/** A renewed trust certificate, which the service accepts from now on beside the earlier ones; or why there is none. */
export type RenewalAnswer =
  | { readonly certificate: string; readonly issuerCertificates: readonly string[] }
  | { readonly error: { readonly code: RenewalRefusal; readonly message: string } };

/**
 * - `bad_proof`, `weak_key`, `proof_already_used`: as at registration.
 * - `revoked`: of the connector, or of the certificate that this tunnel was opened with.
 * - `expired`: so is the certificate that this tunnel was opened with.
 * - `unknown_certificate`: that one is not on record.
 * - `too_many`: this connector has renewed too often; later.
 * - `unavailable`: the service could not do it now; later.
 */
export type RenewalRefusal =
  | 'bad_proof'
  | 'weak_key'
  | 'proof_already_used'
  | 'revoked'
  | 'expired'
  | 'unknown_certificate'
  | 'too_many'
  | 'unavailable';

export type RefusalReason =
  | 'no_certificate'
  | 'unknown_issuer'
  | 'expired'
  | 'not_yet_valid'
  | 'wrong_usage'
  | 'unknown_certificate'
  | 'revoked'
  | 'busy';

/** What the tunnel listener says under {@link echoProtocol}: to the other end of one connection, about that connection. */
export interface EchoAnswer {
  /** As OpenSSL calls it, such as `TLSv1.3`. */
  readonly tlsVersion: string;
  /** The client certificate as it arrived; null if none did. */
  readonly certificate: {
    /** SHA-256 of the DER, upper-case hex. */
    readonly sha256: string;
    /** As OpenSSL calls it, such as `sha512WithRSAEncryption`. */
    readonly signatureAlgorithm: string;
  } | null;
  /** Whether a tunnel with this certificate would be accepted, and if not, why. */
  readonly verdict: 'accepted' | RefusalReason;
  readonly detail: string;
  /** The service's clock, in milliseconds since the epoch. */
  readonly time: number;
}
