import { type RunOptions, runConnector } from '@postern/connector/run';
import { type ConnectorStatus, readConnectorStatus } from '@postern/connector/status';

export interface LogLine {
  readonly event: string;
  readonly id: number;
  readonly message: string;
  readonly level: string;
  readonly [field: string]: unknown;
}

/** A connector that runs in this process, with its log. */
export class RunningConnector implements AsyncDisposable {
  readonly lines: LogLine[] = [];
  readonly dataDir: string;
  readonly ended: Promise<void>;
  readonly #stop = new AbortController();
  #changed = Promise.withResolvers<void>();

  constructor(dataDir: string, options: Partial<RunOptions> = {}) {
    this.dataDir = dataDir;
    this.ended = runConnector({
      dataDir,
      tunnelCount: 1,
      drainMs: 100,
      logLevel: 'debug',
      environment: {},
      signal: this.#stop.signal,
      writeLog: line => {
        this.lines.push(JSON.parse(line));
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      },
      ...options,
    });
    this.ended.catch(() => {});
  }

  /** Waits for a line with this event, after the first `skip` of them. */
  async logged(event: string, skip = 0): Promise<LogLine> {
    for (;;) {
      const line = this.lines.filter(one => one.event === event)[skip];
      if (line) return line;
      await this.#changed.promise;
    }
  }

  /** Waits until the status file says so. */
  async status(fits: (status: ConnectorStatus) => boolean): Promise<ConnectorStatus> {
    for (;;) {
      const status = await readConnectorStatus({ dataDir: this.dataDir });
      if (fits(status)) return status;
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  }

  /** As SIGTERM does; resolves when it has drained. */
  stop(): Promise<void> {
    this.#stop.abort();
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.ended.catch(() => {});
  }
}
