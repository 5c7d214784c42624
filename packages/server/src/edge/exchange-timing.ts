import type { OpenDetail } from '@postern/protocol/tunnel/preamble';
import type { HopTimes } from '../feed/path-facts.ts';

/**
 * When an exchange came to each hop of its way, for those who want to know: a test of the path, or an administrator who
 * has asked for timings. All others have none, and pay one comparison at each place.
 *
 * Times are milliseconds, monotonic; 0 before.
 */
export class ExchangeTiming {
  /** Take no connection that is open already, so that opening one is seen. */
  readonly wantsNewConnection: boolean;
  /** Let in; a connector is looked for. */
  beganAt = 0;
  /** The request went out to a connector. */
  sentAt = 0;
  /** The connector's word on its connection to the backend came. */
  openedAt = 0;
  /** What it said; null where a connection that was open already was taken, or nothing was said yet. */
  opened: OpenDetail | null = null;
  firstByteAt = 0;
  /** Whoever carried the request last; null before. */
  connectorId: string | null = null;
  /** Of the one of several backends that was asked last; null where there is but one. */
  backendOrigin: string | null = null;

  constructor(wantsNewConnection: boolean) {
    this.wantsNewConnection = wantsNewConnection;
  }

  /** Another attempt takes the place of the one before; the time that this one took is time of waiting. */
  sent(now: number, connectorId: string | null, backendOrigin: string | null = null): void {
    this.sentAt = now;
    this.connectorId = connectorId;
    this.backendOrigin = backendOrigin;
    this.openedAt = 0;
    this.opened = null;
  }

  open(now: number, detail: OpenDetail): void {
    this.openedAt = now;
    this.opened = detail;
  }
}

/**
 * @param startedAt Of the exchange: its request's head was complete.
 */
export function hopTimes(timing: ExchangeTiming, startedAt: number): HopTimes {
  const { beganAt, sentAt, openedAt, opened, firstByteAt } = timing;
  const dns = opened?.dnsMs ?? null;
  const connect = opened?.connectMs ?? null;
  const tls = opened?.tlsMs ?? null;
  const opening = (dns ?? 0) + (connect ?? 0) + (tls ?? 0);
  // What the connector was told and what it answers go through the tunnel once each, and so do the request and the first
  // byte of the answer: the first pair is the tunnel's time, so that the second is the backend's alone.
  return {
    edge: between(startedAt, beganAt),
    queue: between(beganAt, sentAt),
    tunnel: openedAt > 0 && connect !== null ? round(Math.max(0, openedAt - sentAt - opening)) : null,
    dns,
    connect,
    tls,
    backend: between(openedAt > 0 ? openedAt : sentAt, firstByteAt),
  };
}

/** The value of a Server-Timing field (W3C Server Timing), for the network tab of an administrator's browser. */
export function serverTiming(timing: ExchangeTiming, startedAt: number): string {
  const times = hopTimes(timing, startedAt);
  const metrics = [metric('edge', times.edge), metric('queue', times.queue), metric('tunnel', times.tunnel)];
  if (times.dns !== null || times.connect !== null) {
    const { dns, connect, tls } = times;
    const parts = [`DNS ${dns ?? 0}`, `TCP ${connect ?? 0}`, ...(tls === null ? [] : [`TLS ${tls}`])];
    metrics.push(
      `${metric('connect', round((dns ?? 0) + (connect ?? 0) + (tls ?? 0)))};desc="${parts.join(', ')}"`,
    );
  }
  const kept = timing.opened === null ? ';desc="with the tunnel: the connection was open already"' : '';
  metrics.push(`${metric('backend', times.backend)}${kept}`);
  return metrics.filter(one => one !== '').join(', ');
}

function metric(name: string, ms: number | null): string {
  return ms === null ? '' : `${name};dur=${ms}`;
}

function between(from: number, to: number): number | null {
  return from > 0 && to > 0 ? round(Math.max(0, to - from)) : null;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
