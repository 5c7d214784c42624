/**
 * Many connectors in one process, with an identity that they share and two tunnels each, a program of its own:
 * `node bench/storm-connectors.ts --data <folder> --count 125`. Prints a line of JSON whenever something has changed:
 * `{"live", "failures"}`, tunnels that are up and failed attempts by their cause.
 */
import { parseArgs } from 'node:util';
import { AllowList } from '@postern/connector/allow-list';
import { loadIdentity } from '@postern/connector/identity/identity';
import { TunnelKeeper } from '@postern/connector/tunnel-keeper';
import { Outbound } from '@postern/outbound/outbound';
import { WindowBudget } from '@postern/protocol/yamux/window-budget';

const { values } = parseArgs({ options: { data: { type: 'string' }, count: { type: 'string' } } });
const identity = await loadIdentity(values.data ?? '', Date.now());
const failures: Record<string, number> = {};
const keepers = Array.from({ length: Number(values.count) }, createKeeper);
for (const keeper of keepers) keeper.start();

let said = '';
setInterval(() => {
  const live = keepers.reduce((sum, keeper) => sum + keeper.live.length, 0);
  const line = JSON.stringify({ live, failures });
  if (line === said) return;
  said = line;
  process.stdout.write(`${line}\n`);
}, 100);
process.once('SIGTERM', () => process.exit());

function createKeeper(): TunnelKeeper {
  const ignore = () => {};
  return new TunnelKeeper({
    count: 2,
    identity,
    random: Math.random,
    tunnel: {
      allow: new AllowList(),
      outbound: new Outbound(),
      backendOutbound: new Outbound(),
      version: '0.0.0',
      os: 'linux',
      windowBudget: new WindowBudget(),
      backendTimeoutMs: 10_000,
      now: () => performance.now(),
    },
    hooks: {
      onConnected: ignore,
      onFailed: (_, error) => {
        const cause = error.refusal === null ? error.code : `${error.code}/${error.refusal}`;
        failures[cause] = (failures[cause] ?? 0) + 1;
      },
      onReplaced: ignore,
      onEnded: ignore,
      onConfigured: ignore,
      onStreamOpened: ignore,
      onPairChanged: ignore,
      onExpired: ignore,
    },
  });
}
