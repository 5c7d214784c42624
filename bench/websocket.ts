/**
 * How long does a WebSocket message take to the backend and back, alone and beside a download that takes all it can
 * through the same tunnels? `node bench/websocket.ts [--rounds 5] [--seconds 4]`
 */
import { once } from 'node:events';
import path from 'node:path';
import { type ClientOptions, WebSocket } from 'ws';
import { makeCertificate } from './certificates.ts';
import { measureAndPrint, type RunOptions } from './command-line.ts';
import { startReverseProxy } from './nginx.ts';
import { startPostern } from './postern.ts';
import { Workplace } from './programs.ts';
import { type Figure, figure, quantile } from './report.ts';
import { startBulkBackend, type TransferTarget, transfer } from './transfer.ts';

/** An echo, and a download that shares the way to it. */
interface Way {
  readonly name: string;
  readonly echo: TransferTarget;
  readonly bulk: TransferTarget;
  readonly alone: Latency[];
  readonly beside: Latency[];
}

interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export async function measureWebSocket({ rounds, seconds, say }: RunOptions): Promise<Figure[]> {
  await using workplace = new Workplace();
  const ways = await openWays(workplace);
  for (let round = 0; round <= rounds; round += 1) {
    for (const way of ways) {
      const alone = await echo(way.echo, seconds);
      const beside = await besideDownload(workplace, way.bulk, () => echo(way.echo, seconds));
      const counted = round === 0 ? ' (not counted)' : '';
      say(`${way.name}: alone ${describe(alone)}, beside a download ${describe(beside)}${counted}`);
      if (round === 0) continue;
      way.alone.push(alone);
      way.beside.push(beside);
    }
  }
  const [ours, nginx] = ways as [Way, Way];
  const p50 = (latencies: Latency[]) => latencies.map(latency => latency.p50Ms);
  const p99 = (latencies: Latency[]) => latencies.map(latency => latency.p99Ms);
  const target = { comparison: '≤', value: 5 } as const;
  const compare = (name: string, runs: number[], baselineName: string, baseline: number[]) =>
    figure({ name, unit: 'ms', runs, baseline: { name: baselineName, runs: baseline } });
  return [
    compare('WebSocket echo p50, alone', p50(ours.alone), 'nginx', p50(nginx.alone)),
    compare('WebSocket echo p99, alone', p99(ours.alone), 'nginx', p99(nginx.alone)),
    compare('WebSocket echo p50, beside a download', p50(ours.beside), 'alone', p50(ours.alone)),
    figure({
      name: 'WebSocket echo p99, beside a download',
      unit: 'ms',
      runs: p99(ours.beside),
      baseline: { name: 'alone', runs: p99(ours.alone) },
      target,
    }),
    compare('the same through nginx, p99, beside a download', p99(nginx.beside), 'alone', p99(nginx.alone)),
  ];
}

async function openWays(workplace: Workplace): Promise<Way[]> {
  const backend = workplace.start([process.execPath, path.join(import.meta.dirname, 'websocket-backend.ts')]);
  await backend.untilOutput('port ');
  const echoPort = Number(/port (\d+)/.exec(backend.output)![1]);
  const bulkPort = await startBulkBackend(workplace);
  const host = 'site.bed.localhost';
  const certificate = await makeCertificate(workplace, host);
  const [nginxEcho, nginxBulk] = [
    await startReverseProxy(workplace, { backend: echoPort, certificate }),
    await startReverseProxy(workplace, { backend: bulkPort, certificate }),
  ];
  const postern = await startPostern(workplace, {
    backendUrl: `http://127.0.0.1:${echoPort}/`,
    passthroughUrl: `http://127.0.0.1:${bulkPort}/`,
  });
  const at = (name: string, hostName: string, port: number, cookie?: string): TransferTarget => ({
    ...{ name, host: hostName, address: '127.0.0.1', port, cookie },
  });
  const { applicationHost, passthroughHost, port, cookie } = postern;
  return [
    {
      name: 'Postern',
      echo: at('Postern', applicationHost, port, cookie),
      bulk: at('Postern', passthroughHost, port),
      alone: [],
      beside: [],
    },
    {
      name: 'nginx',
      echo: at('nginx', host, nginxEcho.port),
      bulk: at('nginx', host, nginxBulk.port),
      alone: [],
      beside: [],
    },
  ];
}

/** Sends one message of 64 bytes after the other, each when the last one is back. */
async function echo({ host, port, cookie }: TransferTarget, seconds: number): Promise<Latency> {
  const origin = `https://${host}:${port}`;
  // `servername` is the TLS client's; the types know it for HTTP requests only.
  const options: ClientOptions & { servername: string } = {
    servername: host,
    rejectUnauthorized: false,
    perMessageDeflate: false,
    headers: { Host: `${host}:${port}`, Origin: origin, ...(cookie === undefined ? {} : { Cookie: cookie }) },
  };
  const socket = new WebSocket(`wss://127.0.0.1:${port}/echo`, options);
  await once(socket, 'open');
  const message = Buffer.alloc(64, 'm');
  const times: number[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const deadline = performance.now() + seconds * 1000;
  let sentAt = 0;
  const send = () => {
    sentAt = performance.now();
    socket.send(message);
  };
  socket.on('message', () => {
    const now = performance.now();
    times.push(now - sentAt);
    if (now < deadline) send();
    else resolve();
  });
  socket.on('error', reject);
  socket.on('close', code => reject(new Error(`the WebSocket was closed with ${code}`)));
  send();
  await promise;
  socket.removeAllListeners('close');
  socket.close();
  await once(socket, 'close');
  return { p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
}

/** Measures while a download is under way; it is far larger than can come in the time, and broken off. */
async function besideDownload<T>(
  workplace: Workplace,
  target: TransferTarget,
  work: () => Promise<T>,
): Promise<T> {
  const end = new AbortController();
  const downloading = transfer(workplace, target, 'down', 1e12, { signal: end.signal }).then(
    () => new Error('the download ended'),
    (error: Error) => error,
  );
  // Its slow start is over and its windows have grown.
  await new Promise(resolve => setTimeout(resolve, 1000));
  const result = await Promise.race([work(), downloading.then(error => Promise.reject(error))]);
  end.abort();
  await downloading;
  return result;
}

function describe({ p50Ms, p99Ms }: Latency): string {
  return `p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
}

if (import.meta.main) await measureAndPrint(measureWebSocket);
