import type { RegistrationFailureCategory } from '@postern/protocol/registration';
import type { FastifyError } from 'fastify';
import { ProofError } from './proof.ts';

/** Why a registration was not made, as the administrator at the connector reads it. Nothing was issued. */
export class RegistrationRefusal extends Error {
  /** Stable; `@postern/protocol/registration` lists them. */
  readonly code: string;
  /** Of HTTP. */
  readonly status: number;
  readonly category: RegistrationFailureCategory;
  readonly remedy: string;

  constructor(
    code: string,
    fields: { status: number; category: RegistrationFailureCategory; message: string; remedy: string },
    options?: ErrorOptions,
  ) {
    super(fields.message, options);
    this.code = code;
    this.status = fields.status;
    this.category = fields.category;
    this.remedy = fields.remedy;
  }
}

/** A request needs no more: a proof certificate, a signature and a few short fields. */
export const maxBodyBytes = 32_768;

/** What the answer says of anything that was thrown. */
export function toRefusal(error: unknown): RegistrationRefusal {
  if (error instanceof RegistrationRefusal) return error;
  if (error instanceof ProofError) return proofRefusal(error);
  const { statusCode = 500 } = error as Partial<FastifyError>;
  if (statusCode === 413) {
    return badRequest(`The request is larger than ${maxBodyBytes} bytes.`, { cause: error });
  }
  // What fastify refuses itself: a body that is no JSON, or of another type.
  if (statusCode >= 400 && statusCode < 500) {
    return badRequest('The request is no JSON document.', { cause: error });
  }
  return new RegistrationRefusal(
    'unavailable',
    {
      status: 503,
      category: 'trust_establishment',
      message: 'The service could not record the registration; nothing was issued.',
      remedy: "Look into the service's log for this request id, then repeat the registration.",
    },
    { cause: error },
  );
}

export function badRequest(message: string, options?: ErrorOptions): RegistrationRefusal {
  return new RegistrationRefusal(
    'bad_request',
    {
      status: 400,
      category: 'trust_establishment',
      message,
      remedy: 'Use a connector of the same release as the service, or a newer one.',
    },
    options,
  );
}

function proofRefusal(error: ProofError): RegistrationRefusal {
  return new RegistrationRefusal(
    error.code,
    {
      status: 400,
      category: 'trust_establishment',
      message: `The connector's proof was refused: ${error.message}.`,
      remedy:
        error.code === 'weak_key'
          ? 'Let "postern connector register" make the key: RSA 3072, or P-384 with --key p384.'
          : 'Repeat the registration on the connector machine; the proof must not be changed on its way.',
    },
    { cause: error },
  );
}
