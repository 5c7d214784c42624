import { type CertificatePair, connectorIdOf, findPair, findValidPairs } from './certificate-store.ts';
import { type DurableFiles, machineFiles } from './durable-file.ts';
import { IdentityError } from './identity-error.ts';
import { refuseOtherMachine } from './machine-binding.ts';
import { readServiceSettings, type ServiceSettings } from './service-settings.ts';
import { readTrustSettings, type TrustSettings } from './trust-settings.ts';

/** Who this connector is, and whom it trusts. */
export interface Identity {
  readonly service: ServiceSettings;
  /** What may be presented, in the order in which it is tried; never empty. */
  readonly pairs: readonly CertificatePair[];
  /** Why the pair that TrustSettings.xml names is not the first of them; null if it is. */
  readonly fallback: string | null;
}

/**
 * Loads a connector's identity: the pair that TrustSettings.xml names, then the newest valid ones of either store.
 * Where the named pair cannot be used, the others take its place, so that an interrupted renewal or a mistake in the
 * file does not cut a connector off. A machine may have been another connector before, or be a copy of one: pairs that
 * were issued to another are left alone, or a revoked connector would come back as that one.
 *
 * @param now Milliseconds since the epoch.
 * @throws IdentityError `not_registered`, `other_machine`, `bad_service_settings`, `no_usable_certificate`.
 */
export async function loadIdentity(
  dataDir: string,
  now: number,
  files: DurableFiles = machineFiles,
): Promise<Identity> {
  const service = await readServiceSettings(dataDir, files);
  if (service === null) throw notRegistered(dataDir);
  await refuseOtherMachine(dataDir, files);
  const { settings, problem } = await readSettings(dataDir, files);
  const isOwn = (pair: CertificatePair) => connectorIdOf(pair) === service.connectorId;
  const found = settings === null ? null : await findNamed(dataDir, settings, files);
  const named = found !== null && isOwn(found) ? found : null;
  const others = (await findValidPairs(dataDir, now, files)).filter(
    pair => pair.thumbprint !== named?.thumbprint && isOwn(pair),
  );
  // An expired pair is still presented where there is no other: the service's clock may be the right one, and its
  // refusal says what is wrong.
  const isNamedValid = named !== null && now <= named.notAfter;
  const pairs = named === null ? others : isNamedValid ? [named, ...others] : [...others, named];
  const why = describeFallback(settings, found, named !== found, problem);
  if (pairs.length === 0) throw noUsableCertificate(dataDir, why);
  return { service, pairs, fallback: pairs[0] === named ? null : why };
}

async function readSettings(
  dataDir: string,
  files: DurableFiles,
): Promise<{ settings: TrustSettings | null; problem: string | null }> {
  try {
    return { settings: await readTrustSettings(dataDir, files), problem: null };
  } catch (error) {
    return { settings: null, problem: error instanceof Error ? error.message : String(error) };
  }
}

function findNamed(
  dataDir: string,
  settings: TrustSettings,
  files: DurableFiles,
): Promise<CertificatePair | null> {
  return findPair(dataDir, settings.isInUserStore ? 'user' : 'machine', settings.thumbprint, files);
}

function describeFallback(
  settings: TrustSettings | null,
  found: CertificatePair | null,
  isForeign: boolean,
  problem: string | null,
): string {
  if (settings === null) return problem ?? 'there is no TrustSettings.xml';
  const where = `${settings.thumbprint} in the ${settings.isInUserStore ? 'user' : 'machine'} store`;
  if (found === null) return `the certificate ${where} is missing, unreadable or without its key`;
  if (isForeign) return `the certificate ${where} was issued to another connector`;
  return `the certificate ${where} has expired`;
}

function notRegistered(dataDir: string): IdentityError {
  return new IdentityError(
    'not_registered',
    `There is no registered connector in ${dataDir}.`,
    'Register it with "postern connector register", or name its data folder with --data.',
  );
}

function noUsableCertificate(dataDir: string, why: string): IdentityError {
  return new IdentityError(
    'no_usable_certificate',
    `No usable trust certificate in ${dataDir}: ${why}, and neither store holds another.`,
    'Register the connector again with "postern connector register".',
  );
}
