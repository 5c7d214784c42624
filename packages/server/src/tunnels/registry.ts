import type { BackendConfiguration } from '@postern/protocol/tunnel/messages';
import type { ConnectorGroupRecord, ConnectorRecord } from '../feed/messages.ts';
import type { BackendAddress, Reach } from '../routes/route-backends.ts';
import { affinityOf } from './affinity.ts';
import { BackendHealth } from './backend-health.ts';
import type { Tunnel } from './tunnel.ts';

export interface RegistryOptions {
  /** How long a request waits for a connector of its group. */
  readonly waitMs: number;
  /** Most requests that wait for one group. */
  readonly maxWaiting: number;
  readonly random: () => number;
  /** Where this node is; absent: nowhere in particular. */
  readonly region?: string;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** What a stream is opened for. */
export interface StreamPurpose {
  readonly groupId: string;
  /** What connectors know the backend by, and what they dial for it. */
  readonly backendId: string;
  readonly backendKey: string;
  /** Whose connections may be used for it: those of one backend. */
  readonly pool: string;
  /** Tunnels that this request has failed on. */
  readonly failedOn: ReadonlySet<Tunnel> | null;
  readonly isUpgrade: boolean;
  /** Who asks, where the application wants each client to stay with one connector. */
  readonly client: string | null;
}

/** A request that waits until its group can serve it. */
interface Waiting {
  readonly applicationId: string;
  readonly backendKey: string;
  readonly resolve: (outcome: 'try' | 'timeout') => void;
  readonly timer: NodeJS.Timeout;
}

interface LiveConnector {
  readonly id: string;
  groupId: string;
  /** An administrator has taken it out of use; its streams in flight go on. */
  isDraining: boolean;
  region: string | undefined;
  readonly tunnels: Tunnel[];
}

/** Which connectors are live, by group; chooses the one that carries the next stream. */
export class TunnelRegistry {
  readonly #options: RegistryOptions;
  readonly #connectors = new Map<string, LiveConnector>();
  readonly #groups = new Map<string, LiveConnector[]>();
  /** Of groups that have connectors in their region, and others: those in it. */
  readonly #preferred = new Map<string, LiveConnector[]>();
  #groupRecords: ReadonlyMap<string, ConnectorGroupRecord> = new Map();
  readonly #waiting = new Map<string, Set<Waiting>>();
  readonly health: BackendHealth;
  #backendsByGroup: ReadonlyMap<string, readonly BackendConfiguration[]> = new Map();

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.health = new BackendHealth(options.now);
  }

