import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { failed, notRun, type Outcome, passed, warning } from '@postern/protocol/doctor/check';
import { sha256Of } from '@postern/protocol/x509/certificate';
import type { KeptAuthority } from '../registration/rotating-authority.ts';
import { localSigningAt } from '../registration/rotation.ts';
import { loadMasterKey } from '../store/master-key.ts';
import { unsealSecret } from '../store/sealed-secrets.ts';
import { StoreError } from '../store/store-error.ts';
import type { ServiceCheck, ServiceContext } from './context.ts';
import { openForLooking } from './database.ts';

const dayMs = 86_400_000;
const expiryWarningMs = 365 * dayMs;

/** The master key, and the authorities that are sealed with it. */
export const keyChecks: readonly ServiceCheck[] = [
  {
    id: 'keys.master',
    title: 'The master key is there, is nobody else’s to read, and opens what was sealed with it',
    otherwise: 'The service does not start: its secrets cannot be opened.',
    needs: ['store.database'],
    run: context => examineMasterKey(context),
  },
  {
    id: 'keys.authorities',
    title: 'Every authority has the key that belongs to its certificate',
    otherwise: 'No connector can register, renew or connect.',
    needs: ['keys.master'],
    run: context => examineAuthorities(context),
  },
  {
    id: 'keys.expiry',
    title: 'The authorities are valid for more than a year yet',
    otherwise: 'What an expired authority has issued is accepted by nobody; a warning in the last year.',
    needs: ['keys.authorities'],
    run: context => examineExpiry(context),
  },
  {
    id: 'keys.local',
    title: 'No change of the local authority is ahead that people have to prepare for',
    otherwise:
      'A warning with the day and the file: from then on, browsers may warn on machines that do not trust the next authority.',
    needs: ['keys.authorities'],
    run: context => examineLocal(context),
  },
];

/** Without these a service makes new ones, and knows no connector any more. */
const required = ['registration-ca', 'service-ca'];

function examineMasterKey(context: ServiceContext): Outcome {
  const { paths, environment } = context;
  const isInEnvironment = (environment['POSTERN_MASTER_KEY'] ?? '') !== '';
  const source = isInEnvironment ? 'POSTERN_MASTER_KEY' : paths.masterKey;
  const observe = (seen: string) => ({
    tried: `${source} on every sealed secret of the database`,
    seen,
    command: isInEnvironment ? 'printenv POSTERN_MASTER_KEY | wc -c' : `ls -l ${paths.masterKey}`,
  });
  try {
    const count = unsealAll(context).size;
    const mode = isInEnvironment ? 0 : statSync(paths.masterKey).mode & 0o777;
    if ((mode & 0o077) !== 0) {
      return failed(
        observe(`it opens ${count} secrets; its permissions are ${mode.toString(8)}`),
        `Other users of this machine may read ${paths.masterKey} (${mode.toString(8)}): who has it and the database has every key of the service.`,
        `Run: chmod 600 ${paths.masterKey}. If others could have read it, set the service up anew.`,
      );
    }
    return passed(observe(`it opens ${count} secrets`));
  } catch (error) {
    if (error instanceof StoreError) {
      return failed(
        observe(error.code),
        error.message,
        'Put the key back from a backup (`postern restore`), or from where it is kept.',
      );
    }
    const { message, code } = error as NodeJS.ErrnoException;
    const remedy =
      code === 'EACCES'
        ? 'Run the doctor as root, or as the user of the service.'
        : 'Put the key back from a backup (`postern restore`).';
    return failed(observe(message), `The master key cannot be used: ${message}.`, remedy);
  }
}

interface Authority {
  readonly name: string;
  readonly certificate: X509Certificate;
  readonly isKeyRight: boolean;
}

function examineAuthorities(context: ServiceContext): Outcome {
  const secrets = unsealAll(context);
  const missing = required.filter(name => !secrets.has(name));
  const authorities = authoritiesOf(secrets);
  const bad = authorities.filter(one => !one.isKeyRight);
  const observation = {
    tried: `certificate and key of ${authorities.map(one => one.name).join(', ') || 'no authority'}`,
    seen: bad.length === 0 ? 'they belong together' : `not together: ${bad.map(one => one.name).join(', ')}`,
  };
  if (bad.length > 0) {
    return failed(
      observation,
      `The key of ${bad[0]!.name} is not that of its certificate.`,
      'Put the last backup back with `postern restore`.',
    );
  }
  if (missing.length === 0) return passed(observation);
  if (secrets.size === 0) {
    return notRun(
      'Nothing is sealed in the database yet: the service makes its authorities when it starts first.',
    );
  }
  return failed(
    observation,
    `The database holds no ${missing.join(', ')}: connectors that are registered will not be known.`,
    'Put the last backup back with `postern restore`.',
  );
}

