import { remedyOf } from '@postern/connector/commands/describe-failure';
import type { IdentityError } from '@postern/connector/identity/identity-error';
import type { RegistrationError } from '@postern/connector/registration-error';
import { type Command, Option } from 'commander';
import { CliError, type Failure } from './cli-error.ts';

/** Options of the commands that work on a connector of this machine. */
export interface ConnectorOptions {
  readonly data: string;
}

export function addDataOption(command: Command): Command {
  return command.addOption(
    new Option('--data <folder>', "the connector's folder")
      .env('POSTERN_CONNECTOR_DATA')
      .default('/var/lib/postern-connector'),
  );
}

/** What the connector's own errors say, as this program says it. */
export function explainConnectorError(error: unknown): unknown {
  if (error instanceof RangeError) {
    return new CliError('usage', error.message, { cause: error });
  }
  if (!(error instanceof Error) || error instanceof CliError) {
    return error;
  }
  if (!('remedy' in error)) {
    const known = remedyOf(error);
    return known === undefined
      ? error
      : new CliError('failed', error.message, { remedy: known, cause: error });
  }
  const { message, code, logFile, ...rest } = error as (IdentityError | RegistrationError) & {
    logFile?: string;
  };
  const remedy = logFile === undefined ? rest.remedy : `${rest.remedy} The log of this attempt is ${logFile}`;
  return new CliError(failureOf(code, 'category' in error ? error.category : undefined), message, {
    remedy,
    cause: error,
  });
}

function failureOf(code: string, category: unknown): Failure {
  switch (code) {
    case 'not_authenticated':
      return 'notSignedIn';
    case 'not_authorized':
    case 'enrolment_token_unknown':
    case 'enrolment_token_used_up':
    case 'enrolment_token_expired':
    case 'enrolment_token_revoked':
    case 'enrolment_token_group':
      return 'notAllowed';
    case 'unknown_connector_group':
    case 'not_registered':
      return 'notFound';
    case 'bad_option':
    case 'ca_file':
    case 'enrolment_token_damaged':
    case 'enrolment_token_newer':
      return 'usage';
    case 'untrusted_service':
    case 'unexpected_root':
    case 'tls_failed':
      return 'unreachable';
    default:
      return category === 'connectivity' ? 'unreachable' : 'failed';
  }
}
