import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { hostname } from 'node:os';
import { getCACertificates } from 'node:tls';
import {
  type RegistrationFailureCategory,
  type RegistrationRequest,
  type RegistrationResult,
  registrationError,
  registrationResult,
} from '@postern/protocol/registration';
import { splitCertificates } from '@postern/protocol/x509/certificate';
import { type CertificatePair, type PendingKey, saveNewKey } from './identity/certificate-store.ts';
import { createKey, type KeyKind } from './identity/proof.ts';
import { writeServiceSettings } from './identity/service-settings.ts';
import { writeTrustSettings } from './identity/trust-settings.ts';
import { lookupName } from './lookup-name.ts';
import { machineNameOf } from './machine-name.ts';
import { connectorVersion, describeOs } from './version.ts';

export interface RegisterOptions {
  /** The service: its domain, or the URL or host of `connect.<domain>`; with a port where that is not 443. */
  readonly service: string;
  /** Access token of an administrator, or what gets one; it is asked for once and kept nowhere. */
  readonly token: string | (() => Promise<string>);
  /** Folder of this connector; made where it does not exist. */
  readonly dataDir: string;
  /** Name shown to administrators. Default: this machine's host name. */
  readonly machineName?: string;
  /** Connector group id. Default: the service's default group. */
  readonly connectorGroupId?: string;
  /** Default `rsa3072`. */
  readonly key?: KeyKind;
  /** PEM file of an authority to trust for this contact, beside the public ones and those of this machine. */
  readonly caFile?: string;
  /** How long the service may take to answer. Default 30 000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface RegisteredConnector {
  readonly connectorId: string;
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

/**
 * Why a registration failed. The category says where to look: at the way to the service, at keys and certificates, or
 * at the administrator's sign-in. Message and remedy are for the person at the keyboard.
 */
export class RegistrationError extends Error {
  /** Of the service's answer, or of this machine: `unreachable`, `name_not_resolved`, `untrusted_service`, `bad_answer`, `data_folder`, `ca_file`, `bad_option`. */
  readonly code: string;
  readonly category: RegistrationFailureCategory;
  readonly remedy: string;

