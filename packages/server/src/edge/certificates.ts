import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import { dnsNamesOf } from '@postern/protocol/x509/certificate';
import { nameCovers, wildcardOf } from '@postern/protocol/x509/dns-names';
import type { Logger } from 'pino';
import type { CertificateRecord } from '../feed/messages.ts';

export interface CertificateFile {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** It is there until something better is: of the local authority, which few trust. */
  readonly isLastResort?: boolean;
}

/** One certificate that the edge can serve. */
export interface ServedCertificate {
  /** Made when it is first needed; null where certificate and key cannot be used. */
  readonly context: SecureContext | null;
  /** Whether the certificate is good for a host. */
  covers(host: string): boolean;
}

const watchMs = 2_000;

/**
 * The certificates for public names: PEM files of the configuration, and those of the store. A file that changes is read
 * again; one that cannot be read then leaves the last good one in service. Replacing one touches no connection that is
 * open.
 *
 * Which one a name gets: the very name before a wildcard, a valid one before one that is not, a file of the configuration
 * before the store, of the store the newest, and the local authority's last.
 */
export class Certificates {
  readonly #files: readonly CertificateFile[];
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #watch: NodeJS.Timeout;
  #fromFiles: readonly Entry[];
  #fromStore: readonly StoredCertificate[] = [];
  #byName: ReadonlyMap<string, readonly Entry[]> = new Map();
  #versions: string;

  /**
   * @param now Milliseconds since the epoch.
   * @throws Error naming the file that cannot be used.
   */
  constructor(files: readonly CertificateFile[], log: Logger, now: () => number = Date.now) {
    this.#files = files;
    this.#log = log;
    this.#now = now;
    this.#versions = versionsOf(files);
    this.#fromFiles = files.map(load);
    this.#index();
    this.#watch = setInterval(() => this.#reloadIfChanged(), watchMs);
    this.#watch.unref();
  }

  /**
   * The certificate for a server name; of those that do not cover it the first, so that a client that is at the wrong
   * name learns so.
   */
  find(serverName: string): ServedCertificate | undefined {
    const exact = this.#byName.get(serverName);
    const wildcard = this.#byName.get(wildcardOf(serverName));
    const now = this.#now();
    return (
      exact?.find(one => one.isValidAt(now)) ??
      wildcard?.find(one => one.isValidAt(now)) ??
      exact?.[0] ??
      wildcard?.[0] ??
      this.#fromFiles.find(one => one.covers(serverName)) ??
      this.#fromFiles[0] ??
      this.#fromStore[0]
    );
  }

  /** Takes the store's certificates in place of those before; what has not changed keeps its context. */
  setStored(records: Iterable<CertificateRecord>): void {
    const before = new Map(this.#fromStore.map(one => [one.record.id, one]));
    this.#fromStore = Array.from(records, record => {
      const known = before.get(record.id);
      return known?.isOf(record) === true
        ? known.withNames(record)
        : new StoredCertificate(record, this.#log);
    }).sort((one, other) => other.record.createdAt - one.record.createdAt);
    this.#index();
  }

  stop(): void {
    clearInterval(this.#watch);
  }

  #index(): void {
    const byName = new Map<string, Entry[]>();
    const fromFiles = (isLastResort: boolean) =>
      this.#fromFiles.filter((_, index) => (this.#files[index]!.isLastResort ?? false) === isLastResort);
    for (const entry of [...fromFiles(false), ...this.#fromStore, ...fromFiles(true)]) {
      for (const name of entry.names) {
        const others = byName.get(name);
        if (others === undefined) byName.set(name, [entry]);
        else others.push(entry);
      }
    }
    this.#byName = byName;
  }

  #reloadIfChanged(): void {
    const versions = versionsOf(this.#files);
    if (versions === this.#versions) return;
    try {
      this.#fromFiles = this.#files.map(load);
      this.#index();
      this.#versions = versions;
      this.#log.info('public certificates read again');
    } catch (error) {
      this.#log.error(
        { error: describe(error) },
        'a changed certificate cannot be used; the last good one stays',
      );
    }
  }
}

interface Entry extends ServedCertificate {
  readonly names: readonly string[];
  isValidAt(now: number): boolean;
}

/** A certificate of the store. A thousand of them cost a thousand contexts only if a thousand names are asked for. */
class StoredCertificate implements Entry {
  readonly record: CertificateRecord;
  readonly #log: Logger;
  #context: SecureContext | null | undefined;

  constructor(record: CertificateRecord, log: Logger) {
    this.record = record;
    this.#log = log;
  }

  get names(): readonly string[] {
    return this.record.names;
  }

  get context(): SecureContext | null {
    if (this.#context === undefined) this.#context = this.#make();
    return this.#context;
  }

  isOf({ certificate, privateKey }: CertificateRecord): boolean {
    return this.record.certificate === certificate && this.record.privateKey === privateKey;
  }

  /** The same for other names, with the context that was made. */
  withNames(record: CertificateRecord): StoredCertificate {
    const other = new StoredCertificate(record, this.#log);
    other.#context = this.#context;
    return other;
  }

  isValidAt(now: number): boolean {
    return this.record.notBefore <= now && now <= this.record.notAfter;
  }

  covers(host: string): boolean {
    return this.record.names.some(name => nameCovers(name, host));
  }

  #make(): SecureContext | null {
    const { id, certificate, privateKey } = this.record;
    try {
      return createSecureContext({ cert: certificate, key: privateKey, minVersion: 'TLSv1.2' });
    } catch (error) {
      this.#log.error({ certificateId: id, error: describe(error) }, 'a stored certificate cannot be used');
      return null;
    }
  }
}

function load({ certificateFile, keyFile }: CertificateFile): Entry {
  try {
    const cert = readFileSync(certificateFile);
    const certificate = new X509Certificate(cert);
    const context = createSecureContext({ cert, key: readFileSync(keyFile), minVersion: 'TLSv1.2' });
    const notBefore = certificate.validFromDate.getTime();
    const notAfter = certificate.validToDate.getTime();
    return {
      context,
      names: dnsNamesOf(certificate),
      isValidAt: now => notBefore <= now && now <= notAfter,
      covers: host => certificate.checkHost(host) !== undefined,
    };
  } catch (error) {
    throw new Error(
      `the certificate ${certificateFile} with key ${keyFile} cannot be used: ${describe(error)}`,
      {
        cause: error,
      },
    );
  }
}

function versionsOf(files: readonly CertificateFile[]): string {
  return files
    .flatMap(file => [file.certificateFile, file.keyFile])
    .map(file => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat === undefined ? 'absent' : `${stat.mtimeMs}:${stat.size}:${stat.ino}`;
    })
    .join(' ');
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