  get tunnels(): Tunnel[] {
    return [...this.#connectors.values()].flatMap(connector => connector.tunnels);
  }

  countOf(connectorId: string): number {
    return this.#connectors.get(connectorId)?.tunnels.length ?? 0;
  }

  add(
    tunnel: Tunnel,
    { groupId, draining, region }: Pick<ConnectorRecord, 'groupId' | 'draining' | 'region'>,
  ): void {
    let connector = this.#connectors.get(tunnel.connectorId);
    if (connector === undefined) {
      connector = { id: tunnel.connectorId, groupId, isDraining: draining, region, tunnels: [] };
      this.#connectors.set(connector.id, connector);
      this.#join(connector);
    }
    connector.tunnels.push(tunnel);
    tunnel.configure(this.#backendsByGroup.get(connector.groupId) ?? []);
  }

  remove(tunnel: Tunnel): void {
    const connector = this.#connectors.get(tunnel.connectorId);
    const at = connector?.tunnels.indexOf(tunnel) ?? -1;
    if (connector === undefined || at < 0) return;
    connector.tunnels.splice(at, 1);
    if (connector.tunnels.length > 0) return;
    this.#connectors.delete(connector.id);
    this.#leave(connector);
  }

  /** Follows the records: closes what was revoked or removed, moves what changed group, pushes what may be dialled. */
  update(
    connectors: ReadonlyMap<string, ConnectorRecord>,
    backendsByGroup: ReadonlyMap<string, readonly BackendConfiguration[]>,
    groups: ReadonlyMap<string, ConnectorGroupRecord> = this.#groupRecords,
  ): void {
    this.#backendsByGroup = backendsByGroup;
    this.#groupRecords = groups;
    for (const live of [...this.#connectors.values()]) {
      const record = connectors.get(live.id);
      if (record === undefined || record.revoked) {
        for (const tunnel of [...live.tunnels]) tunnel.close('the connector was revoked');
        continue;
      }
      const isBack = live.isDraining && !record.draining;
      live.isDraining = record.draining;
      live.region = record.region;
      if (record.groupId !== live.groupId) {
        this.#leave(live);
        live.groupId = record.groupId;
        this.#join(live);
      }
      for (const tunnel of live.tunnels.filter(one => !isAccepted(record, one))) {
        tunnel.close('its certificate was revoked');
      }
      for (const tunnel of live.tunnels) tunnel.configure(backendsByGroup.get(live.groupId) ?? []);
      if (isBack) for (const tunnel of live.tunnels) this.wake(tunnel);
    }
    for (const groupId of this.#groups.keys()) this.#prefer(groupId);
  }

  /**
   * Chooses the tunnel for a new stream: of two connectors of the group taken at random the one with fewer requests
   * outstanding, and of its tunnels the one with the fewest queued bytes. Passed over while there is another are
   * connectors that have gone quiet, and those that could not reach this backend lately. Of a connector that the request
   * has failed on no tunnel is taken: what ails one of them mostly ails the others. Where the group, or else this node, has
   * a region, the others are taken only where no connector of that region is left.
   *
   * @returns null if nobody of the group can serve this backend now.
   */
  choose(purpose: StreamPurpose): Tunnel | null {
    const group = this.#groups.get(purpose.groupId);
    if (group === undefined) return null;
    if (group.length === 1) return bestTunnel(group[0]!, purpose);
    if (this.#preferred.size > 0) {
      const preferred = this.#preferred.get(purpose.groupId);
      const tunnel = preferred === undefined ? null : this.#chooseOf(preferred, purpose);
      if (tunnel !== null && this.#isSound(tunnel, purpose)) return tunnel;
    }
    return this.#chooseOf(group, purpose);
  }

  #chooseOf(group: readonly LiveConnector[], purpose: StreamPurpose): Tunnel | null {
    if (group.length === 1) return bestTunnel(group[0]!, purpose);
    const tunnel = purpose.client === null ? this.#lessLoaded(group, purpose) : nearest(group, purpose);
    if (tunnel !== null && this.#isSound(tunnel, purpose)) return tunnel;
    return this.#findSound(group, purpose) ?? tunnel ?? findAny(group, purpose);
  }

  /** Connectors of a group that take requests, each with the tunnel that a stream to a backend would take. */
  *tunnelsTo(groupId: string, { backendId, backendKey }: BackendAddress): Generator<Tunnel> {
    for (const connector of this.#groups.get(groupId) ?? []) {
      const tunnel = bestTunnelOf(connector, { backendId, backendKey, isUpgrade: false });
      if (tunnel !== null) yield tunnel;
    }
  }

  /** How well the group can reach a backend: see {@link Reach}. */
  reachOf(purpose: StreamPurpose): Reach {
    const { failedOn } = purpose;
    let reach: Reach = 0;
    for (const connector of this.#groups.get(purpose.groupId) ?? []) {
      const tunnel = bestTunnelOf(connector, purpose);
      if (tunnel === null) continue;
      if (!this.#isSound(tunnel, purpose)) reach = Math.max(reach, 1) as Reach;
      else if (failedOn === null || !hasTunnelOf(failedOn, connector.id)) return 3;
      else reach = 2;
    }
    return reach;
  }

  #lessLoaded(group: readonly LiveConnector[], purpose: StreamPurpose): Tunnel | null {
    const first = Math.floor(this.#options.random() * group.length);
    const second = (first + 1 + Math.floor(this.#options.random() * (group.length - 1))) % group.length;
    const one = bestTunnel(group[first]!, purpose);
    const other = bestTunnel(group[second]!, purpose);
    if (one === null || other === null) return one ?? other;
    const isOneSound = this.#isSound(one, purpose);
    if (isOneSound !== this.#isSound(other, purpose)) return isOneSound ? one : other;
    return load(group[first]!) <= load(group[second]!) ? one : other;
  }

  #findSound(group: readonly LiveConnector[], purpose: StreamPurpose): Tunnel | null {
    let best: Tunnel | null = null;
    let bestRank = -1;
    for (const connector of group) {
      const tunnel = bestTunnel(connector, purpose);
      if (tunnel === null || !this.#isSound(tunnel, purpose)) continue;
      // Clients of one that is passed over spread over the others, each always to the same.
      const rank =
        purpose.client === null ? this.#options.random() : affinityOf(purpose.client, connector.id);
      if (rank <= bestRank) continue;
      best = tunnel;
      bestRank = rank;
    }
    return best;
  }

  #isSound(tunnel: Tunnel, { pool }: StreamPurpose): boolean {
    return !tunnel.isQuiet && this.health.isWell(tunnel.connectorId, pool);
  }

  /**
   * Waits until the group may be able to serve the backend.
   *
   * @returns `try` when it is worth choosing again, `timeout` after the waiting time, `full` at once if too many wait.
   */
  wait(
    groupId: string,
    applicationId: string,
    backendKey: string,
    signal: AbortSignal,
  ): Promise<'try' | 'timeout' | 'full' | 'aborted'> {
    let waiting = this.#waiting.get(groupId);
    if (waiting === undefined) {
      waiting = new Set();
      this.#waiting.set(groupId, waiting);
    }
    if (waiting.size >= this.#options.maxWaiting) return Promise.resolve('full');
    const { promise, resolve } = Promise.withResolvers<'try' | 'timeout' | 'aborted'>();
    const entry: Waiting = {
      applicationId,
      backendKey,
      resolve,
      timer: setTimeout(() => resolve('timeout'), this.#options.waitMs),
    };
    waiting.add(entry);
    const onAbort = () => resolve('aborted');
    signal.addEventListener('abort', onAbort, { once: true });
    return promise.finally(() => {
      clearTimeout(entry.timer);
      signal.removeEventListener('abort', onAbort);
      waiting.delete(entry);
    });
  }

  /** A tunnel became able to serve: whoever waits for what it serves tries again. */
  wake(tunnel: Tunnel): void {
    const connector = this.#connectors.get(tunnel.connectorId);
    if (connector === undefined || connector.isDraining) return;
    for (const entry of this.#waiting.get(connector.groupId) ?? []) {
      if (tunnel.isOpen && tunnel.serves(entry.applicationId, entry.backendKey)) entry.resolve('try');
    }
  }

  #join(connector: LiveConnector): void {
    const group = this.#groups.get(connector.groupId);
    if (group) group.push(connector);
    else this.#groups.set(connector.groupId, [connector]);
    this.#prefer(connector.groupId);
  }

  #prefer(groupId: string): void {
    const region = this.#groupRecords.get(groupId)?.region ?? this.#options.region;
    const group = this.#groups.get(groupId) ?? [];
    const preferred = region === undefined ? [] : group.filter(one => one.region === region);
    if (preferred.length === 0 || preferred.length === group.length) this.#preferred.delete(groupId);
    else this.#preferred.set(groupId, preferred);
  }

  #leave(connector: LiveConnector): void {
    const group = this.#groups.get(connector.groupId);
    const at = group?.indexOf(connector) ?? -1;
    if (group === undefined || at < 0) return;
    group.splice(at, 1);
    if (group.length === 0) this.#groups.delete(connector.groupId);
    this.#prefer(connector.groupId);
  }
}

/** Whether the certificate that a tunnel was opened with still stands on record. */
function isAccepted(record: ConnectorRecord, tunnel: Tunnel): boolean {
  return record.certificates.some(one => one.sha256 === tunnel.certificateSha256 && !one.revoked);
}

/** Of the connectors that can serve at all, the one that the client belongs to. */
function nearest(group: readonly LiveConnector[], purpose: StreamPurpose): Tunnel | null {
  let best: Tunnel | null = null;
  let bestRank = -1;
  for (const connector of group) {
    const rank = affinityOf(purpose.client!, connector.id);
    if (rank <= bestRank) continue;
    const tunnel = bestTunnel(connector, purpose);
    if (tunnel === null) continue;
    best = tunnel;
    bestRank = rank;
  }
  return best;
}

function findAny(group: readonly LiveConnector[], purpose: StreamPurpose): Tunnel | null {
  for (const connector of group) {
    const tunnel = bestTunnel(connector, purpose);
    if (tunnel !== null) return tunnel;
  }
  return null;
}

function bestTunnel(connector: LiveConnector, purpose: StreamPurpose): Tunnel | null {
  const { failedOn } = purpose;
  if (failedOn !== null && hasTunnelOf(failedOn, connector.id)) return null;
  return bestTunnelOf(connector, purpose);
}

/** Whether or not the request has failed on it. */
function bestTunnelOf(
  connector: LiveConnector,
  { backendId, backendKey, isUpgrade }: Pick<StreamPurpose, 'backendId' | 'backendKey' | 'isUpgrade'>,
): Tunnel | null {
  if (connector.isDraining) return null;
  let best: Tunnel | null = null;
  for (const tunnel of connector.tunnels) {
    if (!tunnel.isOpen || !tunnel.serves(backendId, backendKey)) continue;
    // Of equals requests take the first and upgrades the last: a WebSocket stays where it was opened, and a download that
    // comes later would fill the queues in front of it.
    if (best === null || isBetter(tunnel, best) || (isUpgrade && !isBetter(best, tunnel))) best = tunnel;
  }
  return best;
}

function hasTunnelOf(tunnels: ReadonlySet<Tunnel>, connectorId: string): boolean {
  for (const tunnel of tunnels) if (tunnel.connectorId === connectorId) return true;
  return false;
}

function isBetter(one: Tunnel, other: Tunnel): boolean {
  if (one.isQuiet !== other.isQuiet) return other.isQuiet;
  return backlog(one) < backlog(other);
}

/**
 * Queued bytes in steps: what one event-loop turn collects is no backlog, and small requests that keep to one tunnel share
 * its writes and find their idle connections.
 */
function backlog(tunnel: Tunnel): number {
  return Math.floor(tunnel.queuedBytes / 16_384);
}

function load(connector: LiveConnector): number {
  let sum = 0;
  for (const tunnel of connector.tunnels) sum += tunnel.outstanding;
  return sum;
}
