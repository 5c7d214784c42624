import { readFileSync } from 'node:fs';
import { type DoctorReport, doctorReport } from '@postern/protocol/doctor';
import { Agent, request } from 'undici';
import { z } from 'zod';
import { internalHost } from '../control-server.ts';

/** Where the control process tells what the doctor asks; only those who can open its socket get there. */
export const doctorPath = '/doctor';

/** What a running service says of itself. */
export const runningServiceShape = z.object({
  version: z.string(),
  /** Of the relay, which is the service's main process. */
  processId: z.number(),
  connectors: z.array(z.object({ id: z.string(), machineName: z.string(), externalIp: z.string() })),
});
export type RunningService = z.infer<typeof runningServiceShape> & {
  /** By the kernel, in milliseconds since the epoch; null where it does not tell. */
  readonly startedAt: number | null;
};

const answerLimitMs = 3_000;
/** Longer than the control process waits for a connector. */
const examinationLimitMs = 40_000;

/** Asks the control process who it is; rejects where nobody answers. */
export async function findRunningService(socketPath: string): Promise<RunningService> {
  const said = runningServiceShape.parse(await ask(socketPath, 'GET', doctorPath, answerLimitMs));
  return { ...said, startedAt: startOf(said.processId) };
}

/** Lets a connector look at itself; null where that brings no report. */
export async function examineConnector(
  socketPath: string,
  connectorId: string,
  signal: AbortSignal,
): Promise<DoctorReport | null> {
  const path = `${doctorPath}/connectors/${encodeURIComponent(connectorId)}`;
  return doctorReport.nullable().parse(await ask(socketPath, 'POST', path, examinationLimitMs, signal));
}

async function ask(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  limitMs: number,
  signal?: AbortSignal,
): Promise<unknown> {
  const agent = new Agent({ connect: { socketPath } });
  const timeout = AbortSignal.timeout(limitMs);
  try {
    const { statusCode, body } = await request(`http://${internalHost}${path}`, {
      method,
      dispatcher: agent,
      headersTimeout: limitMs,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`the control process answers with status ${statusCode}`);
    return JSON.parse(text);
  } finally {
    await agent.destroy();
  }
}

/** By proc(5): field 22 of stat is the start in ticks (100 a second) since the machine's own. */
function startOf(processId: number): number | null {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, 'utf8');
    const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    const uptimeMs = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1_000;
    return Date.now() - (uptimeMs - ticks * 10);
  } catch {
    return null;
  }
}
