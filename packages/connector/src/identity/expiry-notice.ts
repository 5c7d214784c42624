import type { Log } from '../events/log.ts';
import type { CertificatePair } from './certificate-store.ts';

const dayMs = 24 * 3_600_000;

/** The sentence that administrators know; the event's number, 1000, is known with it. */
const message =
  'Connector re-registration failed: The Connector trust certificate expired. Run `postern connector register` on the ' +
  'computer on which the Connector is running to re-register your Connector.';

/** Says that the certificate has expired, at once and then once a day for as long as it is so. */
export class ExpiryNotice {
  readonly #log: Log;
  #timer: NodeJS.Timeout | null = null;

  constructor(log: Log) {
    this.#log = log;
  }

  /** The service has refused the certificate as expired; saying so again changes nothing. */
  begin(pair: CertificatePair): void {
    if (this.#timer !== null) return;
    this.#say(pair);
    this.#timer = setInterval(() => this.#say(pair), dayMs);
  }

  /** The service has accepted a certificate, or there is another one to try. */
  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #say({ thumbprint, store, notAfter }: CertificatePair): void {
    this.#log({
      event: 'certificate_expired',
      message,
      thumbprint,
      store,
      notAfter: new Date(notAfter).toISOString(),
    });
  }
}
