import type { LogLevel } from './log.ts';

/** What is written about an event, once and for all of its kind. */
interface CatalogueEntry {
  /** Stable number, for those who filter by it; never given to another event. 1000 is the documents' own. */
  readonly id: number;
  /** Level, where the one who writes the event does not say another. */
  readonly level: LogLevel;
  /** One sentence for an administrator. */
  readonly meaning: string;
  /** What to do about it; empty where there is nothing to do. */
  readonly remedy: string;
  /** It may come with every request: the admin log holds one a minute of each application, with the number left out. */
  readonly isFrequent?: true;
}

function catalogue<Name extends string>(
  entries: Readonly<Record<Name, CatalogueEntry>>,
): Readonly<Record<Name, CatalogueEntry>> {
  return entries;
}

/**
 * Every event of the connector. The name stands in the log as `event`, the number as `id`; both are stable. Numbers are
 * given by subject: 1xxx trust, 2xxx tunnel, 3xxx backend, 4xxx installation and the process itself, 5xxx doctor.
 */
export const events = catalogue({
  certificate_expired: {
    id: 1000,
    level: 'error',
    meaning: 'The trust certificate has expired, and the service accepts no tunnel with it.',
    remedy:
      'Run `postern connector register` on the computer on which the connector is running; it keeps its id and group, and needs no restart.',
  },
  certificate_expires_soon: {
    id: 1001,
    level: 'warn',
    meaning: 'The trust certificate expires in 30, 14, 7 or 1 days and has not been renewed yet.',
    remedy:
      'The connector renews by itself while it is connected: see why it is not, or why its renewals fail. Else register it again before the day that is named.',
  },
  certificate_fallback: {
    id: 1002,
    level: 'warn',
    meaning: 'The certificate that the trust settings name cannot be used; another one of this machine is.',
    remedy: 'If it goes on, register the connector again with `postern connector register`.',
  },
  certificate_renewed: {
    id: 1003,
    level: 'info',
    meaning: 'The trust certificate was renewed; the new one is in the user store, and in use.',
    remedy: '',
  },
  certificate_renewal_failed: {
    id: 1004,
    level: 'warn',
    meaning:
      'The trust certificate could not be renewed; `code` names the cause. The present one goes on serving until it expires.',
    remedy:
      'The connector tries again by itself. `files`: make room on the disk of the data folder, and see that the user of the connector may write there. `revoked`: an administrator has revoked this connector. Else look into the service’s log.',
  },
  identity_changed: {
    id: 1005,
    level: 'info',
    meaning:
      'Another program, such as `postern connector register`, has written an identity; it is used without a restart.',
    remedy: '',
  },
  clock_wrong: {
    id: 1006,
    level: 'warn',
    meaning:
      'The clock of this machine differs from the service’s by more than five minutes. The connector works on.',
    remedy: 'Set the clock of this machine, or have it set by NTP.',
  },
  anchors_changed: {
    id: 1007,
    level: 'info',
    meaning:
      'The service announced other authorities for its own certificate, as before an exchange; they are on disk, and trusted from now on.',
    remedy: '',
  },
  anchors_refused: {
    id: 1008,
    level: 'warn',
    meaning:
      'Authorities that the service announced for its own certificate are not used; `code` says why. Those on disk stay in force.',
    remedy:
      '`files`: make room on the disk of the data folder, and see that the user of the connector may write there; it is tried again every minute. Else look into the service’s log.',
  },
  tunnel_connected: {
    id: 2000,
    level: 'info',
    meaning: 'The service accepted a tunnel.',
    remedy: '',
  },
  tunnel_refused: {
    id: 2001,
    level: 'error',
    meaning: 'The service refused this connector; `code` names the reason.',
    remedy: 'The message says what to do for the reason it names.',
  },
  tunnel_failed: {
    id: 2002,
    level: 'warn',
    meaning: 'A tunnel could not be opened. The connector tries again by itself.',
    remedy: 'The message names the cause; `postern connector doctor` finds it step by step.',
  },
  tunnel_lost: {
    id: 2003,
    level: 'warn',
    meaning: 'A tunnel broke or fell silent. The connector connects again by itself.',
    remedy: 'If it happens often, look at what lies between this machine and the service.',
  },
  tunnel_going_away: {
    id: 2004,
    level: 'info',
    meaning:
      'A node takes a tunnel out of use, as before a restart or when the certificate of the tunnel has expired; another one is opened first.',
    remedy: '',
  },
  backend_connected: {
    id: 3000,
    level: 'debug',
    meaning: 'A connection to a backend was opened for a request.',
    remedy: '',
    isFrequent: true,
  },
  backend_failed: {
    id: 3001,
    level: 'warn',
    meaning: 'A backend could not be connected to; `code` says why.',
    remedy:
      'The message names address and cause; `postern connector doctor` looks at every backend of the group.',
    isFrequent: true,
  },
  dial_refused: {
    id: 3002,
    level: 'warn',
    meaning:
      'The service asked for a backend that the allow-list of this machine does not permit. Nothing was connected to.',
    remedy:
      'If it is to be reached: add the backend to "allow" in Config/connector.json, and restart the connector. If not: ask who has published it.',
    isFrequent: true,
  },
  connector_started: {
    id: 4000,
    level: 'info',
    meaning: 'The connector began to run.',
    remedy: '',
  },
  connector_draining: {
    id: 4001,
    level: 'info',
    meaning: 'The connector was told to stop, and lets the streams in flight end.',
    remedy: '',
  },
  connector_stopped: {
    id: 4002,
    level: 'info',
    meaning: 'The connector has stopped.',
    remedy: '',
  },
  log_incomplete: {
    id: 4003,
    level: 'warn',
    meaning: 'Lines of a log could not be written, as on a full disk; `lines` says how many are missing.',
    remedy: 'Make room on the disk of the data folder. The connector works on without its logs.',
  },
  doctor_finished: {
    id: 5000,
    level: 'info',
    meaning:
      'The doctor looked at the running connector, as the service had asked it to; `exitCode` is 0 where nothing failed, and `failed` lists the checks that did.',
    remedy: '',
  },
});

/** Name of an event of the connector. */
export type EventName = keyof typeof events;
