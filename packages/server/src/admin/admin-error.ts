/** A refusal of the admin API. `code` is stable and one of Microsoft Graph's where it has one. */
export class AdminError extends Error {
  override readonly name = 'AdminError';
  readonly code: AdminErrorCode;

  constructor(code: AdminErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Which status goes with which code: the only place where the admin API chooses one. */
export const statusOf = {
  Request_BadRequest: 400,
  InvalidAuthenticationToken: 401,
  Authorization_RequestDenied: 403,
  Request_ResourceNotFound: 404,
  Request_MethodNotAllowed: 405,
  Request_Conflict: 409,
  Request_PreconditionFailed: 412,
  Request_EntityTooLarge: 413,
  Request_UnsupportedMediaType: 415,
  Service_InternalServerError: 500,
  Service_Unavailable: 503,
  Service_InsufficientStorage: 507,
} as const;

export type AdminErrorCode = keyof typeof statusOf;
