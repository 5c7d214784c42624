import type { HealthProbe } from '@postern/protocol/admin/publishing-backends';
import { type BackendReport, maxBackendReports } from '../feed/backend-reports.ts';
import type { MessageHead } from '../http1/head.ts';
import type { BackendAddress } from '../routes/route-backends.ts';
import type { Route } from '../routes/route-table.ts';
import { noLinks } from '../translation/published-links.ts';
import type { BackendFailure } from '../tunnels/backend-health.ts';
import type { TunnelRegistry } from '../tunnels/registry.ts';
import type { Tunnel } from '../tunnels/tunnel.ts';
import type { Backends } from './backends.ts';
import { Exchange, type ResponseSink } from './exchange.ts';
import type { EdgeError } from './failure.ts';
import { Load } from './loads.ts';
import type { Claim } from './protection.ts';

export interface HealthProberOptions {
  readonly registry: TunnelRegistry;
  readonly backends: Pick<Backends, 'connectThrough'>;
  readonly nextRequestId: () => string;
  readonly random: () => number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** A backend was found unhealthy, or healthy again. */
  readonly onChange: (change: HealthChange) => void;
  /** What a request to the application comes to now; null: to an answer, whatever it is. */
  readonly onOutcome: (applicationId: string, failure: BackendFailure | null) => void;
}

export interface HealthChange {
  readonly applicationId: string;
  readonly connectorId: string;
  readonly origin: string;
  /** Null: it is healthy. */
  readonly failure: BackendFailure | null;
}

const tickMs = 250;
/** About a minute. */
const ticksToForget = 240;
/** Probes that are under way at a time, whatever the number of applications. */
const maxRunning = 256;
/** More of an answer tells nothing about health. */
const maxBytes = 256 * 1024;
/** Of a failure's detail, which backends and connectors choose in part. */
const maxDetailLength = 200;
/** An answer, though not one of health. */
const unexpectedStatus = 'unexpected_status';

/** A backend as it is probed. */
interface ProbedBackend extends BackendAddress {
  readonly origin: string;
}

/** What is probed for one published internal URL. */
interface Watched {
  readonly route: Route;
  readonly probe: HealthProbe;
  readonly backends: readonly ProbedBackend[];
  readonly head: Buffer;
  nextAt: number;
}

/** What probes have found out about a backend through one connector. */
interface Finding {
  /** In a row; one of the two is 0. */
  failures: number;
  successes: number;
  /** Null until one of the two has come to its threshold. */
  isHealthy: boolean | null;
  /** Something came back, healthy or not. */
  isAnswered: boolean;
  since: number;
  last: { readonly failure: BackendFailure; readonly at: number } | null;
  isRunning: boolean;
}

interface DueProbe {
  readonly watched: Watched;
  readonly backend: ProbedBackend;
  readonly tunnel: Tunnel;
  readonly finding: Finding;
}

/**
 * Asks every backend of the applications that want it through every connector of their group, on the way that people's
 * requests take: over the tunnel, by what the connector dials, with the exchange that carries everything else. What it
 * finds goes into the same health that chooses backends and connectors.
 */
export class HealthProber {
  readonly #options: HealthProberOptions;
  /** By what connectors know the backend of the route by. */
  #watched = new Map<string, Watched>();
  /** By connector and pool. */
  readonly #findings = new Map<string, Finding>();
  readonly #due: DueProbe[] = [];
  readonly #running = new Set<RunningProbe>();
  readonly #open = new Set<Exchange>();
  #timer: NodeJS.Timeout | null = null;
  #ticks = 0;

  constructor(options: HealthProberOptions) {
    this.#options = options;
  }