  constructor(
    code: string,
    fields: { category: RegistrationFailureCategory; message: string; remedy: string },
    options?: ErrorOptions,
  ) {
    super(fields.message, options);
    this.code = code;
    this.category = fields.category;
    this.remedy = fields.remedy;
  }
}

/**
 * Registers this machine as a connector: makes a key here, proves it, has the service certify it, and saves what a
 * running connector needs. Every registration makes a new connector with a new key; earlier certificates stay in the
 * store.
 *
 * The order on disk is key, certificate, service settings, trust settings, each synced before the next, so that power
 * may fail at any moment.
 *
 * @throws RegistrationError
 */
export async function registerConnector(options: RegisterOptions): Promise<RegisteredConnector> {
  const endpoint = parseService(options.service);
  const machineName = machineNameOf(options.machineName ?? hostname());
  const ca = await trustedAuthorities(options.caFile);
  const { privateKey, proofCertificate } = await createKey(options.key ?? 'rsa3072');
  const pending = await onDisk(options.dataDir, () => saveNewKey(options.dataDir, 'machine', privateKey));
  let result: RegistrationResult;
  try {
    const token = typeof options.token === 'string' ? options.token : await options.token();
    const body: RegistrationRequest = {
      proofCertificate,
      machineName,
      version: connectorVersion,
      os: describeOs(),
      ...(options.connectorGroupId !== undefined && { connectorGroupId: options.connectorGroupId }),
    };
    result = await post({ endpoint, ca, token, body, options });
  } catch (error) {
    await pending.discard().catch(() => {});
    throw error;
  }
  const pair = await save(options.dataDir, pending, machineName, result);
  return {
    connectorId: result.connectorId,
    connectorGroupId: result.connectorGroupId,
    machineName,
    thumbprint: pair.thumbprint,
    notAfter: pair.notAfter,
    connectHost: result.tunnelHost,
    connectPort: result.tunnelPort,
    dataDir: options.dataDir,
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
    await writeTrustSettings(dataDir, { thumbprint: pair.thumbprint, isInUserStore: false });
    return pair;
  });
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
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

interface Post {
  readonly endpoint: Endpoint;
  readonly ca: readonly string[];
  readonly token: string;
  readonly body: RegistrationRequest;
  readonly options: RegisterOptions;
}

/** An answer is a few certificates; a longer one comes from somebody else. */
const maxAnswerBytes = 256 * 1024;
const defaultTimeoutMs = 30_000;

async function post({ endpoint, ca, token, body, options }: Post): Promise<RegistrationResult> {
  const agent = new Agent({ keepAlive: false });
  const timeout = AbortSignal.timeout(options.timeoutMs ?? defaultTimeoutMs);
  const signal = options.signal ? AbortSignal.any([timeout, options.signal]) : timeout;
  try {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = httpsRequest({
      host: endpoint.host,
      port: endpoint.port,
      method: 'POST',
      path: '/register',
      agent,
      ca: [...ca],
      minVersion: 'TLSv1.2',
      lookup: lookupName,
      signal,
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        authorization: `Bearer ${token}`,
      },
    });
    request.on('response', resolve);
    request.on('error', reject);
    request.end(JSON.stringify(body));
    const response = await promise;
    return readAnswer(response.statusCode ?? 0, await readBody(response), endpoint);
  } catch (error) {
    if (error instanceof RegistrationError) throw error;
    options.signal?.throwIfAborted();
    throw explainFailure(error, endpoint, timeout.aborted);
  } finally {
    agent.destroy();
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > maxAnswerBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

function readAnswer(status: number, text: string, endpoint: Endpoint): RegistrationResult {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Whoever answers with something else than JSON is described below.
  }
  if (status === 201) {
    const result = registrationResult.safeParse(value);
    if (result.success) return result.data;
  }
  const refusal = registrationError.safeParse(value);
  if (refusal.success) {
    const { code, message, category, remedy } = refusal.data.error;
    throw new RegistrationError(code, {
      category: category ?? 'trust_establishment',
      message,
      remedy: remedy ?? "Look into the service's log for the reason.",
    });
  }
  throw new RegistrationError('bad_answer', {
    category: 'connectivity',
    message: `${endpoint.host}:${endpoint.port} answered with HTTP status ${status}, but not as the registration of a Postern service does.`,
    remedy: 'Check the name and port of the service, and that no proxy or portal answers in its place.',
  });
}

const certificateFailures = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'INVALID_CA',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

function explainFailure(error: unknown, { host, port }: Endpoint, timedOut: boolean): RegistrationError {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const cause = { cause: error };
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new RegistrationError(
      'name_not_resolved',
      {
        category: 'connectivity',
        message: `The name ${host} cannot be resolved on this machine (${code}).`,
        remedy: `Check the spelling, and that this machine's name servers know ${host}.`,
      },
      cause,
    );
  }
  if (certificateFailures.has(code)) {
    return new RegistrationError(
      'untrusted_service',
      {
        category: 'trust_establishment',
        message: `The certificate that ${host}:${port} shows is not trusted by this machine: ${messageOf(error)} (${code}).`,
        remedy:
          'If the service uses an authority of its own, give its certificate with --ca-file. If not, something between ' +
          'here and the service opens TLS connections and has to let this name pass untouched. Check the clock, too.',
      },
      cause,
    );
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return new RegistrationError(
      'tls_failed',
      {
        category: 'trust_establishment',
        message: `No TLS connection with ${host}:${port}: ${messageOf(error)}.`,
        remedy:
          'Let firewalls and proxies pass TLS 1.2 and 1.3 with SHA-512 signatures to this name untouched.',
      },
      cause,
    );
  }
  return new RegistrationError(
    'unreachable',
    {
      category: 'connectivity',
      message: `${host}:${port} cannot be reached${timedOut ? ' in time' : ''}: ${timedOut ? 'no answer' : messageOf(error)}.`,
      remedy: `Let this machine make outbound TCP connections to ${host} port ${port}; no inbound port is needed. Check that the service runs.`,
    },
    cause,
  );
}

async function onDisk<T>(dataDir: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw new RegistrationError(
      'data_folder',
      {
        category: 'trust_establishment',
        message: `The connector's files cannot be written in ${dataDir}: ${messageOf(cause)}.`,
        remedy:
          'Run this as the user that owns the folder, with space left on its disk, or name another with --data.',
      },
      { cause },
    );
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Where several addresses were tried, the message is empty and the errors are listed.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error.message;
}
