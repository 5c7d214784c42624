import { readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text as readAll } from 'node:stream/consumers';
import { OperateError } from './operate-error.ts';

/** The operator's side of a command: results on standard output, everything else on standard error. */
export interface Terminal {
  /** Whether somebody is there to answer. */
  readonly isInteractive: boolean;
  /** Writes a line of the result. */
  print(line: string): void;
  /** Writes a line that is not part of the result. */
  note(line: string): void;
  /** Asks; an empty answer takes the default. */
  ask(question: string, byDefault: string): Promise<string>;
  /** Asks without showing what is typed. */
  askSecret(question: string): Promise<string>;
  /** Everything on standard input. */
  readInput(): Promise<string>;
}

/** The terminal of this process. */
export const processTerminal: Terminal = {
  isInteractive: process.stdin.isTTY === true && process.stderr.isTTY === true,
  print: line => void process.stdout.write(`${line}\n`),
  note: line => void process.stderr.write(`${line}\n`),
  async ask(question, byDefault) {
    using reader = createInterface({ input: process.stdin, output: process.stderr });
    const shown = byDefault === '' ? question : `${question} [${byDefault}]`;
    return (await askOn(reader, `${shown}: `)).trim() || byDefault;
  },
  async askSecret(question) {
    process.stderr.write(`${question}: `);
    // Readline echoes through its output; one that swallows everything keeps editing and hides the letters.
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    using reader = createInterface({ input: process.stdin, output: nowhere, terminal: true });
    const answer = await askOn(reader, '');
    process.stderr.write('\n');
    return answer;
  },
  readInput: () => readAll(process.stdin),
};

/** @throws OperateError `failed` when the person presses Ctrl-C, which readline says in words of its own. */
async function askOn(reader: Interface, question: string): Promise<string> {
  try {
    return await reader.question(question);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ABORT_ERR') throw error;
    process.stderr.write('\n');
    throw new OperateError('failed', 'Cancelled.', { cause: error });
  }
}

/** Shortest passphrase of a backup, in characters. */
const minPassphraseLength = 12;

/**
 * Reads a passphrase from a file, from the terminal without echo, or from standard input; its last line end is dropped.
 *
 * @param confirm Ask for it twice, where it will be needed again later.
 * @throws OperateError `usage` where it is too short or the two differ.
 */
export async function readPassphrase(
  terminal: Terminal,
  file: string | undefined,
  { confirm }: { readonly confirm: boolean },
): Promise<string> {
  const passphrase = await readRawPassphrase(terminal, file, confirm);
  if (passphrase.length >= minPassphraseLength) return passphrase;
  throw new OperateError('usage', `The passphrase has ${passphrase.length} characters.`, {
    remedy: `Use at least ${minPassphraseLength}; a few random words are easy to keep.`,
  });
}

async function readRawPassphrase(
  terminal: Terminal,
  file: string | undefined,
  confirm: boolean,
): Promise<string> {
  if (file !== undefined) return readPassphraseFile(file);
  if (!terminal.isInteractive) return (await terminal.readInput()).replace(/\r?\n$/, '');
  const first = await terminal.askSecret('Passphrase');
  if (!confirm || (await terminal.askSecret('The same passphrase again')) === first) return first;
  throw new OperateError('usage', 'The two passphrases differ.', { remedy: 'Run the command again.' });
}

function readPassphraseFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new OperateError('usage', `The passphrase file ${file} cannot be read.`, {
      remedy: 'Name a readable file with --passphrase-file.',
      cause,
    });
  }
}
