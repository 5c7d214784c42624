/**
 * Opens many tunnels of one registered connector and holds them, a program of its own:
 * `node bench/idle-tunnels.ts --data <folder> --count 1000`. Prints "open" when the service has accepted all of them.
 */
import { parseArgs } from 'node:util';
import { AllowList } from '@postern/connector/allow-list';
import { loadIdentity } from '@postern/connector/identity/identity';
import { TunnelClient } from '@postern/connector/tunnel-client';
import { Outbound } from '@postern/outbound/outbound';
import { WindowBudget } from '@postern/protocol/yamux/window-budget';

const { values } = parseArgs({ options: { data: { type: 'string' }, count: { type: 'string' } } });
const identity = await loadIdentity(values.data ?? '', Date.now());
const allow = new AllowList();
const windowBudget = new WindowBudget();

function open(): Promise<void> {
  return new Promise((resolve, reject) => {
    const client: TunnelClient = new TunnelClient({
      service: identity.service,
      pair: identity.pairs[0]!,
      allow,
      outbound: new Outbound(),
      backendOutbound: new Outbound(),
      machineName: 'idle',
      version: '0.0.0',
      os: 'linux',
      windowBudget,
      backendTimeoutMs: 10_000,
      connectTimeoutMs: 30_000,
      now: () => performance.now(),
      hooks: {
        onWelcome: () => {},
        onConfigured: () => resolve(),
        onStreamOpened: () => {},
        onGoAway: () => {},
        onClose: (_, error) => {
          process.stderr.write(`${error.code}: ${error.message} ${client.address}\n`);
          process.exitCode = 1;
          reject(error);
        },
      },
    });
  });
}

let left = Number(values.count ?? 0);
// A few at a time: it is what a tunnel holds that is asked for, not how fast a thousand handshakes are.
const openSome = async () => {
  while (left > 0) {
    left -= 1;
    await open();
  }
};
await Promise.all(Array.from({ length: 8 }, openSome));
process.stdout.write('open\n');
process.once('SIGTERM', () => process.exit());
