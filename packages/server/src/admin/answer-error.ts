import type { AdminErrorBody } from '@postern/protocol/admin/error';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { DirectoryError, type DirectoryErrorCode } from '../directory/directory-error.ts';
import { CertificateError, type CertificateErrorCode } from '../domains/certificate-error.ts';
import { StoreError } from '../store/store-error.ts';
import { AdminError, type AdminErrorCode, statusOf } from './admin-error.ts';

/** Answers a failed request: what the caller may read goes out, what only an operator may read is logged. */
export function answerError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const known = toAdminError(error, request);
  const status = statusOf[known.code];
  if (status >= 500) {
    request.log.error({ err: error, requestId: request.id }, 'admin API request failed');
  }
  if (status === 401) {
    reply.header('www-authenticate', 'Bearer realm="Postern admin API", error="invalid_token"');
  }
  const body: AdminErrorBody = {
    error: {
      code: known.code,
      message: known.message,
      ...detailsOf(error, known.code),
      innerError: { 'request-id': request.id, date: new Date().toISOString() },
    },
  };
  // Serialised here: the schema of the route may not be one that was matched.
  reply.code(status).type('application/json; charset=utf-8').serializer(JSON.stringify).send(body);
}

const codeOfDirectoryError: Readonly<Record<DirectoryErrorCode, AdminErrorCode>> = {
  not_found: 'Request_ResourceNotFound',
  conflict: 'Request_Conflict',
  invalid: 'Request_BadRequest',
  precondition_failed: 'Request_PreconditionFailed',
  last_administrator: 'Request_Conflict',
  forbidden: 'Authorization_RequestDenied',
  storage_full: 'Service_InsufficientStorage',
};

function toAdminError(error: FastifyError, request: FastifyRequest): AdminError {
  if (error instanceof AdminError) {
    return error;
  }
  if (error instanceof DirectoryError) {
    return new AdminError(codeOfDirectoryError[error.code], error.message, { cause: error });
  }
  if (error instanceof CertificateError) {
    return new AdminError('Request_BadRequest', `${error.message} ${error.remedy}`, { cause: error });
  }
  if (error instanceof StoreError) {
    return error.code === 'storage_full'
      ? new AdminError('Service_InsufficientStorage', 'The service has no space left; nothing was changed.')
      : new AdminError('Service_Unavailable', 'The service cannot use its database. Its log says why.');
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    return (
      noSuchObject(error, request) ??
      new AdminError('Request_BadRequest', describeIssues(error), { cause: error })
    );
  }
  return fromFastify(error);
}

/** What is no id names no object; whoever has mistyped an address is not told what ids are made of. */
function noSuchObject(error: FastifyError, { params }: FastifyRequest): AdminError | null {
  const wrong = issuesOf(error).find(({ path }) => /^id$|Id$/.test(path));
  if (error.validationContext !== 'params' || wrong === undefined) return null;
  const value = (params as Readonly<Record<string, string>>)[wrong.path];
  return new AdminError('Request_ResourceNotFound', `There is no object ${JSON.stringify(value)}.`, {
    cause: error,
  });
}

/** The first few problems, each with the property that has it. */
function describeIssues(error: FastifyError): string {
  const where = error.validationContext === 'body' ? '' : `${error.validationContext} `;
  const described = issuesOf(error).map(({ path, message }) =>
    path === '' ? message : `${where}${path}: ${message}`,
  );
  return `${described.join('; ')}.`;
}

/** What of an upload is at fault, where that is not the certificate. */
const partOfUpload: Readonly<Partial<Record<CertificateErrorCode, string>>> = {
  wrong_password: 'password',
  no_private_key: 'privateKey',
  key_mismatch: 'privateKey',
};

/** Which values of the body were refused; nothing where it is not known, or no matter of the body. */
function detailsOf(error: FastifyError, code: AdminErrorCode): Pick<AdminErrorBody['error'], 'details'> {
  if (error instanceof DirectoryError && error.property !== undefined) {
    return { details: [{ code, target: error.property, message: error.message }] };
  }
  if (error instanceof CertificateError) {
    const target = partOfUpload[error.code] ?? 'certificate';
    return { details: [{ code: error.code, target, message: `${error.message} ${error.remedy}` }] };
  }
  if (!hasZodFastifySchemaValidationErrors(error) || error.validationContext !== 'body') return {};
  const details = issuesOf(error).filter(({ path }) => path !== '');
  return { details: details.map(({ path, message }) => ({ code, target: path, message: `${message}.` })) };
}

function issuesOf(error: FastifyError): { path: string; message: string }[] {
  return (error.validation ?? []).slice(0, 5).map(({ instancePath, message = '' }) => ({
    path: instancePath.replace(/^\//, '').replaceAll('/', '.'),
    message,
  }));
}

function fromFastify(error: FastifyError): AdminError {
  switch (error.statusCode) {
    case 400:
      return new AdminError('Request_BadRequest', 'The body is not JSON that can be accepted.', {
        cause: error,
      });
    case 413:
      return new AdminError('Request_EntityTooLarge', 'The body is too long.', { cause: error });
    case 415:
      return new AdminError(
        'Request_UnsupportedMediaType',
        'The admin API reads JSON only: send "Content-Type: application/json".',
        { cause: error },
      );
    default:
      return new AdminError(
        'Service_InternalServerError',
        'The service failed to answer. Its log has the cause under this request id.',
        { cause: error },
      );
  }
}
