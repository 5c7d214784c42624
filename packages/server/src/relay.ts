/**
 * The relay: owns the public port and everything on a request's path, with its state in memory. It starts the control
 * process as its child and hears every change from it. `postern serve` is this program.
 */

import { randomBytes, randomUUID } from 'node:crypto';
import net from 'node:net';
import path from 'node:path';
import { type BackendConfiguration, tunnelProtocol } from '@postern/protocol/tunnel/messages';
import { WindowBudget } from '@postern/protocol/yamux/window-budget';
import { listenTargets } from './config/listen-targets.ts';
import { certificateFiles, controlHosts, dataPaths } from './config/names.ts';
import type { Config } from './config/schema.ts';
import { isStillAllowed } from './edge/admit.ts';
import { Backends } from './edge/backends.ts';
import { Certificates } from './edge/certificates.ts';
import type { EdgeParts } from './edge/edge-parts.ts';
import type { Exchange } from './edge/exchange.ts';
import { EdgeListener } from './edge/listener.ts';
import { PlainHttpListener } from './edge/plain-http.ts';
import { PrivateListener } from './edge/private-listener.ts';
import { ControlProcess } from './feed/control-process.ts';
import type { ConnectorRecord } from './feed/messages.ts';
import { RelayState } from './feed/relay-state.ts';
import { FeedSubscriber } from './feed/subscriber.ts';
import { RouteTable } from './routes/route-table.ts';
import { createLogger, type Logger } from './telemetry/logger.ts';
import { Metrics } from './telemetry/metrics.ts';
import { TunnelListener } from './tunnels/accept.ts';
import { TunnelRegistry } from './tunnels/registry.ts';
import type { Tunnel } from './tunnels/tunnel.ts';

/** A relay that runs. */
export interface Relay {
  /** Finishes what is in flight for at most `drainMs`, then ends everything. */
  stop(): Promise<void>;
  readonly controlPid: number | undefined;
}

const now = () => performance.now();

/**
 * Starts the relay and its control process; resolves when the public port accepts connections.
 *
 * @param configFile Handed to the control process, which reads it by itself.
 */
