/**
 * What sign-in can say when it cannot do what was asked.
 *
 * - `busy`: more passwords are being checked than the machine can take; try again.
 */
export type SignInErrorCode = 'busy';

export class SignInError extends Error {
  readonly code: SignInErrorCode;

  constructor(code: SignInErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SignInError';
    this.code = code;
  }
}
