/** How fast are 500 MB down and up, and 200 MB up over HTTP/2? `node bench/bulk.ts [--rounds 5]` */
import { makeCertificate } from './certificates.ts';
import { measureAndPrint, type RunOptions } from './command-line.ts';
import { startReverseProxy } from './nginx.ts';
import { startPostern } from './postern.ts';
import { Workplace } from './programs.ts';
import type { Figure } from './report.ts';
import { compareTransfers, startBulkBackend, type TransferTarget } from './transfer.ts';

export async function measureBulk({ rounds, say }: RunOptions): Promise<Figure[]> {
  await using workplace = new Workplace();
  const backend = await startBulkBackend(workplace);
  const host = 'site.bed.localhost';
  const certificate = await makeCertificate(workplace, host);
  const nginx = await startReverseProxy(workplace, { backend: backend, certificate });
  const postern = await startPostern(workplace, { backendUrl: `http://127.0.0.1:${backend}/` });
  const { applicationHost, port, cookie } = postern;
  const address = '127.0.0.1';
  const baseline: TransferTarget = { name: 'nginx', host, address, port: nginx.port };
  const ours: TransferTarget = { name: 'Postern', host: applicationHost, address, port, cookie };
  const target = { comparison: '≥', value: 0.5 } as const;
  return [
    ...(await compareTransfers(workplace, {
      ...{ name: '500 MB', bytes: 500_000_000, ours, baseline, target, rounds, say },
    })),
    ...(await compareTransfers(workplace, {
      ...{ name: '200 MB over HTTP/2', bytes: 200_000_000, directions: ['up'], target, rounds, say },
      ours: { ...ours, version: '2' },
      baseline: { ...baseline, version: '2' },
    })),
  ];
}

if (import.meta.main) await measureAndPrint(measureBulk);
