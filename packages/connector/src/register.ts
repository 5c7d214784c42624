import { createPrivateKey, sign, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { getCACertificates } from 'node:tls';
import { messageOf, Outbound } from '@postern/outbound/outbound';
import type { EnrolmentToken } from '@postern/protocol/enrolment-token';
import {
  type PreviousKeyProof,
  type RegistrationResult,
  reregistrationStatement,
} from '@postern/protocol/registration';
import { sha256Of, splitCertificates } from '@postern/protocol/x509/certificate';
import { type CertificatePair, type PendingKey, saveNewKey } from './identity/certificate-store.ts';
import { asDataOwner } from './identity/data-owner.ts';
import { type Identity, loadIdentity } from './identity/identity.ts';
import { IdentityError } from './identity/identity-error.ts';
import { rememberMachine } from './identity/machine-binding.ts';
import { createKey, type KeyKind } from './identity/proof.ts';
import { writeServiceSettings } from './identity/service-settings.ts';
import { writeTrustSettings } from './identity/trust-settings.ts';
import { machineNameOf } from './machine-name.ts';
import { type Endpoint, RegistrationClient } from './registration-client.ts';
import { RegistrationError } from './registration-error.ts';
import { readEnrolmentToken } from './registration-token.ts';
import { connectorVersion, describeOs } from './version.ts';

export interface RegisterOptions {
  /**
   * The service: its domain, or the URL or host of `connect.<domain>`; with a port where that is not 443. An enrolment
   * token names it, and nothing else may be named beside that.
   */
  readonly service?: string;
  /** Enrolment token, or access token of an administrator, or what gets one; it is asked for once and kept nowhere. */
  readonly token: string | (() => Promise<string>);
  /** Folder of this connector; made where it does not exist. */
  readonly dataDir: string;
  /** Name shown to administrators. Default: this machine's host name. */
  readonly machineName?: string;
  /** Connector group id. Default: that of the enrolment token, of this connector, or the service's default group. */
  readonly connectorGroupId?: string;
  /** Default `rsa3072`. */
  readonly key?: KeyKind;
  /** Become a new connector, even where this machine is one. */
  readonly isNew?: boolean;
  /**
   * PEM file of an authority to trust for this contact, beside the public ones and those of this machine. Not looked at
   * where an enrolment token says which root the service has.
   */
  readonly caFile?: string;
  /** How connections are made. Default: directly. */
  readonly outbound?: Outbound;
  /** How long the service may take to answer. Default 30 000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface RegisteredConnector {
  readonly connectorId: string;
  /** False: this machine is the connector that it was before. */
  readonly isNewConnector: boolean;
  readonly connectorGroupId: string;
  readonly machineName: string;
  readonly thumbprint: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** Where tunnels go. */
  readonly connectHost: string;
  readonly connectPort: number;
  readonly dataDir: string;
}

const defaultTimeoutMs = 30_000;

/**
 * Registers this machine as a connector: makes a key here, proves it, has the service certify it, and saves what a
 * running connector needs. A machine that is a connector of the service proves that with its earlier key, expired or
 * not, and stays that connector; earlier certificates stay in the store.
 *
 * The order on disk is key, certificate, service settings, trust settings, each synced before the next, so that power
 * may fail at any moment.
 *
 * @throws RegistrationError
 */
export async function registerConnector(options: RegisterOptions): Promise<RegisteredConnector> {
  const { dataDir } = options;
  const token = typeof options.token === 'string' ? options.token : await options.token();
  const enrolment = readEnrolmentToken(token);
  const endpoint = chooseEndpoint(options.service, enrolment);
  const machineName = machineNameOf(options.machineName ?? hostname());
  const client = new RegistrationClient({
    endpoint,
    outbound: options.outbound ?? new Outbound(),
    timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
    signal: options.signal,
  });
  const previous = options.isNew ? null : await findPrevious(dataDir, endpoint);
  const [ca, { privateKey, proofCertificate }] = await Promise.all([
    chooseAuthorities(client, enrolment, options.caFile),
    createKey(options.key ?? 'rsa3072'),
  ]);
  const pending = await onDisk(dataDir, () => saveNewKey(dataDir, 'machine', privateKey));
  let result: RegistrationResult;
  try {
    const body = {
      proofCertificate,
      machineName,
      version: connectorVersion,
      os: describeOs(),
      ...(options.connectorGroupId !== undefined && { connectorGroupId: options.connectorGroupId }),
      ...(previous !== null && { previous: provePrevious(previous.pairs[0]!, proofCertificate) }),
    };
    const authorization = enrolment === null ? `Bearer ${token}` : `Enrolment ${enrolment.secret}`;
    result = await client.register(body, authorization, ca);
  } catch (error) {
    await pending.discard().catch(() => {});
    throw error;
  }
  const pair = await save(dataDir, pending, machineName, result);
  return {
    connectorId: result.connectorId,
    isNewConnector: result.connectorId !== previous?.service.connectorId,
    connectorGroupId: result.connectorGroupId,
    machineName,
    thumbprint: pair.thumbprint,
    notAfter: pair.notAfter,
    connectHost: result.tunnelHost,
    connectPort: result.tunnelPort,
    dataDir,
  };
}

function chooseEndpoint(service: string | undefined, enrolment: EnrolmentToken | null): Endpoint {
  if (enrolment === null) return parseService(service ?? '');
  const { host, port } = enrolment;
  const named = service === undefined ? enrolment : parseService(service);
  if (named.host === host && named.port === port) return { host, port };
  throw new RegistrationError('bad_option', {
    category: 'connectivity',
    message: `The enrolment token is for ${host}:${port}, and not for ${named.host}:${named.port}.`,
    remedy: 'Leave out --service: the token says where the service is.',
  });
}

/** Where registration is, for a domain, a host or a URL. */
export function parseService(service: string): Endpoint {
  const text = service.includes('://') ? service : `https://${service}`;
  const url = URL.parse(text);
  if (url === null || url.protocol !== 'https:' || url.hostname === '' || url.username !== '') {
    throw new RegistrationError('bad_option', {
      category: 'connectivity',
      message: `"${service}" names no service.`,
      remedy: 'Give the domain of the service, such as example.com, with its port where that is not 443.',
    });
  }
  const host = url.hostname.startsWith('connect.') ? url.hostname : `connect.${url.hostname}`;
  return { host, port: url.port === '' ? 443 : Number(url.port) };
}

/** Whom the first contact is made with: the root that the enrolment token names and no other, or who is trusted anyway. */
async function chooseAuthorities(
  client: RegistrationClient,
  enrolment: EnrolmentToken | null,
  caFile: string | undefined,
): Promise<string[]> {
  const rootSha256 = enrolment?.rootSha256 ?? null;
  return rootSha256 === null ? trustedAuthorities(caFile) : [await client.findRoot(rootSha256)];
}

async function trustedAuthorities(caFile: string | undefined): Promise<string[]> {
  // Node's own list is not the machine's: an authority that administrators rolled out is only in the latter.
  const known = [...getCACertificates('default'), ...getCACertificates('system')];
  if (caFile === undefined) return known;
  const remedy =
    'Give a PEM file with the certificate of the authority that issued the service its certificate.';
  let own: string[];
  try {
    own = splitCertificates(await readFile(caFile, 'utf8'));
    for (const certificate of own) void new X509Certificate(certificate);
  } catch (cause) {
    const message = `The CA file ${caFile} cannot be read: ${messageOf(cause)}.`;
    throw new RegistrationError('ca_file', { category: 'trust_establishment', message, remedy }, { cause });
  }
  if (own.length > 0) return [...known, ...own];
  const message = `The CA file ${caFile} holds no certificate.`;
  throw new RegistrationError('ca_file', { category: 'trust_establishment', message, remedy });
}

/** Who this machine is at the service already; null where it is nobody, or its files can no longer say. */
async function findPrevious(dataDir: string, { host }: Endpoint): Promise<Identity | null> {
  try {
    const identity = await loadIdentity(dataDir, Date.now());
    return identity.service.connectHost === host ? identity : null;
  } catch (error) {
    if (error instanceof IdentityError) return null;
    throw dataFolderError(dataDir, error);
  }
}

function provePrevious(
  { certificate, privateKey }: CertificatePair,
  proofCertificate: string,
): PreviousKeyProof {
  const signature = sign('sha512', reregistrationStatement(proofCertificate), createPrivateKey(privateKey));
  return {
    certificateSha256: sha256Of(new X509Certificate(certificate)),
    signature: signature.toString('base64'),
  };
}

async function save(
  dataDir: string,
  pending: PendingKey,
  machineName: string,
  result: RegistrationResult,
): Promise<CertificatePair> {
  return onDisk(dataDir, async () => {
    const pair = await pending.complete(result.certificate);
    await writeServiceSettings(dataDir, {
      connectorId: result.connectorId,
      machineName,
      connectHost: result.tunnelHost,
      connectPort: result.tunnelPort,
      anchors: result.tunnelAnchors,
    });
    await rememberMachine(dataDir);
    await writeTrustSettings(dataDir, { thumbprint: pair.thumbprint, isInUserStore: false });
    return pair;
  });
}

async function onDisk<T>(dataDir: string, write: () => Promise<T>): Promise<T> {
  try {
    return await asDataOwner(dataDir, write);
  } catch (cause) {
    throw dataFolderError(dataDir, cause);
  }
}

function dataFolderError(dataDir: string, cause: unknown): RegistrationError {
  return new RegistrationError(
    'data_folder',
    {
      category: 'trust_establishment',
      message: `The connector's files cannot be read and written in ${dataDir}: ${messageOf(cause)}.`,
      remedy:
        'Run this as the user that owns the folder, with space left on its disk, or name another with --data.',
    },
    { cause },
  );
}
