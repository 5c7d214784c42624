import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Logger } from 'pino';

export interface CertificateFile {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** One certificate that the edge can serve. */
export interface ServedCertificate {
  readonly context: SecureContext;
  /** Whether the certificate is good for a host. */
  covers(host: string): boolean;
}

const watchMs = 2_000;
const maxRememberedNames = 10_000;

/**
 * The certificates for the service's public names, from PEM files. A file that changes is read again; one that cannot be
 * read then leaves the last good one in service.
 */
export class Certificates {
  readonly #files: readonly CertificateFile[];
  readonly #log: Logger;
  readonly #watch: NodeJS.Timeout;
  #served: ServedCertificate[];
  #byName = new Map<string, ServedCertificate>();
  #versions: string;

  /** @throws Error naming the file that cannot be used. */
  constructor(files: readonly CertificateFile[], log: Logger) {
    this.#files = files;
    this.#log = log;
    this.#versions = versionsOf(files);
    this.#served = files.map(load);
    this.#watch = setInterval(() => this.#reloadIfChanged(), watchMs);
    this.#watch.unref();
  }

  /** The certificate for a server name; the first one where none covers it. */
  find(serverName: string): ServedCertificate | undefined {
    const known = this.#byName.get(serverName);
    if (known !== undefined) return known;
    const found = this.#served.find(one => one.covers(serverName)) ?? this.#served[0];
    if (found !== undefined) {
      if (this.#byName.size >= maxRememberedNames) this.#byName.clear();
      this.#byName.set(serverName, found);
    }
    return found;
  }

  stop(): void {
    clearInterval(this.#watch);
  }

  #reloadIfChanged(): void {
    const versions = versionsOf(this.#files);
    if (versions === this.#versions) return;
    try {
      this.#served = this.#files.map(load);
      this.#byName = new Map();
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

function load({ certificateFile, keyFile }: CertificateFile): ServedCertificate {
  try {
    const cert = readFileSync(certificateFile);
    const certificate = new X509Certificate(cert);
    const context = createSecureContext({ cert, key: readFileSync(keyFile), minVersion: 'TLSv1.2' });
    return { context, covers: host => certificate.checkHost(host) !== undefined };
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
