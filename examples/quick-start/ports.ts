import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { QuickStartError } from './failure.ts';
import { type Running, unexpectedEnd } from './processes.ts';

/** Whether a program could listen there now. */
export async function canListen(host: string, port: number): Promise<boolean> {
  const server = createServer();
  return new Promise(resolve => {
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** The port that a program says on the first line of its output. */
export async function portOf(running: Running, limitMs: number): Promise<number> {
  const said = async () => {
    for (const deadline = performance.now() + limitMs; performance.now() < deadline; await delay(50)) {
      const line = /^(\d+)\n/.exec(readFileSync(running.logFile, 'utf8'));
      if (line) return Number(line[1]);
    }
    throw new QuickStartError(
      `${running.name} did not start within ${limitMs / 1000} s: look into ${running.logFile}.`,
    );
  };
  return Promise.race([said(), unexpectedEnd(running)]);
}
