import type { RegistrationFailureCategory } from '@postern/protocol/registration';

/**
 * Why a registration failed. The category says where to look: at the way to the service, at keys and certificates, or
 * at the administrator's sign-in. Message and remedy are for the person at the keyboard.
 */
export class RegistrationError extends Error {
  /**
   * Of the service's answer, or of this machine: `unreachable`, `name_not_resolved`, `proxy_unreachable`,
   * `proxy_refused`, `proxy_authentication`, `untrusted_service`, `unexpected_root`, `tls_failed`, `bad_answer`,
   * `data_folder`, `ca_file`, `bad_option`, `enrolment_token_damaged`, `enrolment_token_newer`.
   */
  readonly code: string;
  readonly category: RegistrationFailureCategory;
  readonly remedy: string;

  constructor(
    code: string,
    fields: { category: RegistrationFailureCategory; message: string; remedy: string },
    options?: ErrorOptions,
  ) {
    super(fields.message, options);
    this.code = code;
    this.category = fields.category;
    this.remedy = fields.remedy;
  }
}
