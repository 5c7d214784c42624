/** Why a message was refused, with the status that a request refused for it is answered with. */
const statuses = {
  bad_method: 400,
  unknown_method: 501,
  method_not_allowed: 405,
  bad_target: 400,
  ambiguous_target: 400,
  target_too_long: 414,
  bad_version: 400,
  version_not_supported: 505,
  bad_status_line: 400,
  bare_cr: 400,
  bare_lf: 400,
  bad_field_name: 400,
  space_before_colon: 400,
  folded_field: 400,
  bad_field_value: 400,
  head_too_large: 431,
  too_many_fields: 431,
  missing_host: 400,
  repeated_host: 400,
  bad_host: 400,
  bad_content_length: 400,
  repeated_content_length: 400,
  bad_transfer_encoding: 400,
  repeated_transfer_encoding: 400,
  length_and_encoding: 400,
  body_not_allowed: 400,
  bad_connection: 400,
  bad_upgrade: 400,
  bad_expectation: 417,
  bad_chunk_size: 400,
  bad_chunk_extension: 400,
  bad_chunk_end: 400,
  chunk_extensions_too_large: 400,
  trailers_too_large: 431,
} as const;

/** A closed list: metrics and the event log use it as a label. */
export type Http1Reason = keyof typeof statuses;

/**
 * A message that the codec refuses. The connection it came from has no known message boundary left and must be
 * closed after the answer.
 *
 * `code` is the reason itself for requests and `bad_response` for responses; `status` is what the client is
 * answered: 4xx or 5xx by reason for requests, 502 for responses. `reason` is never a secret, but no byte of the
 * message is in it, so it may be logged and shown.
 */
export class Http1Error extends Error {
  override readonly name = 'Http1Error';
  readonly code: Http1Reason | 'bad_response';
  readonly reason: Http1Reason;
  readonly status: number;

  constructor(reason: Http1Reason, isResponse = false) {
    super(isResponse ? `bad response: ${reason}` : reason);
    this.code = isResponse ? 'bad_response' : reason;
    this.reason = reason;
    this.status = isResponse ? 502 : statuses[reason];
  }
}
