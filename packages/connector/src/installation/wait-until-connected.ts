import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectorStatus, readConnectorStatus } from '../status.ts';

const pollMs = 100;

/**
 * Waits for a connector that has just been started to have a tunnel.
 *
 * @param startedAfter Milliseconds since the epoch; what a process before it wrote does not count.
 * @returns its status then, or after `timeoutMs` whatever it is.
 */
export async function waitUntilConnected(
  dataDir: string,
  startedAfter: number,
  timeoutMs: number,
): Promise<ConnectorStatus> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const status = await readConnectorStatus({ dataDir });
    const isSettled = status.state === 'connected' || status.state === 'refused';
    if ((isSettled && status.startedAt >= startedAfter) || performance.now() > deadline) return status;
    await delay(pollMs);
  }
}