  /** @param routes To every published internal URL whose application wants probes. */
  update(routes: Iterable<Route>): void {
    const all = new Map<string, Watched>();
    for (const route of routes) {
      const { healthProbe } = route.application;
      if (healthProbe === undefined) continue;
      const known = this.#watched.get(route.backendId);
      const isSame = known?.route.application === route.application;
      all.set(route.backendId, isSame ? known : this.#watch(route, healthProbe));
    }
    this.#watched = all;
    this.#forgetOthers();
    if (all.size > 0) this.#timer ??= setInterval(() => this.#tick(), tickMs);
    else this.#stopTimer();
  }

  /** What is known of the backends of some routes, through every connector that has a tunnel here. */
  report(routes: Iterable<Route>): BackendReport[] {
    const { registry, now } = this.#options;
    const reports: BackendReport[] = [];
    const toEpoch = (at: number) => Math.round(Date.now() - (now() - at));
    for (const route of routes) {
      for (const backend of backendsOf(route)) {
        for (const { connectorId } of registry.tunnelsTo(route.application.connectorGroupId, backend)) {
          if (reports.length === maxBackendReports) return reports;
          reports.push(this.#reportOf(backend, connectorId, toEpoch));
        }
      }
    }
    return reports;
  }

  stop(): void {
    this.#stopTimer();
    this.#due.length = 0;
    for (const probe of this.#running) probe.cancel();
  }

  #reportOf(backend: ProbedBackend, connectorId: string, toEpoch: (at: number) => number): BackendReport {
    const ailment = this.#options.registry.health.find(connectorId, backend.pool);
    const finding = this.#findings.get(keyOf(connectorId, backend.pool));
    const isHealthy = ailment === null ? finding?.isHealthy === true : false;
    const since = ailment === null ? (finding?.since ?? 0) : ailment.since;
    const last = ailment?.failure ? { failure: ailment.failure, at: ailment.at } : (finding?.last ?? null);
    return {
      origin: backend.origin,
      connectorId,
      state: isHealthy ? 'healthy' : ailment === null ? 'unknown' : 'unhealthy',
      since: isHealthy || ailment !== null ? toEpoch(since) : null,
      lastFailure:
        last === null
          ? null
          : {
              code: last.failure.code,
              hop: last.failure.hop,
              detail: last.failure.detail.slice(0, maxDetailLength),
              at: toEpoch(last.at),
            },
    };
  }

  #watch(route: Route, probe: HealthProbe): Watched {
    const { now, random } = this.#options;
    const { application } = route;
    // Probes have a limit of their own, and nobody reads their content.
    const plain: Route = { ...route, application: { ...application, backendTimeoutMs: 0 } };
    return {
      route: { ...plain, bodyLinks: null, keepsClients: false, backends: null },
      probe,
      backends: backendsOf(route),
      head: headOf(route, probe),
      nextAt: now() + random() * probe.intervalSeconds * 1_000,
    };
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** What is not probed any more, or through a connector that has gone, is not held against anybody. */
  #forgetOthers(): void {
    const pools = new Set<string>();
    for (const { backends } of this.#watched.values()) for (const { pool } of backends) pools.add(pool);
    for (const key of this.#findings.keys()) {
      const [connectorId, pool] = splitKey(key);
      if (pools.has(pool) && this.#options.registry.countOf(connectorId) > 0) continue;
      this.#findings.delete(key);
      this.#options.registry.health.unmark(connectorId, pool);
    }
  }

  #tick(): void {
    const now = this.#options.now();
    for (const watched of this.#watched.values()) {
      if (now < watched.nextAt) continue;
      const intervalMs = watched.probe.intervalSeconds * 1_000;
      // Each keeps the moment of the interval that it was given at random: they stay as spread as they began, also after
      // this process stood still.
      watched.nextAt += intervalMs * Math.ceil((now - watched.nextAt + 1) / intervalMs);
      this.#enqueue(watched);
    }
    for (const probe of [...this.#running]) probe.checkDeadline(now);
    this.#ticks += 1;
    if (this.#ticks % ticksToForget === 0) this.#forgetOthers();
    this.#startDue();
  }

  #enqueue(watched: Watched): void {
    const groupId = watched.route.application.connectorGroupId;
    for (const backend of watched.backends) {
      for (const tunnel of this.#options.registry.tunnelsTo(groupId, backend)) {
        const finding = this.#findingOf(tunnel.connectorId, backend.pool);
        if (finding.isRunning) continue;
        finding.isRunning = true;
        this.#due.push({ watched, backend, tunnel, finding });
      }
    }
  }

  #findingOf(connectorId: string, pool: string): Finding {
    const key = keyOf(connectorId, pool);
    let finding = this.#findings.get(key);
    if (finding === undefined) {
      finding = {
        failures: 0,
        successes: 0,
        isHealthy: null,
        isAnswered: false,
        since: 0,
        last: null,
        isRunning: false,
      };
      this.#findings.set(key, finding);
    }
    return finding;
  }

  #startDue(): void {
    while (this.#running.size < maxRunning) {
      const due = this.#due.shift();
      if (due === undefined) return;
      this.#start(due);
    }
  }

  #start({ watched, backend, tunnel, finding }: DueProbe): void {
    const { backends, nextRequestId, now } = this.#options;
    if (!tunnel.isOpen || !tunnel.serves(backend.backendId, backend.backendKey)) {
      finding.isRunning = false;
      return;
    }
    const probe = new RunningProbe(watched.probe, now(), outcome => {
      this.#running.delete(probe);
      finding.isRunning = false;
      if (outcome !== 'cancelled') this.#conclude(watched, backend, tunnel.connectorId, finding, outcome);
      this.#startDue();
    });
    this.#running.add(probe);
    const connector = {
      connect: (exchange: Exchange) => {
        const connection = backends.connectThrough(tunnel, exchange, backend);
        if (connection === null) probe.cancel();
        else exchange.useConnection(connection);
      },
    };
    probe.follow(
      new Exchange(
        { connector, open: this.#open, maxRetryBodyBytes: 0, maxAttempts: 1, now, onEnd: () => undefined },
        {
          route: watched.route,
          session: null,
          method: 'GET',
          requestId: nextRequestId(),
          clientAddress: '',
          claim: noClaim,
          links: noLinks,
          head: watched.head,
          hasBody: false,
          isUpgrade: false,
          isPersonalPage: false,
          cors: null,
          authenticatesConnection: false,
          pins: null,
          startedAt: now(),
          timing: null,
          sink: probe,
        },
      ),
    );
  }

  #conclude(
    watched: Watched,
    { pool, origin }: ProbedBackend,
    connectorId: string,
    finding: Finding,
    failure: BackendFailure | null,
  ): void {
    const { probe, route } = watched;
    const now = this.#options.now();
    const { onChange, onOutcome, registry } = this.#options;
    const { health } = registry;
    const applicationId = route.application.id;
    finding.failures = failure === null ? 0 : finding.failures + 1;
    finding.successes = failure === null ? finding.successes + 1 : 0;
    if (failure !== null) finding.last = { failure, at: now };
    // The first word is believed at once: until then nothing is known.
    const isEnough =
      failure === null
        ? finding.isHealthy === null || finding.successes >= probe.healthyAfter
        : finding.failures >= probe.unhealthyAfter;
    // What a probe was sent for may be unpublished by now.
    if (!isEnough || this.#findings.get(keyOf(connectorId, pool)) !== finding) return;
    if (failure !== null) health.mark(connectorId, pool, failure);
    else if (finding.isHealthy !== true) health.unmark(connectorId, pool);
    const isHealthy = failure === null;
    const before = finding.isHealthy;
    if (before !== isHealthy) {
      finding.isHealthy = isHealthy;
      finding.since = now;
      const isGoodFirst = before === null && isHealthy;
      if (!isGoodFirst) onChange({ applicationId, connectorId, origin, failure });
    }
    finding.isAnswered = isHealthy || failure.code === unexpectedStatus;
    if (finding.isAnswered) onOutcome(applicationId, null);
    else if (!this.#isAnswered(watched)) onOutcome(applicationId, failure);
  }

  /** By any backend through any connector. */
  #isAnswered({ route, backends }: Watched): boolean {
    const groupId = route.application.connectorGroupId;
    return backends.some(backend => {
      const { pool } = backend;
      const tunnels = [...this.#options.registry.tunnelsTo(groupId, backend)];
      return tunnels.some(({ connectorId }) => this.#findings.get(keyOf(connectorId, pool))?.isAnswered);
    });
  }
}

/** One probe that is under way: the client's side of its exchange. */
class RunningProbe implements ResponseSink {
  readonly isWritable = true;
  readonly #probe: HealthProbe;
  readonly #deadline: number;
  readonly #onEnd: (outcome: BackendFailure | null | 'cancelled') => void;
  #exchange: Exchange | null = null;
  #status = 0;
  #bytes = 0;
  #isOver = false;

  constructor(
    probe: HealthProbe,
    startedAt: number,
    onEnd: (outcome: BackendFailure | null | 'cancelled') => void,
  ) {
    this.#probe = probe;
    this.#deadline = startedAt + probe.timeoutSeconds * 1_000;
    this.#onEnd = onEnd;
  }

  follow(exchange: Exchange): void {
    this.#exchange = exchange;
    exchange.start();
  }

  cancel(): void {
    this.#end('cancelled');
  }

  checkDeadline(now: number): void {
    // With the head of an answer all is said; content may take longer.
    if (now < this.#deadline) return;
    if (this.#status > 0) return this.#end(this.#judge());
    const detail = `nothing came within ${this.#probe.timeoutSeconds} s`;
    this.#end({ code: 'no_answer_in_time', hop: 'backend', detail });
  }

  onResponse({ status }: MessageHead): void {
    this.#status = status;
  }

  onResponseBody(_bytes: Buffer, start: number, end: number): void {
    this.#bytes += end - start;
    if (this.#bytes > maxBytes) this.#end(this.#judge());
  }

  onResponseEnd(): void {
    this.#end(this.#judge());
  }

  onFailure({ code, hop, detail }: EdgeError): void {
    this.#end({ code, hop, detail });
  }

  onAbort(error: EdgeError): void {
    this.onFailure(error);
  }

  onRevoked(): void {
    this.#end('cancelled');
  }

  onUpgraded(): void {
    this.#end('cancelled');
  }

  onInformational(): void {}
  onRequestDrain(): void {}
  flush(): void {}

  #judge(): BackendFailure | null {
    const status = this.#status;
    const isExpected = this.#probe.expectedStatuses.some(
      range => status >= Number(range.slice(0, 3)) && status <= Number(range.slice(-3)),
    );
    if (isExpected) return null;
    return { code: unexpectedStatus, hop: 'backend', detail: `it answered ${status}` };
  }

  #end(outcome: BackendFailure | null | 'cancelled'): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // Not from within its own callback, where it goes on with what it was doing.
    if (this.#exchange !== null && !this.#exchange.isEnded) setImmediate(() => this.#exchange?.abort());
    this.#onEnd(outcome);
  }
}

/** Probes use nothing of anybody's limits. */
const noClaim: Claim = { client: new Load(), application: null, ofApplication: null };

function backendsOf(route: Route): ProbedBackend[] {
  if (route.backends !== null) return [...route.backends.all];
  const { internalOrigin: origin, backendId, backendKey, dialHost, pool } = route;
  return [{ origin, backendId, backendKey, dialHost, pool }];
}

function headOf(route: Route, { path }: HealthProbe): Buffer {
  const publicHost = new URL(route.externalOrigin).host;
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${route.hostField ?? publicHost}`,
    'User-Agent: Postern-Health-Probe',
    'Accept: */*',
    `X-Forwarded-Host: ${publicHost}`,
    'X-Forwarded-Proto: https',
    // An internal URL that leads back to the service is not healthy.
    `CDN-Loop: postern; r=${route.loopTag}`,
    ...(route.speaksHttp2 ? [] : ['Connection: close']),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

function keyOf(connectorId: string, pool: string): string {
  return `${connectorId} ${pool}`;
}

function splitKey(key: string): [connectorId: string, pool: string] {
  const space = key.indexOf(' ');
  return [key.slice(0, space), key.slice(space + 1)];
}
