import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { createLogger } from '../telemetry/logger.ts';
import type { ControlMessage } from './messages.ts';
import { RelayState } from './relay-state.ts';
import { FeedSubscriber } from './subscriber.ts';

const snapshot: ControlMessage = {
  type: 'snapshot',
  sequence: 0,
  state: {
    applications: [],
    connectorGroups: [],
    connectors: [],
    users: [],
    sessions: [],
    tunnelTrust: { certificate: '', privateKey: '', clientAuthorities: [] },
  },
};

describe('a feed that says nothing', () => {
  test('is taken for dead, and a new connection to whoever stands still does not count as life', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'postern-feed-'));
    const socketPath = path.join(folder, 'feed.sock');
    const connections: net.Socket[] = [];
    const server = net.createServer(socket => void connections.push(socket.on('error', () => {})));
    server.listen(socketPath);
    await once(server, 'listening');
    let now = 0;
    const feed = new FeedSubscriber({
      socketPath,
      state: new RelayState(),
      log: createLogger({ program: 'test', level: 'silent' }),
      now: () => now,
      onChange: () => undefined,
      onExamine: async () => null,
      onTest: async () => null,
      onReportOutcomes: () => [],
      onReportBackends: () => null,
      onConnect: () => undefined,
      silenceMs: 50,
    });
    try {
      await once(server, 'connection');
      const greeting = createInterface({ input: connections[0]! });
      await once(greeting, 'line');
      connections[0]!.write(`${JSON.stringify(snapshot)}\n`);
      await feed.ready;
      now = 40;
      assert.equal(feed.silentForMs(), 0);

      now = 60;
      const again = once(server, 'connection');
      await once(connections[0]!, 'close');
      await again;
      const next = createInterface({ input: connections[1]! });
      await once(next, 'line');
      assert.equal(feed.silentForMs(), 60);

      const caughtUp = once(next, 'line');
      connections[1]!.write(`${JSON.stringify(snapshot)}\n`);
      await caughtUp;
      assert.equal(feed.silentForMs(), 0);
    } finally {
      feed.stop();
      for (const connection of connections) connection.destroy();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
