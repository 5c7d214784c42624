/**
 * - `not_pfx`, `not_pem`: the file is not of that kind.
 * - `too_costly`: opening it takes longer than any sensible file does.
 * - `wrong_password`: it cannot be opened with the password.
 * - `no_certificate`, `no_private_key`, `key_mismatch`: what belongs together is not there.
 * - `expired`, `not_yet_valid`: at this time nobody would accept it.
 * - `self_signed`, `incomplete_chain`, `not_for_servers`, `no_names`: browsers refuse it.
 * - `weak_key`, `unsupported_key`, `weak_signature`: browsers refuse it, or ought to.
 * - `domain_not_verified`, `host_not_covered`: it is for other names.
 */
export type CertificateErrorCode =
  | 'not_pfx'
  | 'not_pem'
  | 'too_costly'
  | 'wrong_password'
  | 'no_certificate'
  | 'no_private_key'
  | 'key_mismatch'
  | 'expired'
  | 'not_yet_valid'
  | 'self_signed'
  | 'incomplete_chain'
  | 'not_for_servers'
  | 'no_names'
  | 'weak_key'
  | 'unsupported_key'
  | 'weak_signature'
  | 'domain_not_verified'
  | 'host_not_covered';

/** Why a certificate was not accepted. Message and remedy are for whoever uploads it, and hold nothing of the key. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
  readonly code: CertificateErrorCode;
  readonly remedy: string;

  constructor(code: CertificateErrorCode, message: string, remedy: string) {
    super(message);
    this.code = code;
    this.remedy = remedy;
  }
}
