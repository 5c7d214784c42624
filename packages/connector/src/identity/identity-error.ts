/** What is wrong with the connector's own files; message and remedy are for its administrator. */
export class IdentityError extends Error {
  readonly code:
    | 'not_registered'
    | 'other_machine'
    | 'bad_trust_settings'
    | 'bad_service_settings'
    | 'no_usable_certificate';
  readonly remedy: string;

  constructor(code: IdentityError['code'], message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.remedy = remedy;
  }
}
