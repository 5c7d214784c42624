/**
 * The control stream of a tunnel: the first stream, opened by the connector. Each message is a 32-bit big-endian
 * length followed by that many bytes of JSON (at most {@link maxControlMessageBytes}). Unknown types and fields are
 * ignored, so that either side may be the newer one.
 */

export const tunnelProtocol = 'postern/1';
export const maxControlMessageBytes = 4 * 1024 * 1024;

/** What a connector may dial for one application. */
export interface BackendConfiguration {
  /** Application id; a data stream's preamble names it. */
  readonly applicationId: string;
  /** Host name or address, as the connector resolves it. */
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** Only with `tls`: whether the backend's certificate must be valid for `host`. */
  readonly validateCertificate: boolean;
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
  | { readonly type: 'draining' };

export type EndReason =
  | 'backend_closed'
  | 'backend_reset'
  | 'backend_timeout'
  | 'service_closed'
  | 'configuration_changed'
  | 'connector_stopping';

/** Service → connector. */
export type ServiceMessage =
  | { readonly type: 'welcome'; readonly connectorId: string; readonly nodeId: string }
  /** Always the whole set: what is not in it may not be dialled any more. */
  | {
      readonly type: 'configure';
      readonly revision: number;
      readonly backends: readonly BackendConfiguration[];
    }
  /** The last message before the service closes a tunnel that it does not accept. */
  | { readonly type: 'refused'; readonly reason: RefusalReason; readonly detail: string };

export type RefusalReason =
  | 'no_certificate'
  | 'unknown_issuer'
  | 'expired'
  | 'not_yet_valid'
  | 'wrong_usage'
  | 'unknown_certificate'
  | 'revoked'
  | 'busy';
