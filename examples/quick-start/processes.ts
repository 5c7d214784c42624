import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { QuickStartError } from './failure.ts';

/** A program that runs for as long as the quick start does. */
export interface Running {
  readonly name: string;
  readonly child: ChildProcess;
  readonly logFile: string;
}

export interface ProgramOptions {
  readonly name: string;
  /** Program and arguments of Node. */
  readonly parameters: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** Gets standard output and standard error. */
  readonly logFile: string;
}

/**
 * Starts a program in a process group of its own: Ctrl-C reaches the quick start alone, which then ends the programs in
 * their order.
 */
export function startProgram({ name, parameters, environment, logFile }: ProgramOptions): Running {
  const log = openSync(logFile, 'w', 0o600);
  try {
    const child = spawn(process.execPath, [...parameters], {
      detached: true,
      stdio: ['ignore', log, log],
      env: environment,
    });
    return { name, child, logFile };
  } finally {
    closeSync(log);
  }
}

/** Rejects when a program ends before it was told to. */
export async function unexpectedEnd({ name, child, logFile }: Running): Promise<never> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  throw new QuickStartError(`${name} has ended: ${lastWords(logFile)} (all of it: ${logFile})`);
}

/** Asks a program to end; kills it when it has not gone after `patienceMs`, or at once where `now` says so. */
export async function endProgram({ child }: Running, patienceMs: number, now: AbortSignal): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  const kill = () => void child.kill('SIGKILL');
  const timer = setTimeout(kill, patienceMs);
  now.addEventListener('abort', kill, { once: true });
  child.kill(now.aborted ? 'SIGKILL' : 'SIGTERM');
  await gone;
  clearTimeout(timer);
  now.removeEventListener('abort', kill);
}

/**
 * Runs a command to its end.
 *
 * @returns What it wrote to standard output.
 * @throws QuickStartError with its last words where it fails.
 */
export async function runCommand(
  parameters: readonly string[],
  environment: NodeJS.ProcessEnv,
  input = '',
): Promise<string> {
  const { code, output, complaint } = await tryCommand(parameters, environment, input);
  if (code === 0) return output;
  throw new QuickStartError(
    complaint.trim() || `${parameters.slice(1, 3).join(' ')} ended with exit code ${code}.`,
  );
}

/** Runs a command to its end, however it ends. */
export async function tryCommand(
  parameters: readonly string[],
  environment: NodeJS.ProcessEnv,
  input = '',
): Promise<{ readonly code: number; readonly output: string; readonly complaint: string }> {
  const child = spawn(process.execPath, [...parameters], {
    env: environment,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  // A command that ends without reading what it gets is told by its exit code.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code: code ?? 1, output, complaint };
}

/** Process ids of the children of a process, as far as the system tells. */
export function childrenOf(processId: number): number[] {
  const list = `/proc/${processId}/task/${processId}/children`;
  const text = existsSync(list) ? readFileSync(list, 'utf8') : askForChildren(processId);
  return text.split(/\s+/).filter(Boolean).map(Number);
}

function askForChildren(processId: number): string {
  try {
    return execFileSync('pgrep', ['-P', String(processId)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

/** The last line for people in a log: plain text, or the message of a JSON line. */
function lastWords(logFile: string): string {
  const lines = readFileSync(logFile, 'utf8').trim().split('\n');
  const plain = lines.filter(line => line !== '' && !line.startsWith('{')).slice(-2);
  return (plain.length > 0 ? plain : lines.slice(-1)).join(' ').trim() || 'it said nothing';
}
