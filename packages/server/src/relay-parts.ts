/**
 * The parts of the relay and how they hang together: routes, tunnels, edge. relay.ts gives them a control process and a
 * feed; a test gives them records of its own.
 */

import { randomBytes, randomUUID } from 'node:crypto';
import net from 'node:net';
import type { DoctorReport } from '@postern/protocol/doctor';
import type { BackendConfiguration, RenewalAnswer } from '@postern/protocol/tunnel/messages';
import { WindowBudget } from '@postern/protocol/yamux/window-budget';
import type { ListenTarget, ListenTargets } from './config/listen-targets.ts';
import { certificateFiles, controlHosts, dataPaths } from './config/names.ts';
import type { Config } from './config/schema.ts';
import { TokenVerifier } from './edge/access-tokens.ts';
import { isStillAllowed, publishedApplication } from './edge/admit.ts';
import { Backends } from './edge/backends.ts';
import { Certificates } from './edge/certificates.ts';
import { answerChallenge, ChallengeListener } from './edge/challenge-listener.ts';
import type { EdgeParts } from './edge/edge-parts.ts';
import type { Exchange } from './edge/exchange.ts';
import { FailedClients } from './edge/failed-clients.ts';
import { type HealthChange, HealthProber } from './edge/health-prober.ts';
import { LastOutcomes } from './edge/last-outcomes.ts';
import { EdgeListener } from './edge/listener.ts';
import { testPath } from './edge/path-test.ts';
import { PlainHttpListener } from './edge/plain-http.ts';
import { PrivateListener } from './edge/private-listener.ts';
import { Protection } from './edge/protection.ts';
import type { BackendReport } from './feed/backend-reports.ts';
import type {
  ConnectorRecord,
  RelayMessage,
  RenewalRequest,
  SessionRecord,
  TunnelReport,
} from './feed/messages.ts';
import type { PathFacts, PathTest } from './feed/path-facts.ts';
import type { PathOutcome } from './feed/path-outcomes.ts';
import type { RelayState } from './feed/relay-state.ts';
import { answerPortCheck } from './port-check/answers.ts';
import { Networks } from './routes/networks.ts';
import { RouteTable } from './routes/route-table.ts';
import { type AccessEntry, type AccessLog, createAccessLog } from './telemetry/access-log.ts';
import type { Logger } from './telemetry/logger.ts';
import { Metrics } from './telemetry/metrics.ts';
import { TunnelListener, tunnelProtocols } from './tunnels/accept.ts';
import { RecentRefusals } from './tunnels/recent-refusals.ts';
import { normalRegion } from './tunnels/region.ts';
import { TunnelRegistry } from './tunnels/registry.ts';
import type { Tunnel } from './tunnels/tunnel.ts';
import { WantedBackends } from './tunnels/wanted-backends.ts';

/** Where the relay's state comes from. */
export interface RelayFeed {
  send(message: RelayMessage): void;
  findSession(idHash: string, host: string): Promise<SessionRecord | null>;
  renew(request: RenewalRequest): Promise<RenewalAnswer>;
  /** Milliseconds since the control process was last heard; 0 while it is connected. */
  silentForMs(): number;
}

export interface RelayPartsOptions {
  readonly config: Config;
  readonly state: RelayState;
  readonly feed: RelayFeed;
  readonly log: Logger;
}

const now = () => performance.now();
/** For windows of uploads over HTTP/2 beyond those that every stream begins with. */
const uploadBudgetBytes = 128 * 1024 * 1024;
const usesEveryMs = 60_000;
/** Answers on port 80 are made in no time; a request whose packet was lost is there again after one second or two. */
const plainDrainMs = 3_000;
const maxCredentialUses = 10_000;
/** Timers hold 31 bits; a credential may work for two years. */
const maxTimerMs = 2 ** 31 - 1;

