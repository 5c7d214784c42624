import { X509Certificate } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type CertificatePair,
  findAllPairs,
  type StoreName,
  storeFolder,
  storeNames,
} from '../identity/certificate-store.ts';
import { renewalDueAt } from '../identity/renewal.ts';
import { readTrustSettings, trustSettingsFile } from '../identity/trust-settings.ts';
import { readConnectorStatus } from '../status.ts';
import { type ConnectorCommand, dataDirOf, dataOption, exitCodes, UsageError } from './command.ts';

export const certificatesCommand: ConnectorCommand = {
  name: 'certificates',
  summary: 'list the certificates of this connector; with "prune", remove what is no longer needed',
  options: `\
  prune                    remove expired certificates, those older than the one in use, and unfinished files;
                           never the one in use
  --json                   one JSON document`,
  run: args => certificates(args, text => void process.stdout.write(text), Date.now()),
};

/** A certificate in one of the stores, as `--json` shows it; times are ISO 8601. */
interface ListedCertificate {
  readonly store: StoreName;
  readonly thumbprint: string;
  /** The trust settings name it. */
  readonly isInUse: boolean;
  /** The running connector presents it. */
  readonly isPresented: boolean;
  readonly state: 'valid' | 'expired' | 'not_yet_valid';
  readonly subject: string;
  readonly issuer: string;
  readonly notBefore: string;
  readonly notAfter: string;
  /** When a connector that runs will renew it. */
  readonly renewalDue: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** @param now Milliseconds since the epoch. */
export async function certificates(
  args: readonly string[],
  print: (text: string) => void,
  now: number,
): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { ...dataOption, json: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [action, ...more] = positionals;
  if ((action !== undefined && action !== 'prune') || more.length > 0) {
    throw new UsageError(`There is no "certificates ${positionals.join(' ')}"; "prune" is all there is.`);
  }
  const dataDir = dataDirOf(values.data);
  await Promise.all(storeNames.map(store => requireReadable(storeFolder(dataDir, store))));
  const presented = await presentedThumbprint(dataDir);
  if (action === 'prune') {
    const { pruneCertificates } = await import('../identity/prune-certificates.ts');
    const removed = await pruneCertificates({ dataDir, presented, now });
    if (values.json) print(`${JSON.stringify({ removed })}\n`);
    else
      for (const { store, file, why } of removed)
        print(`removed ${join(storeFolder(dataDir, store), file)} (${why})\n`);
    if (!values.json && removed.length === 0) print('There is nothing to remove.\n');
    return exitCodes.done;
  }
  const named = await readTrustSettings(dataDir).catch(() => null);
  const listed = (await findAllPairs(dataDir)).map(pair =>
    describe(pair, {
      dataDir,
      now,
      isInUse: pair.thumbprint === named?.thumbprint && (pair.store === 'user') === named.isInUserStore,
      isPresented: pair.thumbprint === presented,
    }),
  );
  print(values.json ? `${JSON.stringify({ certificates: listed })}\n` : format(listed, dataDir));
  return exitCodes.done;
}

/** A folder that may not be read must not look like an empty one. */
async function requireReadable(folder: string): Promise<void> {
  try {
    await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** What the running connector presents; null where none runs. */
async function presentedThumbprint(dataDir: string): Promise<string | null> {
  const status = await readConnectorStatus({ dataDir }).catch(() => null);
  return status?.isRunning ? status.certificate.thumbprint : null;
}

interface Circumstances {
  readonly dataDir: string;
  readonly now: number;
  readonly isInUse: boolean;
  readonly isPresented: boolean;
}

function describe(
  pair: CertificatePair,
  { dataDir, now, isInUse, isPresented }: Circumstances,
): ListedCertificate {
  const { store, thumbprint, notBefore, notAfter } = pair;
  const { subject, issuer } = new X509Certificate(pair.certificate);
  const file = join(storeFolder(dataDir, store), thumbprint);
  const date = (milliseconds: number) => new Date(milliseconds).toISOString();
  return {
    store,
    thumbprint,
    isInUse,
    isPresented,
    state: now > notAfter ? 'expired' : now < notBefore ? 'not_yet_valid' : 'valid',
    subject: oneLine(subject),
    issuer: oneLine(issuer),
    notBefore: date(notBefore),
    notAfter: date(notAfter),
    renewalDue: date(renewalDueAt(pair)),
    certificateFile: `${file}.pem`,
    keyFile: `${file}.key`,
  };
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}

function format(listed: readonly ListedCertificate[], dataDir: string): string {
  const blocks = listed.map(one => {
    const marks = [
      one.isInUse && 'in use',
      one.isPresented && !one.isInUse && 'presented now',
      one.state !== 'valid' && one.state.replaceAll('_', ' '),
    ];
    const mark = marks.filter(Boolean).join(', ');
    return [
      `${one.isInUse ? '*' : ' '} ${one.thumbprint}  ${one.store} store${mark === '' ? '' : `  (${mark})`}`,
      `    subject   ${one.subject}`,
      `    issuer    ${one.issuer}`,
      `    valid     ${one.notBefore} to ${one.notAfter}, to be renewed from ${one.renewalDue}`,
      `    file      ${one.certificateFile}`,
    ].join('\n');
  });
  const none = listed.length === 0 ? ['There is no certificate in either store.'] : [];
  return `${[...blocks, ...none, `Trust settings: ${trustSettingsFile(dataDir)}`].join('\n\n')}\n`;
}
