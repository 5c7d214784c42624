/**
 * The relay: owns the public port and everything on a request's path, with its state in memory. It starts the control
 * process as its child and hears every change from it. `postern serve` is this program.
 */

import path from 'node:path';
import { tuneGarbageCollection } from '@postern/protocol/garbage-collection';
import { listenTargets } from './config/listen-targets.ts';
import { dataPaths } from './config/names.ts';
import type { Config } from './config/schema.ts';
import { ControlProcess } from './feed/control-process.ts';
import { RelayState } from './feed/relay-state.ts';
import { FeedSubscriber } from './feed/subscriber.ts';
import { RelayParts } from './relay-parts.ts';
import { createLogger, type Logger } from './telemetry/logger.ts';

/**
 * Starts the relay and its control process; resolves when the public port accepts connections. SIGTERM and SIGINT drain
 * and end the process; a second signal ends it at once.
 *
 * @param configFile Handed to the control process, which reads it by itself.
 */
export async function startRelay(config: Config, configFile: string): Promise<void> {
  // Small answers are built in pooled buffers; Node's pool of 8 KiB would be renewed every few requests.
  Buffer.poolSize = 256 * 1024;
  tuneGarbageCollection();
  const log = createLogger({ program: 'relay', level: config.log.level });

  // 1. The control process first: it makes what the relay reads, the local certificates included.
  const control = new ControlProcess({ program: controlProgram(), args: [configFile], log });
  await control.ready;

  // 2. What the relay knows, loaded before anybody can ask.
  const state = new RelayState();
  let parts: RelayParts | null = null;
  const feed = new FeedSubscriber({
    socketPath: dataPaths(config).feedSocket,
    state,
    log,
    now: () => performance.now(),
    onChange: () => parts?.applyState(),
    onExamine: async connectorId => (await parts?.examine(connectorId)) ?? null,
    onReportOutcomes: applicationIds => parts?.pathOutcomes(applicationIds) ?? [],
    onTest: async test => (await parts?.testPath(test)) ?? null,
    onReportBackends: applicationId => parts?.backendReports(applicationId) ?? null,
    onConnect: () => {
      for (const tunnel of parts?.tunnelReports() ?? []) feed.send({ type: 'tunnel-up', tunnel });
    },
  });
  await feed.ready;

  // 3. The parts, and their listeners.
  parts = new RelayParts({ config, state, feed, log });
  parts.applyState();
  const relay = parts;
  await relay.listen(listenTargets(config, process.env, process.pid));
  log.info({ domain: config.domain, addresses: config.listen.https }, 'service ready');

  stopOnSignals(async () => {
    // The reverse; the control process stays until the last request that may need it.
    await relay.drain();
    feed.stop();
    await control.stop();
    relay.stop();
  }, log);
}

/** In development the program beside this one; in the packed form likewise. */
function controlProgram(): string {
  return path.join(import.meta.dirname, `control${path.extname(import.meta.filename)}`);
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