/** The relay without its process: takes records, listens, relays. */
export class RelayParts {
  readonly #options: RelayPartsOptions;
  readonly #portSuffix: string;
  readonly #open = new Set<Exchange>();
  readonly #registry: TunnelRegistry;
  readonly #backends: Backends;
  readonly #prober: HealthProber;
  readonly #tunnelListener: TunnelListener;
  readonly #certificates: Certificates;
  readonly #edge: EdgeListener;
  readonly #plain: PlainHttpListener;
  readonly #private: PrivateListener;
  readonly #accessLog: AccessLog | null;
  readonly #admit: EdgeParts['admit'];
  readonly #parts: EdgeParts;
  readonly #outcomes = new LastOutcomes(Date.now);
  #routes: RouteTable;
  #applicationsVersion = -1;
  readonly #backendsOfGroups = new WantedBackends();
  #wanted: ReadonlyMap<string, readonly BackendConfiguration[]> = new Map();
  #connectorsByCertificate = new Map<string, ConnectorRecord>();
  #isStopping = false;
  #announcedAnchors = '';
  readonly #refusals = new RecentRefusals(now);
  #uncoveredHosts: ReadonlySet<string> = new Set();
  #certificatesVersion = 0;
  #credentialTimer: NodeJS.Timeout | null = null;
  /** When the use of each was last told of. */
  readonly #credentialUses = new Map<string, number>();

