/** Something that an administrator has to hear of without looking: goes out by every channel that is configured. */
export interface Alert {
  /** UUID; the same in every attempt and channel, so that receivers can tell a repetition. */
  readonly id: string;
  readonly type:
    | 'connector_certificate_expiring'
    | 'public_certificate_expiring'
    | 'local_authority_changing'
    | 'test';
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** One line. */
  readonly title: string;
  /** What it is, and what to do. */
  readonly text: string;
  /** For programs. */
  readonly details: Readonly<Record<string, string | number>>;
}

/** What became of one attempt to deliver an alert by one channel. */
export interface ChannelResult {
  /** `mail`, or `webhook` and the origin of its address: the rest of it may be a secret. */
  readonly channel: string;
  readonly status: 'sent' | 'failed';
  /** What was done and what the other side said, in one sentence. */
  readonly detail: string;
  /** What to do about a failure; null otherwise. */
  readonly remedy: string | null;
}

/** A way for alerts to leave the service. */
export interface AlertChannel {
  /** Stable as long as its configuration is; deliveries that are still to be tried again are kept under it. */
  readonly name: string;
  /**
   * Delivers one alert.
   *
   * @returns what the other side said, in a few words.
   * @throws AlertError
   */
  send(alert: Alert): Promise<string>;
}

/** A channel of the configuration, which can be tried without sending anything. */
export interface ConfiguredChannel extends AlertChannel {
  /**
   * Goes as far as it can without anybody getting anything: the connection, its TLS, and for mail the sign-in.
   *
   * @returns what was seen, in a few words.
   * @throws AlertError
   */
  tryOut(): Promise<string>;
}

/** Why an alert could not be delivered. Message and remedy are for administrators, and hold nothing secret. */
export class AlertError extends Error {
  readonly code:
    | 'secret_file'
    | 'name_not_resolved'
    | 'unreachable'
    | 'timed_out'
    | 'untrusted'
    | 'no_tls'
    | 'authentication'
    | 'refused'
    | 'redirected';
  readonly remedy: string;
  /** Some have it: trying again would give it to them once more. */
  readonly isPartial: boolean;

  constructor(
    code: AlertError['code'],
    message: string,
    remedy: string,
    options?: ErrorOptions & { readonly isPartial?: boolean },
  ) {
    super(message, options);
    this.code = code;
    this.remedy = remedy;
    this.isPartial = options?.isPartial ?? false;
  }
}
