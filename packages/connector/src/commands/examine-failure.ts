import { type CheckGroup, type DoctorReport, groupExitCodes } from '@postern/protocol/doctor';
import { formatFindings, formatLine } from '@postern/protocol/doctor/format-report';
import type { RegistrationFailureCategory } from '@postern/protocol/registration';
import { RegistrationError } from '../registration-error.ts';
import { describeFailure } from './describe-failure.ts';
import { examine } from './doctor.ts';
import type { Registration } from './register.ts';

const groups: Readonly<Record<RegistrationFailureCategory, CheckGroup>> = {
  connectivity: 'connectivity',
  trust_establishment: 'trust',
  admin_authentication: 'administrator',
};

/** Failures of what was typed: there is nothing to look for. */
const mistakes = new Set(['bad_option', 'ca_file', 'enrolment_token_damaged', 'enrolment_token_newer']);

/** Whether the doctor could find more about a failure than it says itself. */
export function isWorthExamining(error: unknown): error is RegistrationError {
  return error instanceof RegistrationError && !mistakes.has(error.code);
}

/** Why a registration failed, as the doctor sees it. */
export interface ExaminedFailure {
  readonly error: RegistrationError;
  readonly report: DoctorReport;
  /** Of the first group that failed, in the registration itself or to the doctor. */
  readonly exitCode: number;
}

/**
 * Says that a registration failed, and has the doctor look at the service in the way that the registration went.
 *
 * @param isSilent Print nothing.
 * @throws `error`, where it is none of a registration, or only a mistake on the command line.
 */
export async function examineFailure(
  error: unknown,
  { dataDir, service, caFile, token, way }: Registration,
  { isSilent }: { readonly isSilent: boolean },
): Promise<ExaminedFailure> {
  if (!isWorthExamining(error)) throw error;
  const say = (text: string) => {
    if (!isSilent) process.stderr.write(text);
  };
  say(`${describeFailure(error)}\nThe doctor looks for the cause:\n`);
  const { outbound } = way;
  const report = await examine({
    ...{ dataDir, service, caFile, token, outbound },
    signIn: false,
    onResult: result => say(formatLine(result)),
  });
  say(formatFindings(report));
  return { error, report, exitCode: exitCodeOf(error, report) };
}

function exitCodeOf(error: RegistrationError, { exitCode }: DoctorReport): number {
  const own = groupExitCodes[groupOf(error)];
  // A no of the service itself shows that the way there works and that both sides trust each other.
  const isAnswer = error.category === 'admin_authentication';
  return isAnswer || exitCode === 0 ? own : Math.min(own, exitCode);
}

function groupOf({ code, category }: RegistrationError): CheckGroup {
  return code === 'data_folder' ? 'machine' : groups[category];
}
