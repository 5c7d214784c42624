import { outboundFrom } from '@postern/outbound/outbound';
import type { DoctorReport } from '@postern/protocol/doctor';
import { tuneGarbageCollection } from '@postern/protocol/garbage-collection';
import type { BackendConfiguration } from '@postern/protocol/tunnel/messages';
import { WindowBudget } from '@postern/protocol/yamux/window-budget';
import { AllowList } from './allow-list.ts';
import { BackendsFile } from './backends-file.ts';
import type { EventName } from './events/catalogue.ts';
import { type ConnectorLogs, openLogs } from './events/connector-logs.ts';
import { ExpiryWarnings } from './events/expiry-warnings.ts';
import type { Log, LogLevel } from './events/log.ts';
import { remedyFor } from './events/remedies.ts';
import type { CertificatePair } from './identity/certificate-store.ts';
import { type Identity, loadIdentity } from './identity/identity.ts';
import { TrustLifecycle, type TrustTiming } from './identity/trust-lifecycle.ts';
import { readLocalSettings } from './local-settings.ts';
import type { OpenOutcome } from './serve-stream.ts';
import { type OwnStatus, StatusFile } from './status.ts';
import type { TunnelClient, TunnelClientOptions, TunnelError } from './tunnel-client.ts';
import { TunnelKeeper, type TunnelKeeperHooks } from './tunnel-keeper.ts';
import { connectorVersion, describeOs } from './version.ts';

export interface RunOptions {
  /** Folder of a registered connector. */
  readonly dataDir: string;
  /** Entries of the allow-list (see AllowList), beside those of `Config/connector.json`. */
  readonly allow?: readonly string[];
  /** Default `info`. */
  readonly logLevel?: LogLevel;
  /** Where the log goes, a JSON document per line. Default: the standard error stream. */
  readonly writeLog?: (line: string) => void;
  /** Keep a session log, a line for each request; so does `sessionLog` in `Config/connector.json`. Default: none. */
  readonly sessionLog?: boolean;
  /** Tunnels to keep. Default 2. */
  readonly tunnelCount?: number;
  /** How long name, connection and TLS handshake of a backend may take together. Default 10 000. */
  readonly backendTimeoutMs?: number;
  /** How long streams in flight may take to end when the connector is told to stop. Default 30 000. */
  readonly drainMs?: number;
  /** How often renewal and identity files are looked at; for tests. */
  readonly trustTiming?: TrustTiming;
  /**
   * Aborted: the connector drains and stops. Without it, SIGTERM and SIGINT do that, and a second one ends the connector
   * at once.
   */
  readonly signal?: AbortSignal;
  /** Variables that may name an outbound proxy. Default: those of the process. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs a registered connector until it is told to stop. Whatever happens to the network or the service, it keeps
 * trying; only its own files and options can make it give up, at the start.
 *
 * @throws IdentityError if the folder holds no usable identity, RangeError for an option that cannot be understood.
 */
export async function runConnector(options: RunOptions): Promise<void> {
  tuneGarbageCollection();
  const { dataDir } = options;
  const local = await readLocalSettings(dataDir);
  const reach: Reach = {
    allow: new AllowList([...(options.allow ?? []), ...local.allow]),
    outbound: outboundFrom(local.outbound, options.environment ?? process.env),
    backendOutbound: outboundFrom(local.backends, {}),
  };
  const identity = await loadIdentity(dataDir, Date.now());
  const statusFile = await StatusFile.create(dataDir);
  const logs = openLogs(dataDir, {
    level: options.logLevel ?? 'info',
    write: options.writeLog ?? writeToStandardError,
    hasSessionLog: options.sessionLog ?? local.sessionLog,
  });
  const connector = new RunningConnector(identity, reach, logs, statusFile, options);
  const stop = options.signal ? followSignal(options.signal) : followProcessSignals();
  try {
    await connector.run(stop.gently, stop.atOnce);
  } finally {
    stop.dispose();
    await logs.close();
  }
}

const statusRefreshMs = 5_000;

function writeToStandardError(line: string): void {
  process.stderr.write(line);
}

/** What the connector may connect to, and how. */
type Reach = Pick<TunnelClientOptions, 'allow' | 'outbound' | 'backendOutbound'>;

class RunningConnector {
  #identity: Identity;
  readonly #log: Log;
  readonly #statusFile: StatusFile;
  readonly #backendsFile: BackendsFile;
  readonly #drainMs: number;
  readonly #keeper: TunnelKeeper;
  readonly #expiryWarnings: ExpiryWarnings;
  readonly #trust: TrustLifecycle;
  #status: OwnStatus;
  #examination: Promise<DoctorReport> | null = null;
  /** Of the failure that was logged last, so that a long outage is one line and not thousands. */
  #loggedFailure: string | null = null;