  /** @throws Error naming a certificate file that cannot be used. */
  constructor(options: RelayPartsOptions) {
    const { config, state, feed, log } = options;
    this.#options = options;
    const writesAccess = config.log.accessLog && log.isLevelEnabled('info');
    this.#accessLog = writesAccess ? createAccessLog('relay') : null;
    this.#portSuffix = config.publicPort === 443 ? '' : `:${config.publicPort}`;
    this.#routes = new RouteTable([], { domain: config.domain, portSuffix: this.#portSuffix });
    const limits = {
      maxHeadBytes: config.limits.maxHeadBytes,
      maxFields: config.limits.maxHeaderFields,
      maxTargetBytes: 16_384,
    };

    // 1. Tunnels, and connections to backends through them.
    this.#registry = new TunnelRegistry({
      waitMs: config.limits.waitForConnectorMs,
      maxWaiting: config.limits.maxWaitingRequestsPerGroup,
      ...(config.region.trim() !== '' && { region: normalRegion(config.region) }),
      random: Math.random,
      now,
    });
    this.#backends = new Backends({
      registry: this.#registry,
      controlSocket: dataPaths(config).controlSocket,
      limits,
      now,
    });
    const nextRequestId = requestIds();
    this.#prober = new HealthProber({
      registry: this.#registry,
      backends: this.#backends,
      nextRequestId,
      random: Math.random,
      now,
      onChange: change => logHealth(log, change),
      onOutcome: (applicationId, failure) => this.#outcomes.learn(applicationId, failure),
    });
    this.#tunnelListener = this.#makeTunnelListener();

    // 2. The edge: one admission for everything that comes in.
    const protection = new Protection({
      ...config.protection,
      networks: Networks.from(config.protection),
      now,
    });
    this.#admit = {
      state,
      protection,
      routes: () => this.#routes,
      silentForMs: () => feed.silentForMs(),
      feedGraceMs: config.limits.feedGraceMs,
      findSession: (idHash, host) => feed.findSession(idHash, host),
      clients: {
        tokens: new TokenVerifier(() => state.tokenTrust),
        failures: new FailedClients(
          {
            maxFailures: config.signIn.maxFailuresPerAddress,
            windowMs: config.signIn.failureWindowMs,
          },
          Date.now,
        ),
        currentSession: id => state.currentSession(id),
        onUse: id => this.#noteUse(id),
        now: Date.now,
      },
    };
    const metrics = createMetrics(
      state,
      this.#registry,
      this.#open,
      protection,
      () => this.#edge.refusedConnections,
    );
    const parts: EdgeParts = {
      admit: this.#admit,
      exchange: {
        connector: this.#backends,
        open: this.#open,
        maxRetryBodyBytes: config.limits.maxRetryBodyBytes,
        now,
        onEnd: exchange => {
          protection.release(exchange.claim, exchange.isUpgrade);
          metrics.count(exchange.status);
          this.#outcomes.note(exchange);
          if (exchange.failure !== null) logFailure(log, exchange);
          this.#accessLog?.add(accessEntryOf(exchange));
        },
      },
      limits: {
        head: limits,
        headTimeoutMs: config.limits.headTimeoutMs,
        idleTimeoutMs: config.limits.clientIdleTimeoutMs,
        bodyIdleTimeoutMs: config.limits.bodyIdleTimeoutMs,
        stallTimeoutMs: config.limits.clientStallTimeoutMs,
      },
      protection,
      uploadBudget: new WindowBudget(uploadBudgetBytes),
      identity: { ...config.identityHeaders, reserved: reservedNames(config) },
      isTrustedProxy: trustedProxies(config.trustedProxies),
      portSuffix: this.#portSuffix,
      nextRequestId,
      now,
      log,
      onRefusal: metrics.countRefusal,
      onLocalAnswer: (status, requestId, host) => {
        metrics.count(status);
        this.#accessLog?.add({ ...localAnswer, status, requestId, host });
      },
    };
    this.#parts = parts;
    this.#certificates = new Certificates(certificateFiles(config), log);
    this.#edge = new EdgeListener({
      parts,
      certificates: this.#certificates,
      takesCertificates: host => this.#routes.findHost(host)?.takesCertificates ?? false,
      connectHost: controlHosts(config).connect,
      tunnelProtocols,
      acceptTunnel: (socket, onHandshake) => this.#tunnelListener.accept(socket, onHandshake),
      challenges: new ChallengeListener(() => state.challenges.values()),
      maxConnections: config.limits.maxConnections,
      log,
    });
    this.#plain = new PlainHttpListener({
      routes: () => this.#routes,
      portSuffix: this.#portSuffix,
      answerInTheClear: (host, path) =>
        answerChallenge(state.challenges.values(), host, path) ??
        (host === controlHosts(config).portcheck
          ? answerPortCheck(config, 'http', path)
          : answerRevocationList(config, state, host, path)),
      limits,
      headTimeoutMs: config.limits.headTimeoutMs,
      maxConnections: config.limits.maxConnections,
      log,
    });
    this.#private = new PrivateListener({
      metrics: metrics.render,
      health: () => [
        ...(this.#isStopping ? ['the service is stopping'] : []),
        ...(feed.silentForMs() > 0 ? ['the control process is not connected'] : []),
      ],
      log,
    });
  }

  /** Brings a change of the state into force: on routes, on exchanges under way, on tunnels, in this order. */
  applyState(): void {
    const { state, config } = this.#options;
    const hasOtherApplications = this.#applicationsVersion !== state.applicationsVersion;
    if (hasOtherApplications) {
      this.#applicationsVersion = state.applicationsVersion;
      this.#routes = this.#makeRoutes();
      this.#wanted = this.#backendsOfGroups.update(state.applications.values());
      this.#outcomes.keep(state.applications);
    }
    const hasOtherCertificates = this.#certificatesVersion !== state.certificatesVersion;
    if (hasOtherCertificates) {
      this.#certificatesVersion = state.certificatesVersion;
      this.#certificates.setStored(state.certificates.values());
    }
    this.#connectorsByCertificate = indexCertificates(state.connectors.values());
    if (hasOtherApplications) this.#watchCredentials();
    if (state.tunnelTrust !== null) this.#tunnelListener.setTrust(state.tunnelTrust);
    this.#announceAnchors();
    for (const exchange of [...this.#open]) {
      if (!isStillAllowed(exchange, this.#admit)) exchange.revoke();
      else if (publishedApplication(exchange.route, state) === undefined)
        exchange.finishWithin(config.drainMs);
      // While its tunnel is still there: a WebSocket is told that it ends, everything else finds the tunnel lost.
      else if (exchange.status === 101 && this.#isRevoked(exchange.connectorId)) exchange.revoke();
    }
    this.#registry.update(state.connectors, this.#wanted, state.connectorGroups);
    if (hasOtherApplications) {
      this.#backends.closeUnserved();
      this.#prober.update(this.#routes.probed());
    }
    // With thousands of hosts it takes a while; most changes are of sessions.
    if (hasOtherApplications || hasOtherCertificates) this.#warnOfUncoveredHosts();
  }

  /** Comes back when the next credential expires, to end what it has let in; nobody else would tell. */
  #watchCredentials(): void {
    if (this.#credentialTimer !== null) clearTimeout(this.#credentialTimer);
    this.#credentialTimer = null;
    let next = Number.POSITIVE_INFINITY;
    for (const { credentials } of this.#options.state.applications.values()) {
      for (const { expiresAt } of credentials ?? []) {
        if (expiresAt > Date.now() && expiresAt < next) next = expiresAt;
      }
    }
    if (next === Number.POSITIVE_INFINITY) return;
    this.#credentialTimer = setTimeout(
      () => {
        for (const exchange of [...this.#open]) {
          if (exchange.session?.credential != null && !isStillAllowed(exchange, this.#admit))
            exchange.revoke();
        }
        this.#watchCredentials();
      },
      Math.min(next - Date.now() + 1, maxTimerMs),
    );
    this.#credentialTimer.unref();
  }

  /** Tells the control process that a credential is in use, once a minute. */
  #noteUse(credentialId: string): void {
    const at = now();
    const last = this.#credentialUses.get(credentialId);
    if (last !== undefined && at - last < usesEveryMs) return;
    if (this.#credentialUses.size >= maxCredentialUses) this.#credentialUses.clear();
    this.#credentialUses.set(credentialId, at);
    this.#options.feed.send({ type: 'credential-used', credentialId });
  }

  /** The tunnels that are up, for a control process that has just come back. */
  tunnelReports(): TunnelReport[] {
    return this.#registry.tunnels.filter(tunnel => tunnel.isOpen).map(reportOf);
  }

  /** Lets a connector look at itself; null where it has no tunnel here or does not answer. */
  async examine(connectorId: string): Promise<DoctorReport | null> {
    const tunnel = this.#registry.tunnels.find(one => one.connectorId === connectorId && one.isOpen);
    return tunnel === undefined ? null : tunnel.examine();
  }

  /** What was seen last of the way to applications. */
  pathOutcomes(applicationIds: readonly string[]): PathOutcome[] {
    return this.#outcomes.report(applicationIds);
  }

  /** Sends a request to an application on the path of people's requests; null where that says nothing. */
  async testPath(test: PathTest): Promise<PathFacts | null> {
    try {
      return await testPath(test, this.#parts);
    } catch (error) {
      this.#options.log.warn({ err: error, applicationId: test.applicationId }, 'a test could not be made');
      return null;
    }
  }

  /** What is known of the health of an application's backends; null where it is not published here. */
  backendReports(applicationId: string): BackendReport[] | null {
    const application = this.#options.state.applications.get(applicationId);
    return application === undefined ? null : this.#prober.report(this.#routes.routesTo(application));
  }

  /** Opens every listener; the private one first, so that a health check can tell starting from broken. */
  async listen(targets: ListenTargets): Promise<void> {
    for (const target of targets.private) await this.#private.listen(addressOf(target));
    for (const target of targets.http) await this.#plain.listen(addressOf(target));
    for (const target of targets.https) await this.#edge.listen(addressOf(target));
  }

  /** Finishes what is in flight for at most `drainMs`, then ends everything but the private listener. */
  async drain(): Promise<void> {
    this.#isStopping = true;
    this.#prober.stop();
    this.#edge.stopAccepting();
    const plain = this.#plain.drain(plainDrainMs);
    // Tunnels go last: a request that was still arriving, or is tried again, needs a stream.
    await this.#drained();
    await plain;
    for (const tunnel of this.#registry.tunnels) tunnel.goAway('stopping', 'this node of the service stops');
    this.#edge.destroy();
    this.#backends.stop();
    for (const tunnel of this.#registry.tunnels) tunnel.close('the service stopped');
  }

  stop(): void {
    if (this.#credentialTimer !== null) clearTimeout(this.#credentialTimer);
    this.#certificates.stop();
    this.#private.stop();
    this.#accessLog?.flush();
  }

  /** Tells every tunnel which authorities may issue the certificate of `connect.<domain>`, where that has changed. */
  #announceAnchors(): void {
    const { anchors = [] } = this.#options.state.tunnelTrust ?? {};
    const set = anchors.join();
    if (set === this.#announcedAnchors) return;
    this.#announcedAnchors = set;
    for (const tunnel of this.#registry.tunnels) tunnel.announceAnchors(anchors);
  }

  #isRevoked(connectorId: string | null): boolean {
    return connectorId !== null && this.#options.state.connectors.get(connectorId)?.revoked !== false;
  }

  /** Waits until nothing is under way or about to be and every answer has left, for at most `drainMs`. */
  async #drained(): Promise<void> {
    const deadline = now() + this.#options.config.drainMs;
    const isBusy = () => this.#open.size > 0 || this.#edge.hasUnsentBytes || this.#edge.hasNewcomers;
    while (isBusy() && now() < deadline) await new Promise(resolve => setTimeout(resolve, 50));
  }

  /** Says once of each host that no certificate covers it: browsers will refuse it, and the operator can mend it. */
  #warnOfUncoveredHosts(): void {
    const uncovered = new Set<string>();
    for (const name of this.#routes.hosts()) {
      // Of a wildcard any of its hosts tells.
      const host = name.replace('*', 'any');
      if (!(this.#certificates.find(host)?.covers(host) ?? false)) uncovered.add(name);
    }
    for (const host of uncovered) {
      if (this.#uncoveredHosts.has(host)) continue;
      this.#options.log.warn({ host }, 'no certificate covers this host');
    }
    this.#uncoveredHosts = uncovered;
  }

  #makeRoutes(): RouteTable {
    const { config, state } = this.#options;
    return new RouteTable(state.applications.values(), {
      domain: config.domain,
      portSuffix: this.#portSuffix,
      previous: this.#routes,
    });
  }

  /** While their tunnel is still there, so that a WebSocket is told that it ends. */
  #endUpgradesOf(tunnel: Tunnel): void {
    for (const exchange of [...this.#open]) {
      if (exchange.status === 101 && exchange.isThrough(tunnel)) exchange.revoke();
    }
  }

  #makeTunnelListener(): TunnelListener {
    const { config, state, feed, log } = this.#options;
    return new TunnelListener({
      nodeId: randomUUID(),
      connectHost: controlHosts(config).connect,
      findConnector: sha256 => this.#connectorsByCertificate.get(sha256),
      isAccepting: () => state.tunnelTrust !== null && !this.#isStopping,
      windowBudget: new WindowBudget(config.limits.windowBudgetBytes),
      maxTunnelsPerConnector: config.limits.maxTunnelsPerConnector,
      tunnelsOf: connectorId => this.#registry.countOf(connectorId),
      drainMs: config.drainMs,
      hooks: {
        onAccept: (tunnel, connector) => this.#registry.add(tunnel, connector),
        onReady: tunnel => {
          const { id: tunnelId, connectorId, machineName } = tunnel;
          log.info({ tunnelId, connectorId, machineName }, 'tunnel up');
          feed.send({ type: 'tunnel-up', tunnel: reportOf(tunnel) });
          tunnel.announceAnchors(state.tunnelTrust?.anchors ?? []);
        },
        onChange: tunnel => {
          if (tunnel.isOpen) this.#registry.wake(tunnel);
          else this.#backends.closeIdle(tunnel);
        },
        onProbe: ({ id: tunnelId, answersProbes: isAnswered }) =>
          feed.send({ type: 'tunnel-probe', tunnelId, isAnswered }),
        onAnchorsKept: ({ connectorId }, anchors) => {
          // While there is but one, nobody waits to hear of another.
          const { length } = state.tunnelTrust?.anchors ?? [];
          if (length > 1) feed.send({ type: 'anchors-kept', connectorId, anchors });
        },
        onRefused: refusal => {
          if (this.#refusals.isNew(refusal)) feed.send({ type: 'refused', ...refusal });
        },
        onRenew: ({ connectorId, certificateSha256 }, proofCertificate) =>
          feed.renew({ connectorId, certificateSha256, proofCertificate }),
        onLeave: ({ connectorId }) => feed.send({ type: 'leave', connectorId }),
        onExpire: ({ id: tunnelId, connectorId, certificateSha256 }) =>
          log.warn(
            { tunnelId, connectorId, certificateSha256, drainMs: config.drainMs },
            'the trust certificate of a tunnel has expired; it takes no new requests',
          ),
        onCut: tunnel => this.#endUpgradesOf(tunnel),
        onClose: (tunnel, reason) => {
          const { id: tunnelId, connectorId } = tunnel;
          this.#registry.remove(tunnel);
          this.#backends.forgetTunnel(tunnel);
          log.info({ tunnelId, connectorId, reason }, 'tunnel down');
          feed.send({ type: 'tunnel-down', tunnelId, connectorId, reason });
        },
      },
      log,
      now,
    });
  }
}

/** Lists of revoked certificates are asked for in the clear: they are signed, and whoever checks TLS may need one. */
function answerRevocationList(config: Config, state: RelayState, host: string, path: string) {
  if (host !== controlHosts(config).connect) return null;
  const list = state.tunnelTrust?.revocationLists?.find(one => one.path === path);
  if (list === undefined) return null;
  const headers = { 'content-type': 'application/pkix-crl', 'cache-control': 'max-age=3600' };
  return { status: 200, headers, body: Buffer.from(list.der, 'base64') };
}

function indexCertificates(connectors: Iterable<ConnectorRecord>): Map<string, ConnectorRecord> {
  const index = new Map<string, ConnectorRecord>();
  for (const connector of connectors) {
    for (const certificate of connector.certificates) index.set(certificate.sha256, connector);
  }
  return index;
}

function reportOf(tunnel: Tunnel): TunnelReport {
  return {
    tunnelId: tunnel.id,
    connectorId: tunnel.connectorId,
    externalIp: tunnel.externalIp,
    machineName: tunnel.machineName,
    version: tunnel.version,
    os: tunnel.os,
    since: tunnel.since,
    isUnanswered: !tunnel.answersProbes,
  };
}

function reservedNames(config: Config): ReadonlySet<string> {
  const names = Object.values(config.identityHeaders).filter(name => name !== '');
  return new Set(names.map(name => name.toLowerCase()));
}

function trustedProxies(networks: readonly string[]): (address: string) => boolean {
  const list = new net.BlockList();
  for (const network of networks) {
    const [address = '', prefix] = network.split('/');
    const family = net.isIPv6(address) ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return address => networks.length > 0 && list.check(address, net.isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** Ids that are unique across restarts and cheap to make: a random start and a counter. */
function requestIds(): () => string {
  const prefix = randomBytes(6).toString('hex');
  let counter = 0;
  return () => {
    counter += 1;
    return `${prefix}-${counter.toString(36)}`;
  };
}

function createMetrics(
  state: RelayState,
  registry: TunnelRegistry,
  open: ReadonlySet<Exchange>,
  protection: Protection,
  refusedConnections: () => number,
) {
  const metrics = new Metrics('relay');
  metrics.collectProcess();
  const classes = [0, 0, 0, 0, 0, 0];
  metrics.gauge('postern_requests', 'Answers given since start, by status class.', ['class'], gauge => {
    for (let one = 1; one <= 5; one++) gauge.set({ class: `${one}xx` }, classes[one]!);
  });
  metrics.gauge('postern_open_exchanges', 'Requests, upgrades and streams under way.', [], gauge =>
    gauge.set(open.size),
  );
  metrics.gauge(
    'postern_refused_connections',
    'Connections refused since start: over limits.maxConnections, or too many handshakes of one address.',
    [],
    gauge => gauge.set(refusedConnections()),
  );
  metrics.gauge('postern_tunnels', 'Tunnels that are up.', [], gauge => gauge.set(registry.tunnels.length));
  metrics.gauge(
    'postern_backends_passed_over',
    'Pairs of connector and backend that are passed over, because the one could not reach the other lately.',
    [],
    gauge => gauge.set(registry.health.ailing),
  );
  metrics.gauge('postern_sessions', 'Signed-in sessions.', [], gauge => gauge.set(state.sessionCount));
  metrics.gauge('postern_open_upgrades', 'WebSockets and other upgrades under way.', [], gauge =>
    gauge.set(protection.openUpgrades),
  );
  metrics.gauge('postern_known_clients', 'Client addresses whose use is remembered.', [], gauge =>
    gauge.set(protection.clientCount),
  );
  const refusals = metrics.counter(
    'postern_refused_requests_total',
    'Requests that the edge refused, by code and by application, where one was found.',
    ['code', 'application'],
  );
  return {
    count: (status: number) => {
      const one = Math.trunc(status / 100);
      if (one >= 1 && one <= 5) classes[one]! += 1;
    },
    countRefusal: (code: string, applicationId: string | null) => {
      refusals.inc({ code, application: applicationId ?? '' });
    },
    render: async () => ({ contentType: metrics.contentType, text: await metrics.render() }),
  };
}

function logHealth(log: Logger, { failure, ...backend }: HealthChange): void {
  if (failure === null) log.info(backend, 'probes find a backend healthy again');
  else log.warn({ ...backend, ...failure }, 'probes find a backend unhealthy');
}

function logFailure(log: Logger, exchange: Exchange): void {
  const { requestId, route, failure, connectorId } = exchange;
  log.warn(
    {
      requestId,
      applicationId: route.application.id,
      connectorId,
      code: failure!.code,
      hop: failure!.hop,
      detail: failure!.detail,
    },
    'request failed',
  );
}

function accessEntryOf(exchange: Exchange): AccessEntry {
  const { requestId, route, method, status, session, bytesToClient, startedAt } = exchange;
  const isProgram = session !== null && session.credential !== null;
  return {
    requestId,
    applicationId: route.application.id,
    host: null,
    userId: session === null || isProgram ? null : session.user.id,
    clientId: isProgram ? session.user.id : null,
    method,
    status,
    bytesToClient,
    ms: now() - startedAt,
  };
}

const localAnswer = {
  applicationId: null,
  userId: null,
  clientId: null,
  method: null,
  bytesToClient: 0,
  ms: 0,
};

function addressOf(target: ListenTarget) {
  return target.kind === 'descriptor' ? { fd: target.fd } : target.endpoint;
}