function examineLocal(context: ServiceContext): Outcome {
  if (!context.config.certificates.local) return notRun('The service does not use its local authority.');
  const secret = unsealAll(context).get('local-ca');
  const kept = secret === undefined ? null : parse(secret);
  if (kept === null) return notRun('There is no local authority yet.');
  const tried = 'the local authority, and the one that comes after it';
  if (kept.next === undefined) return passed({ tried, seen: 'there is no other one yet' });
  const signsAt = localSigningAt(kept.certificate, kept.next.announcedAt);
  const sha256 = sha256Of(new X509Certificate(kept.next.certificate));
  const command = `openssl crl2pkcs7 -nocrl -certfile ${context.paths.localAuthority} | openssl pkcs7 -print_certs -noout`;
  return warning(
    { tried, seen: `another one, ${sha256.slice(0, 16)}…, signs from ${day(signsAt)} on`, command },
    `The local authority changes on ${day(signsAt)}: browsers may warn on machines that do not trust the next one by then.`,
    `Install the certificates of ${context.paths.localAuthority}, which holds both, on every machine where the present one is trusted.`,
  );
}

function examineExpiry(context: ServiceContext): Outcome {
  const isUsed = ({ name }: Authority) => name !== 'local-ca' || context.config.certificates.local;
  const authorities = authoritiesOf(unsealAll(context)).filter(isUsed);
  if (authorities.length === 0) return notRun('There is no authority yet.');
  const end = (one: Authority) => one.certificate.validToDate.getTime();
  const soonest = authorities.reduce((one, other) => (end(one) <= end(other) ? one : other));
  const leftMs = end(soonest) - context.now();
  const observation = {
    tried: `the dates of ${authorities.map(one => one.name).join(', ')}`,
    seen: `${soonest.name} ends first, on ${day(end(soonest))}`,
  };
  const remedy =
    'Let the service run: it makes a successor ahead of time, and tells connectors of it before it is used. Is the clock of this machine right? See the group clock.';
  const isEarly = soonest.certificate.validFromDate.getTime() > context.now();
  if (isEarly || leftMs <= 0) {
    return failed(observation, `${soonest.name} is not valid ${isEarly ? 'yet' : 'any more'}.`, remedy);
  }
  if (leftMs < expiryWarningMs) {
    return warning(observation, `${soonest.name} ends in ${Math.ceil(leftMs / dayMs)} days.`, remedy);
  }
  return passed(observation);
}

/** Authorities are sealed as JSON with certificate and key; everything else that is sealed is not. */
function authoritiesOf(secrets: ReadonlyMap<string, Buffer>): Authority[] {
  return [...secrets].flatMap(([name, secret]) => {
    const material = parse(secret);
    if (material === null) return [];
    const certificate = new X509Certificate(material.certificate);
    return [
      { name, certificate, isKeyRight: certificate.checkPrivateKey(createPrivateKey(material.privateKey)) },
    ];
  });
}

function parse(secret: Buffer): KeptAuthority | null {
  try {
    const value = JSON.parse(secret.toString('utf8')) as Partial<KeptAuthority> | null;
    const { certificate, privateKey } = value ?? {};
    const isAuthority = typeof certificate === 'string' && typeof privateKey === 'string';
    return isAuthority ? (value as KeptAuthority) : null;
  } catch {
    return null;
  }
}

/** @throws StoreError where the key is missing or another one. */
function unsealAll({ paths, environment }: ServiceContext): Map<string, Buffer> {
  const db = openForLooking(paths.database);
  try {
    const rows = db.prepare('select name, sealed from sealedSecret order by name').all();
    if (rows.length === 0 && !existsSync(paths.masterKey)) return new Map();
    const masterKey = loadMasterKey({
      file: paths.masterKey,
      fromEnvironment: environment['POSTERN_MASTER_KEY'],
      mayCreate: false,
    });
    return new Map(
      rows.map(row => {
        const name = String(row['name']);
        return [name, unsealSecret(masterKey, name, String(row['sealed']))];
      }),
    );
  } finally {
    db.close();
  }
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