export async function startRelay(config: Config, configFile: string): Promise<Relay> {
  // Small answers are built in pooled buffers; Node's pool of 8 KiB would be renewed every few requests.
  Buffer.poolSize = 256 * 1024;
  const log = createLogger({ program: 'relay', level: config.log.level });
  const paths = dataPaths(config);
  const portSuffix = config.publicPort === 443 ? '' : `:${config.publicPort}`;

  // 1. The control process: it makes what the steps below read, the local certificates included.
  const control = new ControlProcess({ program: controlProgram(), args: [configFile], log });
  await control.ready;

  // 2. What the relay knows, and how it hears of changes.
  const state = new RelayState();
  let routes = new RouteTable([], { domain: config.domain, portSuffix });
  let connectorsByCertificate = new Map<string, ConnectorRecord>();
  const open = new Set<Exchange>();

  // 3. Tunnels.
  const registry = new TunnelRegistry({
    waitMs: config.limits.waitForConnectorMs,
    maxWaiting: config.limits.maxWaitingRequestsPerGroup,
    random: Math.random,
  });
  const head = {
    maxHeadBytes: config.limits.maxHeadBytes,
    maxFields: config.limits.maxHeaderFields,
    maxTargetBytes: 16_384,
  };
  const backends = new Backends({ registry, controlSocket: paths.controlSocket, limits: head, now });
  const tunnelListener = new TunnelListener({
    nodeId: randomUUID(),
    findConnector: sha256 => connectorsByCertificate.get(sha256),
    isAccepting: () => state.tunnelTrust !== null,
    windowBudget: new WindowBudget(config.limits.windowBudgetBytes),
    maxTunnelsPerConnector: config.limits.maxTunnelsPerConnector,
    tunnelsOf: connectorId => registry.tunnels.filter(tunnel => tunnel.connectorId === connectorId).length,
    hooks: {
      onAccept: (tunnel, connector) => registry.add(tunnel, connector.groupId),
      onReady: tunnel => {
        log.info(
          { tunnelId: tunnel.id, connectorId: tunnel.connectorId, machineName: tunnel.machineName },
          'tunnel up',
        );
        feed.send({ type: 'tunnel-up', tunnel: reportOf(tunnel) });
      },
      onChange: tunnel => registry.wake(tunnel),
      onClose: (tunnel, reason) => {
        registry.remove(tunnel);
        backends.forgetTunnel(tunnel);
        log.info({ tunnelId: tunnel.id, connectorId: tunnel.connectorId, reason }, 'tunnel down');
        feed.send({ type: 'tunnel-down', tunnelId: tunnel.id, connectorId: tunnel.connectorId, reason });
      },
    },
    log,
    now,
  });

  // 4. The feed: every change goes to routes, tunnels and open exchanges, in this order.
  const admit = {
    state,
    routes: () => routes,
    silentForMs: () => feed.silentForMs(),
    feedGraceMs: config.limits.feedGraceMs,
    findSession: (idHash: string, host: string) => feed.findSession(idHash, host),
  };
  const feed = new FeedSubscriber({
    socketPath: paths.feedSocket,
    state,
    log,
    now,
    onChange: () => {
      routes = new RouteTable(state.applications.values(), { domain: config.domain, portSuffix });
      connectorsByCertificate = indexCertificates(state.connectors.values());
      if (state.tunnelTrust !== null) tunnelListener.setTrust(state.tunnelTrust);
      registry.update(state.connectors, backendsByGroup(state));
      for (const exchange of [...open]) {
        if (!isStillAllowed(exchange.route, exchange.session, admit)) exchange.revoke();
      }
    },
    onConnect: () => {
      for (const tunnel of registry.tunnels) {
        if (tunnel.isOpen) feed.send({ type: 'tunnel-up', tunnel: reportOf(tunnel) });
      }
    },
  });
  await feed.ready;

  // 5. The edge.
  const metrics = createMetrics(state, registry, open);
  const parts: EdgeParts = {
    admit,
    exchange: {
      connector: backends,
      open,
      maxRetryBodyBytes: config.limits.maxRetryBodyBytes,
      now,
      onEnd: exchange => {
        metrics.count(exchange.status);
        if (exchange.failure !== null) logFailure(log, exchange);
        if (config.log.accessLog) logAccess(log, exchange);
      },
    },
    limits: {
      head,
      headTimeoutMs: config.limits.headTimeoutMs,
      idleTimeoutMs: config.limits.clientIdleTimeoutMs,
      bodyIdleTimeoutMs: config.limits.bodyIdleTimeoutMs,
    },
    identity: { ...config.identityHeaders, reserved: reservedNames(config) },
    isTrustedProxy: trustedProxies(config.trustedProxies),
    portSuffix,
    nextRequestId: requestIds(),
    now,
    log,
    onLocalAnswer: (status, requestId, host) => {
      metrics.count(status);
      if (config.log.accessLog) log.info({ requestId, host, status }, 'request');
    },
  };
  const certificates = new Certificates(certificateFiles(config), log);
  const edge = new EdgeListener({
    parts,
    certificates,
    connectHost: controlHosts(config).connect,
    tunnelProtocol,
    acceptTunnel: socket => tunnelListener.accept(socket),
    maxConnections: config.limits.maxConnections,
    log,
  });
  const plain = new PlainHttpListener({
    routes: () => routes,
    portSuffix,
    limits: head,
    headTimeoutMs: config.limits.headTimeoutMs,
    maxConnections: config.limits.maxConnections,
    log,
  });
  let isStopping = false;
  const privateListener = new PrivateListener({
    metrics: metrics.render,
    health: () => [
      ...(isStopping ? ['the service is stopping'] : []),
      ...(feed.silentForMs() > 0 ? ['the control process is not connected'] : []),
    ],
    log,
  });

  // 6. Open: the private listener first, so that a health check can tell starting from broken.
  const targets = listenTargets(config, process.env, process.pid);
  for (const target of targets.private) await privateListener.listen(addressOf(target));
  for (const target of targets.http) await plain.listen(addressOf(target));
  for (const target of targets.https) await edge.listen(addressOf(target));
  log.info({ domain: config.domain, connections: config.listen.https }, 'service ready');

  const stop = async () => {
    isStopping = true;
    // The reverse: no new connections, no new streams; what is in flight ends by itself or at the deadline.
    edge.stopAccepting();
    plain.stop();
    for (const tunnel of registry.tunnels) tunnel.goAway();
    await drained(open, config.drainMs);
    edge.destroy();
    backends.stop();
    for (const tunnel of registry.tunnels) tunnel.close('the service stopped');
    feed.stop();
    await control.stop();
    certificates.stop();
    privateListener.stop();
  };
  stopOnSignals(stop, log);
  return {
    stop,
    get controlPid() {
      return control.pid;
    },
  };
}

