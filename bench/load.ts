import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { cpuSeconds } from './measure.ts';
import type { Workplace } from './programs.ts';

/** Something that answers requests for a host, and the processes that do so. */
export interface Subject {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Processes whose time counts; their descendants count too. */
  readonly pids: readonly number[];
}

export interface LoadOptions {
  readonly connections: number;
  readonly seconds: number;
  /** Fields of each request beside Host. */
  readonly fields: readonly string[];
  readonly path: string;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  /** User and system time of the subject's processes. */
  readonly cpuMicrosecondsPerRequest: number;
  /** Median; of HTTP/2, whose generator knows no median, the mean. */
  readonly latencyMs: number;
}

/** HTTP/1.1 load by wrk, one thread. @throws Error where an answer was not 2xx. */
export async function loadHttp1(
  workplace: Workplace,
  subject: Subject,
  options: LoadOptions,
): Promise<LoadResult> {
  const fields = options.fields.flatMap(field => ['-H', field]);
  const { output, cpu } = await measured(subject, () =>
    runKnowing(
      workplace,
      [subject.host],
      [
        ...[
          'wrk',
          '-t1',
          `-c${options.connections}`,
          `-d${options.seconds}s`,
          '--latency',
          '--timeout',
          '10s',
        ],
        ...fields,
        `https://${subject.host}:${subject.port}${options.path}`,
      ],
    ),
  );
  if (/Non-2xx|Socket errors/.test(output)) throw new Error(`${subject.name}: ${output}`);
  const requests = numberIn(output, /(\d+) requests in/);
  return {
    requestsPerSecond: numberIn(output, /Requests\/sec:\s+([\d.]+)/),
    cpuMicrosecondsPerRequest: (cpu * 1e6) / requests,
    latencyMs: milliseconds(output, /50%\s+([\d.]+)(us|ms|s)/),
  };
}

/** HTTP/2 load by h2load, 8 streams a connection. @throws Error where an answer was not 2xx. */
export async function loadHttp2(
  workplace: Workplace,
  subject: Subject,
  options: LoadOptions,
): Promise<LoadResult> {
  const fields = options.fields.flatMap(field => ['-H', field]);
  const { output, cpu } = await measured(subject, () =>
    runKnowing(
      workplace,
      [subject.host],
      [
        ...['h2load', '-t1', `-c${options.connections}`, '-m8', `-D${options.seconds}`, '--warm-up-time=0'],
        ...fields,
        `https://${subject.host}:${subject.port}${options.path}`,
      ],
    ),
  );
  const ok = numberIn(output, /status codes: (\d+) 2xx/);
  const others =
    numberIn(output, /2xx, (\d+) 3xx/) +
    numberIn(output, /3xx, (\d+) 4xx/) +
    numberIn(output, /4xx, (\d+) 5xx/);
  if (ok === 0 || others > 0 || !output.includes('Application protocol: h2')) {
    throw new Error(`${subject.name}: ${output}`);
  }
  const latency = /time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)/;
  return {
    requestsPerSecond: ok / options.seconds,
    cpuMicrosecondsPerRequest: (cpu * 1e6) / ok,
    latencyMs: milliseconds(output, latency),
  };
}

/**
 * What a browser sends, about 600 bytes with the request line and Host.
 *
 * @param cookie The session cookie, which the baselines are sent as well.
 */
export function browserFields(cookie: string): string[] {
  return [
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
    'Accept-Language: en-GB,en;q=0.9',
    'Accept-Encoding: gzip, deflate, br, zstd',
    'Sec-Fetch-Dest: document',
    'Sec-Fetch-Mode: navigate',
    'Sec-Fetch-Site: same-origin',
    'Sec-Fetch-User: ?1',
    'Upgrade-Insecure-Requests: 1',
    `Cookie: ${cookie}; theme=dark`,
  ];
}

async function measured(
  subject: Subject,
  work: () => Promise<string>,
): Promise<{ readonly output: string; readonly cpu: number }> {
  const before = cpuSeconds(subject.pids);
  const output = await work();
  return { output, cpu: cpuSeconds(subject.pids) - before };
}

/**
 * Runs a program that finds `hosts` on the loopback: neither of the load generators can be told an address apart from
 * the name, and glibc knows no names under localhost. The file is seen in the program's own mount namespace only.
 */
async function runKnowing(
  workplace: Workplace,
  hosts: readonly string[],
  command: readonly string[],
): Promise<string> {
  const file = path.join(workplace.folder, 'hosts');
  writeFileSync(file, `127.0.0.1 localhost ${hosts.join(' ')}\n`);
  const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
  return workplace.run(['unshare', '--mount', 'sh', '-c', script, file, ...command]);
}

function numberIn(text: string, pattern: RegExp): number {
  const match = pattern.exec(text);
  if (match === null) throw new Error(`no ${pattern} in:\n${text}`);
  return Number(match[1]);
}

function milliseconds(text: string, pattern: RegExp): number {
  const unit = pattern.exec(text)?.[2];
  const factor = unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1;
  return numberIn(text, pattern) * factor;
}
