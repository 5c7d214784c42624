import type { TunnelReport } from './messages.ts';

/** What is known of a connector that has at least one tunnel now. */
export interface LiveConnector {
  readonly connectorId: string;
  /** Since when, without a gap, it has had a tunnel; milliseconds since the epoch. */
  readonly since: number;
  /** Address that its newest tunnel came from. */
  readonly externalIp: string;
  readonly version: string;
  readonly tunnelCount: number;
  /** A probe went through a tunnel of it and back within the last 10 s. */
  readonly isAnswering: boolean;
}

/** Which connectors are live, in memory: relays say it, and say it again after every new connection. */
export class Presence {
  // Keyed by relay and then by tunnel, because a lost relay takes all its tunnels with it.
  readonly #tunnels = new Map<object, Map<string, TunnelReport>>();

  tunnelUp(relay: object, tunnel: TunnelReport): void {
    const ofRelay = this.#tunnels.get(relay) ?? new Map<string, TunnelReport>();
    ofRelay.set(tunnel.tunnelId, tunnel);
    this.#tunnels.set(relay, ofRelay);
  }

  /** Pings on a tunnel are answered, or are not any more. @returns What is known of the tunnel, or undefined. */
  tunnelProbe(relay: object, tunnelId: string, isAnswered: boolean): TunnelReport | undefined {
    const ofRelay = this.#tunnels.get(relay);
    const tunnel = ofRelay?.get(tunnelId);
    if (tunnel !== undefined) ofRelay?.set(tunnelId, { ...tunnel, isUnanswered: !isAnswered });
    return tunnel;
  }

  /** @returns What was known of the tunnel, or undefined. */
  tunnelDown(relay: object, tunnelId: string): TunnelReport | undefined {
    const ofRelay = this.#tunnels.get(relay);
    const tunnel = ofRelay?.get(tunnelId);
    ofRelay?.delete(tunnelId);
    return tunnel;
  }

  /** Forgets a relay with its tunnels. Returns the ids of the connectors that it had. */
  relayLost(relay: object): string[] {
    const ofRelay = this.#tunnels.get(relay);
    this.#tunnels.delete(relay);
    return [...new Set([...(ofRelay?.values() ?? [])].map(tunnel => tunnel.connectorId))];
  }

  isLive(connectorId: string): boolean {
    return this.find(connectorId) !== null;
  }

  /** Whether a probe went through a tunnel of the connector and back within the last 10 s. */
  isActive(connectorId: string): boolean {
    return this.find(connectorId)?.isAnswering === true;
  }

  find(connectorId: string): LiveConnector | null {
    return describe(this.#all().filter(tunnel => tunnel.connectorId === connectorId));
  }

  /** Every connector that is live now. */
  list(): LiveConnector[] {
    const ofConnector = Map.groupBy(this.#all(), tunnel => tunnel.connectorId);
    return [...ofConnector.values()].map(describe).filter(live => live !== null);
  }

  #all(): TunnelReport[] {
    return [...this.#tunnels.values()].flatMap(ofRelay => [...ofRelay.values()]);
  }
}

function describe(tunnels: readonly TunnelReport[]): LiveConnector | null {
  if (tunnels.length === 0) return null;
  const newest = tunnels.reduce((a, b) => (b.since >= a.since ? b : a));
  return {
    connectorId: newest.connectorId,
    since: Math.min(...tunnels.map(tunnel => tunnel.since)),
    externalIp: newest.externalIp,
    version: newest.version,
    tunnelCount: tunnels.length,
    isAnswering: tunnels.some(tunnel => tunnel.isUnanswered !== true),
  };
}