  constructor(
    identity: Identity,
    reach: Reach,
    { log, sessionLog }: ConnectorLogs,
    statusFile: StatusFile,
    options: RunOptions,
  ) {
    const { service, pairs } = identity;
    const { machineName } = service;
    this.#identity = identity;
    this.#log = log;
    this.#statusFile = statusFile;
    this.#backendsFile = new BackendsFile(options.dataDir);
    this.#drainMs = options.drainMs ?? 30_000;
    this.#status = {
      state: 'connecting',
      connectorId: service.connectorId,
      machineName,
      version: connectorVersion,
      connect: `${service.connectHost}:${service.connectPort}`,
      certificate: certificateStatus(pairs[0]!),
      tunnels: [],
      applicationCount: 0,
      lastError: null,
      processId: process.pid,
      startedAt: Date.now(),
    };
    this.#expiryWarnings = new ExpiryWarnings({
      dataDir: options.dataDir,
      log,
      certificate: () => this.#status.certificate,
      // The service decides when it expires, and its clock may be the right one.
      now: () => this.#trust.now(),
    });
    this.#keeper = new TunnelKeeper({
      count: options.tunnelCount ?? 2,
      identity,
      random: Math.random,
      hooks: this.#hooks(),
      tunnel: {
        ...reach,
        version: connectorVersion,
        os: describeOs(),
        windowBudget: new WindowBudget(),
        sessionLog,
        examine: () => this.#examine(options),
        backendTimeoutMs: options.backendTimeoutMs ?? 10_000,
        now: () => performance.now(),
      },
    });
    this.#trust = new TrustLifecycle({
      dataDir: options.dataDir,
      identity,
      keeper: this.#keeper,
      log,
      onIdentity: taken => this.#take(taken),
      ...(options.trustTiming !== undefined && { timing: options.trustTiming }),
    });
  }

  async run(gently: AbortSignal, atOnce: AbortSignal): Promise<void> {
    const { service, fallback, pairs } = this.#identity;
    this.#log({
      event: 'connector_started',
      message: `Connector ${service.connectorId} connects to ${this.#status.connect}.`,
      connectorId: service.connectorId,
      connect: this.#status.connect,
      thumbprint: pairs[0]!.thumbprint,
      version: connectorVersion,
    });
    if (fallback !== null) this.#saysFallback(fallback, pairs[0]!);
    this.#update({});
    // Round trips change without an event.
    const refresh = setInterval(() => this.#update({}), statusRefreshMs);
    await this.#expiryWarnings.start();
    if (!gently.aborted) this.#keeper.start();
    await aborted(gently);
    clearInterval(refresh);
    this.#expiryWarnings.stop();
    this.#trust.stop();
    await this.#stop(atOnce);
  }

  async #stop(atOnce: AbortSignal): Promise<void> {
    this.#update({ state: 'draining' });
    const streams = this.#keeper.streamCount;
    this.#log({
      event: 'connector_draining',
      message: `Stopping: ${streams} streams in flight may take ${this.#drainMs / 1000} s to end.`,
      streams,
    });
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), this.#drainMs);
    await this.#keeper.drain(AbortSignal.any([atOnce, patience.signal]));
    clearTimeout(timer);
    this.#log({ event: 'connector_stopped', message: 'The connector has stopped.' });
    this.#status = { ...this.#status, state: 'stopped', tunnels: [] };
    await this.#statusFile.write(this.#status);
  }

  #hooks(): TunnelKeeperHooks {
    return {
      onConnected: tunnel => this.#connected(tunnel),
      onFailed: (tunnel, error, pauseMs) => this.#failed(tunnel, error, pauseMs),
      onReplaced: tunnel =>
        this.#log({
          event: 'tunnel_going_away',
          message: `Node ${tunnel.nodeId} takes the tunnel to ${tunnel.address} out of use${because(tunnel)}; another one is opened first.`,
          address: tunnel.address,
          nodeId: tunnel.nodeId,
        }),
      onEnded: () => this.#update({}),
      onConfigured: backends => {
        this.#backendsFile.write(backends);
        const applicationCount = countApplications(backends);
        if (applicationCount !== this.#status.applicationCount) this.#update({ applicationCount });
      },
      onStreamOpened: outcome => this.#opened(outcome),
      onAnchors: (tunnel, announced) => this.#trust.announced(tunnel, announced),
      onPairChanged: (pair, refused) => {
        this.#saysFallback(`the service refused the certificate ${refused.thumbprint}`, pair);
        this.#update({ certificate: certificateStatus(pair) });
      },
      onExpired: pair => this.#trust.expired(pair),
    };
  }

  /** Once at a time: who asks meanwhile gets the same report. */
  #examine({ dataDir, environment = process.env }: RunOptions): Promise<DoctorReport> {
    this.#examination ??= examineConnector(dataDir, environment)
      .then(report => {
        this.#examined(report);
        return report;
      })
      .finally(() => {
        this.#examination = null;
      });
    return this.#examination;
  }

  #examined({ exitCode, results }: DoctorReport): void {
    const failed = results.filter(one => one.status === 'failed').map(one => one.id);
    this.#log({
      event: 'doctor_finished',
      message:
        failed.length === 0
          ? 'The doctor has found nothing that fails.'
          : `The doctor has found what fails: ${failed.join(', ')}.`,
      exitCode,
      failed,
    });
  }

  #take(identity: Identity): void {
    const { service, pairs } = identity;
    this.#identity = identity;
    this.#loggedFailure = null;
    this.#update({
      connectorId: service.connectorId,
      machineName: service.machineName,
      connect: `${service.connectHost}:${service.connectPort}`,
      certificate: certificateStatus(pairs[0]!),
      lastError: null,
    });
  }

  #connected(tunnel: TunnelClient): void {
    this.#loggedFailure = null;
    this.#log({
      event: 'tunnel_connected',
      message: `The service accepted the tunnel to ${tunnel.address}.`,
      address: tunnel.address,
      nodeId: tunnel.nodeId,
      thumbprint: tunnel.pair.thumbprint,
    });
    this.#update({ lastError: null });
    this.#trust.connected(tunnel);
    void this.#expiryWarnings.check();
  }

  #failed(tunnel: TunnelClient, error: TunnelError, pauseMs: number): void {
    const { connectHost, connectPort } = this.#identity.service;
    const code = error.refusal === null ? error.code : `${error.code}/${error.refusal}`;
    const remedy = remedyFor(error, connectHost, connectPort);
    const failure = `${code} ${error.message}`;
    const isRepeated = failure === this.#loggedFailure;
    this.#loggedFailure = failure;
    this.#log({
      event: eventOf(tunnel, error),
      ...(isRepeated && { level: 'debug' }),
      message: `${sentenceOf(tunnel, error)}: ${error.message}. ${remedy}`,
      code,
      connect: this.#status.connect,
      thumbprint: tunnel.pair.thumbprint,
      retryInMs: pauseMs,
    });
    this.#update({ lastError: { at: Date.now(), code, message: error.message, remedy } });
    this.#trust.failed(error.serviceTime);
    void this.#expiryWarnings.check();
  }

  #opened({ preamble, answer }: OpenOutcome): void {
    const { applicationId, requestId } = preamble;
    const isOk = answer.code === 'ok';
    const where = answer.detail.address ?? '';
    this.#log({
      event: isOk ? 'backend_connected' : answer.code === 'not_allowed' ? 'dial_refused' : 'backend_failed',
      message: isOk ? `Connected to ${where}.` : (answer.detail.error ?? answer.code),
      applicationId,
      requestId,
      code: answer.code,
      ...answer.detail,
    });
  }

  #saysFallback(why: string, pair: CertificatePair): void {
    this.#log({
      event: 'certificate_fallback',
      message: `Using the certificate ${pair.thumbprint} of the ${pair.store} store, because ${why}.`,
      thumbprint: pair.thumbprint,
      store: pair.store,
    });
  }

  #update(change: Partial<OwnStatus>): void {
    const tunnels = this.#keeper.live.map(({ nodeId, address, since, roundTripMs, unansweredPings }) => ({
      nodeId,
      address,
      since,
      roundTripMs,
      unansweredPings,
    }));
    const lastError = change.lastError === undefined ? this.#status.lastError : change.lastError;
    this.#status = {
      ...this.#status,
      tunnels,
      state: stateOf(this.#status, tunnels.length, lastError),
      ...change,
    };
    void this.#statusFile.write(this.#status);
  }
}

