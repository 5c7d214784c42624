import { readFileSync } from 'node:fs';
import {
  type EnrolmentToken,
  EnrolmentTokenError,
  isEnrolmentToken,
  parseEnrolmentToken,
} from '@postern/protocol/enrolment-token';
import { RegistrationError } from './registration-error.ts';

/**
 * Reads what a registration is made with: an enrolment token, or an access token of an administrator. Never from the
 * command line, where other users of the machine see it in the list of processes.
 *
 * @param file `-` for standard input; where there is none, $POSTERN_ENROLMENT_TOKEN, then $POSTERN_TOKEN.
 * @returns null where none was given.
 * @throws RegistrationError `bad_option`.
 */
export function readRegistrationToken(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string | null {
  if (file === undefined) {
    const token = environment['POSTERN_ENROLMENT_TOKEN']?.trim() || environment['POSTERN_TOKEN']?.trim();
    return token || null;
  }
  const token = readTokenFile(file).trim();
  if (token !== '') return token;
  throw badTokenFile(`${file === '-' ? 'The standard input' : `The file ${file}`} holds no token.`);
}

function readTokenFile(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    throw badTokenFile(`The token cannot be read from ${file}: ${(cause as Error).message}.`, { cause });
  }
}

function badTokenFile(message: string, options?: ErrorOptions): RegistrationError {
  const remedy = 'Name a file with an enrolment token or an access token, or - for standard input.';
  return new RegistrationError('bad_option', { category: 'admin_authentication', message, remedy }, options);
}

/**
 * Reads an enrolment token; null for what is none, and so an access token.
 *
 * @throws RegistrationError `enrolment_token_damaged`, `enrolment_token_newer`.
 */
export function readEnrolmentToken(text: string): EnrolmentToken | null {
  if (!isEnrolmentToken(text)) return null;
  try {
    return parseEnrolmentToken(text);
  } catch (cause) {
    if (!(cause instanceof EnrolmentTokenError)) throw cause;
    const { message } = cause;
    const category = 'admin_authentication';
    if (cause.code === 'newer_format') {
      const remedy = 'Install a connector of the same release as the service.';
      throw new RegistrationError('enrolment_token_newer', { category, message, remedy }, { cause });
    }
    const remedy =
      'Copy the whole token again, from "postern_enrolment_" to its end; if it is lost, make another with ' +
      '"postern connector enrolment-token create".';
    throw new RegistrationError('enrolment_token_damaged', { category, message, remedy }, { cause });
  }
}
