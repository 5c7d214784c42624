import http from 'node:http';
import type { Logger } from 'pino';

export interface PrivateListenerOptions {
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** What is wrong, in words; empty where all is well. */
  readonly health: () => readonly string[];
  readonly log: Logger;
}

/** Metrics and health, for the machine's own monitoring. Never on a public address (threat B10). */
export class PrivateListener {
  readonly #servers: http.Server[] = [];
  readonly #options: PrivateListenerOptions;

  constructor(options: PrivateListenerOptions) {
    this.#options = options;
  }

  async listen(target: { host: string; port: number } | { fd: number }): Promise<void> {
    const server = http.createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen('fd' in target ? target : { ...target, ipv6Only: target.host === '::' }, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
    this.#servers.push(server);
  }

  stop(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    try {
      if (request.url === '/metrics') {
        const { contentType, text } = await this.#options.metrics();
        response.writeHead(200, { 'content-type': contentType }).end(text);
        return;
      }
      if (request.url === '/health') {
        const problems = this.#options.health();
        const status = problems.length === 0 ? 200 : 503;
        const body = JSON.stringify({ status: problems.length === 0 ? 'ok' : 'not ready', problems });
        response.writeHead(status, { 'content-type': 'application/json' }).end(`${body}\n`);
        return;
      }
      response.writeHead(404).end();
    } catch (error) {
      this.#options.log.error({ error: error instanceof Error ? error.message : error }, 'private listener');
      response.writeHead(500).end();
    }
  }
}