/** In development the program beside this one; in the packed form likewise. */
function controlProgram(): string {
  return path.join(import.meta.dirname, `control${path.extname(import.meta.filename)}`);
}

function backendsByGroup(state: RelayState): Map<string, BackendConfiguration[]> {
  const groups = new Map<string, BackendConfiguration[]>();
  for (const application of state.applications.values()) {
    const url = new URL(application.internalUrl);
    const backend: BackendConfiguration = {
      applicationId: application.id,
      host: url.hostname,
      port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
      tls: url.protocol === 'https:',
      validateCertificate: application.validateBackendCertificate,
    };
    const group = groups.get(application.connectorGroupId);
    if (group) group.push(backend);
    else groups.set(application.connectorGroupId, [backend]);
  }
  return groups;
}

function indexCertificates(connectors: Iterable<ConnectorRecord>): Map<string, ConnectorRecord> {
  const index = new Map<string, ConnectorRecord>();
  for (const connector of connectors) {
    for (const certificate of connector.certificates) index.set(certificate.sha256, connector);
  }
  return index;
}

function reportOf(tunnel: Tunnel) {
  return {
    tunnelId: tunnel.id,
    connectorId: tunnel.connectorId,
    externalIp: tunnel.externalIp,
    machineName: tunnel.machineName,
    version: tunnel.version,
    os: tunnel.os,
    since: tunnel.since,
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

function createMetrics(state: RelayState, registry: TunnelRegistry, open: ReadonlySet<Exchange>) {
  const metrics = new Metrics('relay');
  metrics.collectProcess();
  const classes = [0, 0, 0, 0, 0, 0];
  metrics.gauge('postern_requests', 'Answers given since start, by status class.', ['class'], gauge => {
    for (let one = 1; one <= 5; one++) gauge.set({ class: `${one}xx` }, classes[one]!);
  });
  metrics.gauge('postern_open_exchanges', 'Requests, upgrades and streams under way.', [], gauge =>
    gauge.set(open.size),
  );
  metrics.gauge('postern_tunnels', 'Tunnels that are up.', [], gauge => gauge.set(registry.tunnels.length));
  metrics.gauge('postern_sessions', 'Signed-in sessions.', [], gauge => gauge.set(state.sessionCount));
  return {
    count: (status: number) => {
      const one = Math.trunc(status / 100);
      if (one >= 1 && one <= 5) classes[one]! += 1;
    },
    render: async () => ({ contentType: metrics.contentType, text: await metrics.render() }),
  };
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

function logAccess(log: Logger, exchange: Exchange): void {
  const { requestId, route, method, status, session, bytesToClient, startedAt } = exchange;
  log.info(
    {
      requestId,
      applicationId: route.application.id,
      userId: session?.user.id,
      method,
      status,
      bytesToClient,
      ms: Math.round(now() - startedAt),
    },
    'request',
  );
}

async function drained(open: ReadonlySet<Exchange>, limitMs: number): Promise<void> {
  const deadline = now() + limitMs;
  while (open.size > 0 && now() < deadline) await new Promise(resolve => setTimeout(resolve, 50));
}

function addressOf(target: ReturnType<typeof listenTargets>['https'][number]) {
  return target.kind === 'descriptor' ? { fd: target.fd } : target.endpoint;
}

/** The first signal drains, a second ends at once. */
function stopOnSignals(stop: () => Promise<void>, log: Logger): void {
  let isStopping = false;
  const onSignal = (signal: string) => {
    if (isStopping) {
      log.warn({ signal }, 'second signal; ending at once');
      process.exit(1);
    }
    isStopping = true;
    log.info({ signal }, 'service stops; requests in flight are finished');
    void stop().then(() => process.exit(0));
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
