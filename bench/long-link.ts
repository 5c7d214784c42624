/**
 * How fast are downloads and uploads where the tunnel's round trip takes 80 ms? `node bench/long-link.ts [--rounds 5]`
 *
 * Service and client are at the near end, connector and backend at the far one. Needs root. Once over a link that carries
 * whatever the machine can, where the processor is the limit, and once over one of a rate that real lines have, where
 * windows would be.
 */
import path from 'node:path';
import { makeCertificate } from './certificates.ts';
import { measureAndPrint, type RunOptions } from './command-line.ts';
import { farAddress, nearAddress, openLongLink } from './link/long-link.ts';
import { startPostern } from './postern.ts';
import { Workplace } from './programs.ts';
import type { Figure } from './report.ts';
import { compareTransfers, startBulkBackend, type TransferTarget } from './transfer.ts';

const roundTripMs = 80;
const domain = 'long-link.test';
const hosts = ['connect', 'login', 'portal', 'app', 'open'].map(name => `${name}.${domain}`);

/** Of the limited link, in bytes a second: 800 Mbit/s. */
const lineRate = 100_000_000;

export async function measureLongLink(options: RunOptions): Promise<Figure[]> {
  return [...(await measureLink(options)), ...(await measureLink(options, lineRate))];
}

async function measureLink({ rounds, say }: RunOptions, bytesPerSecond?: number): Promise<Figure[]> {
  await using workplace = new Workplace();
  const link = await openLongLink(workplace, {
    ...{ roundTripMs, hosts: [domain, ...hosts] },
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
  });
  const line = bytesPerSecond === undefined ? '' : ` and ${bytesPerSecond / 1e6} MB/s`;
  const name = `500 MB at ${roundTripMs} ms${line}`;
  const program = path.join(import.meta.dirname, 'long-link.ts');
  const output = await workplace.run(
    [...link.near, process.execPath, program, '--inside', JSON.stringify(link.far), String(rounds), name],
    { timeoutMs: 1_200_000, onError: say },
  );
  return JSON.parse(output);
}

/** What runs at the near end. */
async function measureInside(far: readonly string[], name: string, options: RunOptions): Promise<Figure[]> {
  await using workplace = new Workplace();
  const certificate = await makeCertificate(workplace, 'far.test');
  const plain = await startBulkBackend(workplace, { through: far, host: farAddress, certificate });
  const backend = await startBulkBackend(workplace, { through: far });
  const postern = await startPostern(workplace, {
    ...{
      backendUrl: `http://127.0.0.1:${backend}/`,
      domain,
      address: nearAddress,
      connectorThrough: far,
    },
  });
  const baseline: TransferTarget = {
    name: 'plain TLS',
    host: 'far.test',
    address: farAddress,
    port: plain,
  };
  const ours: TransferTarget = {
    ...{ name: 'Postern', host: postern.applicationHost, address: '127.0.0.1' },
    ...{ port: postern.port, cookie: postern.cookie },
  };
  // Awaited here, or the workplace would end first.
  return await compareTransfers(workplace, {
    ...{ name, bytes: 500_000_000, ours, baseline, ...options },
    target: { comparison: '≥', value: 0.9 },
  });
}

if (process.argv[2] === '--inside') {
  const [far, rounds, name] = process.argv.slice(3) as [string, string, string];
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  const figures = await measureInside(JSON.parse(far), name, { rounds: Number(rounds), seconds: 0, say });
  process.stdout.write(JSON.stringify(figures));
} else if (import.meta.main) await measureAndPrint(measureLongLink);
