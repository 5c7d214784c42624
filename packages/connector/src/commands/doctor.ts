import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Outbound } from '@postern/outbound/outbound';
import type { CheckResult, DoctorReport } from '@postern/protocol/doctor';
import { formatFindings, formatLine } from '@postern/protocol/doctor/format-report';
import type { EnrolmentToken } from '@postern/protocol/enrolment-token';
import { splitCertificates } from '@postern/protocol/x509/certificate';
import { createContext, type DoctorContext } from '../doctor/context.ts';
import { runDoctor } from '../doctor/doctor.ts';
import { environmentOf, ownerOf } from '../doctor/machine.ts';
import { loadBeforehand } from '../doctor/trust.ts';
import { RegistrationClient } from '../registration-client.ts';
import { readEnrolmentToken, readRegistrationToken } from '../registration-token.ts';
import { readConnectorStatus } from '../status.ts';
import { type ConnectorCommand, dataDirOf, dataOption, UsageError } from './command.ts';

export const doctorCommand: ConnectorCommand = {
  name: 'doctor',
  summary: 'look for what is wrong, and say what to do; before registration, too',
  options: `\
  --service <domain>       the service, with its port where that is not 443; default: that of the registered connector
  --ca-file <file>         authority of the service's certificate (PEM), where it is no public one
  --token-file <file>      access token of an administrator, to look at account and role; or an enrolment token, which
                           names the service. "-" reads it from the standard input. Without it, $POSTERN_TOKEN is used.
  --sign-in                sign in as an administrator with a code and a browser on any machine, to look at account and
                           role. Nothing is registered.
  --json                   one JSON document

Exit code: 0 nothing failed; else that of the first group in which something did: 10 connectivity, 20 trust,
30 administrator, 40 machine, 50 backend.`,
  run: doctor,
};

async function doctor(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...dataOption,
      service: { type: 'string' },
      'token-file': { type: 'string' },
      'ca-file': { type: 'string' },
      'sign-in': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const report = await examine({
    dataDir: dataDirOf(values.data),
    service: values.service,
    caFile: values['ca-file'],
    token: readRegistrationToken(values['token-file'], process.env),
    signIn: values['sign-in'],
    onResult: result => {
      if (!values.json) process.stdout.write(formatLine(result));
    },
  });
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : formatFindings(report));
  return report.exitCode;
}

/** What the doctor is to look at. */
export interface Examination {
  readonly dataDir: string;
  /** The service, where the connector is not registered. */
  readonly service?: string | undefined;
  readonly caFile?: string | undefined;
  /** Access token of an administrator, or enrolment token; null: none. */
  readonly token: string | null;
  /** Ask for a sign-in, where there is no access token. */
  readonly signIn: boolean;
  /** The way to the service. Default: that of the settings and of the environment. */
  readonly outbound?: Outbound | undefined;
  readonly onResult: (result: CheckResult) => void;
}

/**
 * Has the doctor look, as the connector's own user: afterwards this process has no right of root any more.
 *
 * @throws RegistrationError, UsageError for what cannot be understood of the request.
 */
export async function examine(request: Examination): Promise<DoctorReport> {
  const { dataDir, token, signIn, caFile, outbound, onResult } = request;
  const enrolment = token === null ? null : readEnrolmentToken(token);
  const service = request.service ?? (enrolment === null ? undefined : `${enrolment.host}:${enrolment.port}`);
  const authorities = caFile === undefined ? [] : readAuthorities(caFile);
  const environment = await takeTheConnectorsPlace(dataDir);
  // A name server that is silent would use up the time of the whole run: two seconds are an answer, too.
  process.env['RES_OPTIONS'] ??= 'timeout:2 attempts:1';
  const options = {
    dataDir,
    ...environment,
    authorities,
    ...(service !== undefined && { service }),
    ...(caFile !== undefined && { caFile }),
    ...(outbound !== undefined && { outbound }),
  };
  const created = await createContext(options);
  const context = {
    ...created,
    authorities: [...created.authorities, ...(enrolment === null ? [] : await rootOf(enrolment, created))],
    accessToken: await accessTokenOf(created, enrolment === null ? token : null, signIn),
  };
  return runDoctor(context, { onResult });
}

function readAuthorities(file: string): string[] {
  try {
    const certificates = splitCertificates(readFileSync(file, 'utf8'));
    for (const certificate of certificates) void new X509Certificate(certificate);
    if (certificates.length > 0) return certificates;
  } catch (cause) {
    throw new UsageError(`The CA file ${file} cannot be read: ${(cause as Error).message}.`, { cause });
  }
  throw new UsageError(`The CA file ${file} holds no certificate.`);
}

/** The root that an enrolment token names, where the service shows it; what it shows else is for the checks to say. */
async function rootOf(
  { rootSha256 }: EnrolmentToken,
  { service, outbound }: DoctorContext,
): Promise<string[]> {
  if (rootSha256 === null || service === null) return [];
  const endpoint = { host: service.connect, port: service.port };
  const client = new RegistrationClient({ endpoint, outbound, timeoutMs: 3_000, signal: undefined });
  return client.findRoot(rootSha256).then(
    root => [root],
    () => [],
  );
}

async function accessTokenOf(
  context: DoctorContext,
  token: string | null,
  signIn: boolean,
): Promise<DoctorContext['accessToken']> {
  if (token !== null) return async () => token;
  if (!signIn) return null;
  const { signInWithCode } = await import('../doctor/sign-in.ts');
  let known: Promise<string> | null = null;
  return () => {
    known ??= signInWithCode(context, text => process.stderr.write(text));
    return known;
  };
}

/**
 * Root sees and may do what the connector may not: the checks run as the user that owns the data folder, and by the
 * environment of the process that runs.
 */
async function takeTheConnectorsPlace(
  dataDir: string,
): Promise<Pick<Parameters<typeof createContext>[0], 'environment' | 'shellEnvironment'>> {
  const status = await readConnectorStatus({ dataDir }).catch(() => null);
  const running = status?.isRunning === true ? environmentOf(status.processId) : null;
  const owner = ownerOf(dataDir);
  if (process.getuid?.() === 0 && owner !== null && owner.uid !== 0) {
    // What is loaded later may lie where that user cannot read.
    await Promise.all([loadBeforehand(), import('../doctor/sign-in.ts')]);
    process.setgroups!([owner.gid]);
    process.setgid!(owner.gid);
    process.setuid!(owner.uid);
  }
  if (running === null) return { environment: process.env };
  // A copy: what is set here for the checks is no difference between shell and connector.
  return { environment: running, shellEnvironment: { ...process.env } };
}