/** Segments and further backends have the id of their application before theirs. */
function countApplications(backends: readonly BackendConfiguration[]): number {
  return new Set(backends.map(({ applicationId }) => applicationId.split(/[/ ]/, 1)[0])).size;
}

// Loaded only when it is asked for: a connector that works has no use for it.
async function examineConnector(
  dataDir: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<DoctorReport> {
  const [{ createContext }, { runDoctor }] = await Promise.all([
    import('./doctor/context.ts'),
    import('./doctor/doctor.ts'),
  ]);
  return runDoctor(await createContext({ dataDir, environment }));
}

function stateOf(status: OwnStatus, live: number, lastError: OwnStatus['lastError']): OwnStatus['state'] {
  if (status.state === 'draining' || status.state === 'stopped') return status.state;
  if (live > 0) return 'connected';
  if (lastError?.code === 'refused/expired') return 'expired';
  return lastError?.code.startsWith('refused') ? 'refused' : 'connecting';
}

function eventOf(tunnel: TunnelClient, error: TunnelError): EventName {
  if (error.code === 'refused') return 'tunnel_refused';
  return tunnel.since > 0 ? 'tunnel_lost' : 'tunnel_failed';
}

function sentenceOf(tunnel: TunnelClient, error: TunnelError): string {
  if (error.code === 'refused') return `The service refused this connector (${error.refusal})`;
  return tunnel.since > 0 ? 'A tunnel was lost' : 'A tunnel could not be opened';
}

function because({ goAwayDetail }: TunnelClient): string {
  return goAwayDetail === '' ? '' : `, because ${goAwayDetail}`;
}

function certificateStatus(pair: CertificatePair): OwnStatus['certificate'] {
  const { thumbprint, store, notBefore, notAfter } = pair;
  return { thumbprint, store, notBefore, notAfter };
}

interface StopSignals {
  readonly gently: AbortSignal;
  readonly atOnce: AbortSignal;
  dispose(): void;
}

function followSignal(gently: AbortSignal): StopSignals {
  return { gently, atOnce: new AbortController().signal, dispose() {} };
}

function followProcessSignals(): StopSignals {
  const gently = new AbortController();
  const atOnce = new AbortController();
  const onSignal = () => (gently.signal.aborted ? atOnce : gently).abort();
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return {
    gently: gently.signal,
    atOnce: atOnce.signal,
    dispose() {
      process.off('SIGTERM', onSignal);
      process.off('SIGINT', onSignal);
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
}
