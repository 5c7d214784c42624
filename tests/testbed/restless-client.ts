/**
 * Asks for a page again and again, each time over a new connection, and says what came of it: a line for each answer, its
 * status, and one for each failure. Ends with its standard input.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

/** A restless client in a network namespace, and what it has seen so far. */
export class RestlessClient {
  answered = 0;
  readonly failures: string[] = [];
  readonly #child: ChildProcess;
  #wake: () => void = () => {};

  readonly #answer: RegExp;

  /**
   * @param address Where the URL's host is.
   * @param options `answer`: status and body that count as an answer; by default any but an error of the service.
   */
  constructor(
    namespace: string,
    url: string,
    address: string,
    { caFile = '', answer = /^[1-4]\d\d / }: { readonly caFile?: string; readonly answer?: RegExp } = {},
  ) {
    this.#answer = answer;
    const command = [process.execPath, import.meta.filename, url, address, caFile];
    this.#child = spawn('ip', ['netns', 'exec', namespace, ...command], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let unfinished = '';
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (unfinished + text).split('\n');
      unfinished = lines.pop() ?? '';
      for (const line of lines) this.#note(line);
      this.#wake();
    });
  }

  /** Resolves when so many more requests have been answered, or one has failed. */
  async untilAnswered(more: number): Promise<void> {
    const wanted = this.answered + more;
    while (this.answered < wanted && this.failures.length === 0) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  /** Stops asking. @returns the failures. */
  async end(): Promise<readonly string[]> {
    if (this.#child.exitCode !== null) return this.failures;
    const closed = once(this.#child, 'close');
    this.#child.stdin?.end();
    await closed;
    return this.failures;
  }

  #note(line: string): void {
    if (this.#answer.test(line)) this.answered += 1;
    else this.failures.push(line);
  }
}

/** Longer than a restart; a connection that is neither refused nor answered for so long is lost. */
const answerLimitMs = 60_000;
const pauseMs = 20;

function ask(url: URL, address: string, ca: string | undefined): Promise<string> {
  const isSecure = url.protocol === 'https:';
  const { promise, resolve } = Promise.withResolvers<string>();
  const request = (isSecure ? https : http).get(
    {
      host: address,
      port: url.port || (isSecure ? 443 : 80),
      path: url.pathname,
      headers: { host: url.host },
      ...(isSecure && { servername: url.hostname, ca }),
      agent: false,
      signal: AbortSignal.timeout(answerLimitMs),
    },
    answer => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      answer.once('end', () => resolve(`${answer.statusCode} ${body.slice(0, 200).replaceAll(/\s+/g, ' ')}`));
      answer.once('error', error => resolve(`broken off: ${error.message}`));
    },
  );
  request.once('error', error => resolve(`no answer: ${error.message}`));
  return promise;
}

async function main([url = '', address = '', caFile = '']: readonly string[]): Promise<void> {
  const ca = caFile === '' ? undefined : readFileSync(caFile, 'utf8');
  let isOver = false;
  process.stdin.resume().once('end', () => {
    isOver = true;
  });
  while (!isOver) {
    process.stdout.write(`${await ask(new URL(url), address, ca)}\n`);
    await new Promise(resolve => setTimeout(resolve, pauseMs));
  }
}

if (import.meta.main) await main(process.argv.slice(2));
