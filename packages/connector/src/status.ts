import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoreName } from './identity/certificate-store.ts';
import { loadIdentity } from './identity/identity.ts';

/** What `postern connector status` shows. Times are milliseconds since the epoch. */
export interface ConnectorStatus {
  /** Whether the process that wrote this still exists. */
  readonly isRunning: boolean;
  readonly state: 'connecting' | 'connected' | 'refused' | 'expired' | 'draining' | 'stopped';
  readonly connectorId: string;
  readonly machineName: string;
  readonly version: string;
  /** `connect.<domain>:<port>`. */
  readonly connect: string;
  readonly certificate: {
    readonly thumbprint: string;
    readonly store: StoreName;
    readonly notBefore: number;
    readonly notAfter: number;
  };
  readonly tunnels: readonly {
    readonly nodeId: string;
    /** Address and port on the other side. */
    readonly address: string;
    readonly since: number;
    /** By the last ping; null before the first answer. */
    readonly roundTripMs: number | null;
    readonly unansweredPings: number;
  }[];
  /** Applications whose backends the service has configured. */
  readonly applicationCount: number;
  readonly lastError: StatusError | null;
  readonly processId: number;
  readonly startedAt: number;
  readonly updatedAt: number;
}

export interface StatusError {
  readonly at: number;
  /** Code of a TunnelError; for `refused` the reason follows, as in `refused/expired`. */
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** What the connector itself keeps up to date. */
export type OwnStatus = Omit<ConnectorStatus, 'isRunning' | 'updatedAt'>;

/** As it stands in the file. */
interface WrittenStatus extends Omit<ConnectorStatus, 'isRunning'> {
  /** Of the process that wrote it: see {@link processMark}. */
  readonly processMark: string | null;
}

function statusFile(dataDir: string): string {
  return join(dataDir, 'run', 'status.json');
}

/** Writes the status file, one write at a time; of several changes meanwhile only the last is written. */
export class StatusFile {
  readonly #file: string;
  readonly #processMark: string | null;
  #next: OwnStatus | null = null;
  #writing: Promise<void> | null = null;

  private constructor(file: string, mark: string | null) {
    this.#file = file;
    this.#processMark = mark;
  }

  static async create(dataDir: string): Promise<StatusFile> {
    await mkdir(join(dataDir, 'run'), { recursive: true, mode: 0o700 });
    return new StatusFile(statusFile(dataDir), await processMark(process.pid));
  }

  /** Resolves when this status, or a later one, is in the file; a full disk is no reason to stop, and is ignored. */
  write(status: OwnStatus): Promise<void> {
    this.#next = status;
    this.#writing ??= this.#writeAll();
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#next !== null) {
      const status: WrittenStatus = {
        ...this.#next,
        updatedAt: Date.now(),
        processMark: this.#processMark,
      };
      this.#next = null;
      await this.#replace(`${JSON.stringify(status, null, 2)}\n`).catch(() => {});
    }
    this.#writing = null;
  }

  async #replace(text: string): Promise<void> {
    await writeFile(`${this.#file}.new`, text, { mode: 0o600 });
    await rename(`${this.#file}.new`, this.#file);
  }
}

/**
 * Reads the status of the connector of a data folder, whether it runs or not.
 *
 * @throws IdentityError `not_registered` and its other codes, if it has never run and cannot.
 */
export async function readConnectorStatus(options: { readonly dataDir: string }): Promise<ConnectorStatus> {
  const inFile = await readWritten(options.dataDir);
  if (inFile === null) return describeStopped(options.dataDir);
  const { processMark: mark, ...written } = inFile;
  const isRunning = written.state !== 'stopped' && (await isAlive(written.processId, mark));
  if (isRunning) return { ...written, isRunning };
  const stopped = { ...written, isRunning, state: 'stopped', tunnels: [] } as const;
  const registered = await describeStopped(options.dataDir).catch(() => null);
  if (registered === null || !isRegisteredSince(written, registered)) return stopped;
  const { connectorId, machineName, connect, certificate } = registered;
  return { ...stopped, connectorId, machineName, connect, certificate, lastError: null };
}

/** Whether the files have another identity than the connector had when it ran; it may have used an older certificate. */
function isRegisteredSince(ran: OwnStatus, { connectorId, certificate }: OwnStatus): boolean {
  return connectorId !== ran.connectorId || certificate.notBefore > ran.certificate.notBefore;
}

async function readWritten(dataDir: string): Promise<WrittenStatus | null> {
  try {
    return JSON.parse(await readFile(statusFile(dataDir), 'utf8')) as WrittenStatus;
  } catch {
    return null;
  }
}

async function describeStopped(dataDir: string): Promise<ConnectorStatus> {
  const { service, pairs } = await loadIdentity(dataDir, Date.now());
  const { thumbprint, store, notBefore, notAfter } = pairs[0]!;
  return {
    isRunning: false,
    state: 'stopped',
    connectorId: service.connectorId,
    machineName: service.machineName,
    version: '',
    connect: `${service.connectHost}:${service.connectPort}`,
    certificate: { thumbprint, store, notBefore, notAfter },
    tunnels: [],
    applicationCount: 0,
    lastError: null,
    processId: 0,
    startedAt: 0,
    updatedAt: 0,
  };
}

async function isAlive(processId: number, mark: string | null): Promise<boolean> {
  try {
    process.kill(processId, 0);
  } catch (error) {
    // It exists and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const found = await processMark(processId);
  return mark === null || found === null || found === mark;
}

/**
 * What another process with the same number, which is given again, does not have: when it began, in the kernel's own count
 * since the start of the machine, which no change of the clock touches. Null where the machine does not tell.
 */
async function processMark(processId: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${processId}/stat`, 'utf8');
    // The name, in parentheses, may hold anything; the beginning is the twentieth field after it (proc_pid_stat(5)).
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
