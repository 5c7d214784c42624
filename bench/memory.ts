/** How much memory do the programs take: idle, with 1,000 idle tunnels, and in a large transfer? `node bench/memory.ts` */
import path from 'node:path';
import { measureAndPrint, type RunOptions } from './command-line.ts';
import { ownResidentBytes, residentRises } from './measure.ts';
import { type Postern, startPostern } from './postern.ts';
import { Workplace } from './programs.ts';
import { type Figure, figure, type Target } from './report.ts';
import { type Direction, startBulkBackend, type TransferTarget, transfer } from './transfer.ts';

const tunnelCount = 1000;
const transferBytes = 5_000_000_000;
/** After a start, and after a load, memory is given back by and by. */
const settleMs = 10_000;

/** Each figure is of one run: memory does not scatter as speed does. */
export async function measureMemory({ say }: RunOptions): Promise<Figure[]> {
  return [...(await measureIdle()), ...(await measureTransfers(say))];
}

async function measureIdle(): Promise<Figure[]> {
  await using workplace = new Workplace();
  const { postern } = await start(workplace);
  const { relayPid, controlPid, connectorPid } = postern;
  const control = ownResidentBytes(controlPid);
  const relay = ownResidentBytes(relayPid);
  return [
    inMegabytes('memory of the relay, idle', relay, 120),
    inMegabytes('memory of relay and control process, idle', relay + control, 300),
    inMegabytes('memory of the connector, idle', ownResidentBytes(connectorPid), 90),
    await measureTunnels(workplace, postern),
  ];
}

async function start(workplace: Workplace): Promise<{ postern: Postern; target: TransferTarget }> {
  const backend = await startBulkBackend(workplace);
  const postern = await startPostern(workplace, {
    backendUrl: `http://127.0.0.1:${backend}/`,
    config: { limits: { maxTunnelsPerConnector: tunnelCount + 64 } },
  });
  const { applicationHost: host, port, cookie } = postern;
  await settle();
  return { postern, target: { name: 'Postern', host, address: '127.0.0.1', port, cookie } };
}

async function measureTunnels(workplace: Workplace, { relayPid, testbed }: Postern): Promise<Figure> {
  const before = ownResidentBytes(relayPid);
  const { dataDir } = testbed.connectors[0]!;
  const program = path.join(import.meta.dirname, 'idle-tunnels.ts');
  const tunnels = workplace.start([
    ...[process.execPath, program, '--data', dataDir, '--count', String(tunnelCount)],
  ]);
  await tunnels.untilOutput('open');
  await settle();
  if (tunnels.hasEnded) throw new Error(`the tunnels did not stay open: ${tunnels.output}`);
  const each = (ownResidentBytes(relayPid) - before) / tunnelCount / 1000;
  return figure({
    name: `memory of the relay for each of ${tunnelCount} idle tunnels`,
    unit: 'KB',
    runs: [each],
    target: { comparison: '≤', value: 100 },
  });
}

/** Each direction with processes that have carried nothing yet. */
async function measureTransfers(say: (text: string) => void): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const direction of ['down', 'up'] as Direction[]) {
    await using workplace = new Workplace();
    const { postern, target } = await start(workplace);
    const named = {
      relay: postern.relayPid,
      'control process': postern.controlPid,
      connector: postern.connectorPid,
    };
    let rate = 0;
    const rises = await residentRises(Object.values(named), async () => {
      rate = await transfer(workplace, target, direction, transferBytes);
    });
    const parts = Object.keys(named).map((name, i) => `${name} ${(rises[i]! / 1e6).toFixed(0)} MB`);
    say(`5 GB ${direction}: ${rate.toFixed(0)} MB/s, memory rose: ${parts.join(', ')}`);
    const what = direction === 'down' ? 'download' : 'upload';
    figures.push(
      inMegabytes(`memory's rise in a 5 GB ${what}, relay`, rises[0]!, 50),
      inMegabytes(`memory's rise in a 5 GB ${what}, connector`, rises[2]!, 50),
    );
  }
  return figures;
}

function inMegabytes(name: string, bytes: number, most: number): Figure {
  const target: Target = { comparison: '≤', value: most };
  return figure({ name, unit: 'MB', runs: [bytes / 1e6], target });
}

function settle(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, settleMs));
}

if (import.meta.main) await measureAndPrint(measureMemory);
