/** Why a certificate was not got. Message and remedy are for an administrator, and hold nothing secret. */
export class AcmeError extends Error {
  override readonly name = 'AcmeError';
  /** The last part of an ACME error type (RFC 8555 §6.7), or one of ours: `unreachable`, `not_acme`, `dns_webhook`, … */
  readonly code: string;
  readonly remedy: string;
  /** How long the server wants us to wait; null where it does not say. */
  readonly retryAfterMs: number | null;

  constructor(
    code: string,
    message: string,
    remedy: string,
    options: ErrorOptions & { readonly retryAfterMs?: number | null } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = remedy;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

const reachRemedy =
  'See that the name leads to this service from the internet ("postern domain check"), and that port 80 (http-01) or 443 (tls-alpn-01) is open there.';

const remedies: Readonly<Record<string, string>> = {
  dns: reachRemedy,
  connection: reachRemedy,
  unauthorized: reachRemedy,
  incorrectResponse: reachRemedy,
  tls: reachRemedy,
  caa: 'Let the CAA record of the domain name this authority, or take the record away.',
  rateLimited: 'Nothing has to be done: the service tries again when the authority allows it.',
  rejectedIdentifier: 'The authority does not issue for this name; upload a certificate of another one.',
  externalAccountRequired:
    'Set certificates.acme.externalAccountKeyId and externalAccountKeyFile as the authority gave them to you.',
  userActionRequired: 'Read what the authority asks for at the address in the message, and agree there.',
  unsupportedContact: 'Set certificates.acme.email to an address that the authority accepts.',
  invalidContact: 'Set certificates.acme.email to an address that the authority accepts.',
};

/** What to do about an error that an ACME server names. */
export function remedyFor(code: string): string {
  return (
    remedies[code] ?? 'Read what the authority says; the service tries again by itself, later each time.'
  );
}
