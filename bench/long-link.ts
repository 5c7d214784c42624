/**
 * How fast are downloads and uploads where the tunnel's round trip takes 80 ms? `node bench/long-link.ts [--rounds 5]`
 *
 * Service and client are at the near end, connector and backend at the far one. Needs root.
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

export async function measureLongLink({ rounds, say }: RunOptions): Promise<Figure[]> {
  await using workplace = new Workplace();
  const link = await openLongLink(workplace, { roundTripMs, hosts: [domain, ...hosts] });
  const program = path.join(import.meta.dirname, 'long-link.ts');
  const output = await workplace.run(
    [...link.near, process.execPath, program, '--inside', JSON.stringify(link.far), String(rounds)],
    { timeoutMs: 1_200_000, onError: say },
  );
  return JSON.parse(output);
}

/** What runs at the near end. */
async function measureInside(far: readonly string[], options: RunOptions): Promise<Figure[]> {
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
    ...{ name: `500 MB at ${roundTripMs} ms`, bytes: 500_000_000, ours, baseline, ...options },
    target: { comparison: '≥', value: 0.9 },
  });
}

if (process.argv[2] === '--inside') {
  const [far, rounds] = process.argv.slice(3) as [string, string];
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  const figures = await measureInside(JSON.parse(far), { rounds: Number(rounds), seconds: 0, say });
  process.stdout.write(JSON.stringify(figures));
} else if (import.meta.main) await measureAndPrint(measureLongLink);
