import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { createLogger } from '../telemetry/logger.ts';
import type { ControlMessage, RelayMessage } from './messages.ts';
import { hashCookie, RelayState } from './relay-state.ts';
import { FeedSubscriber } from './subscriber.ts';
import { nothingAsked } from './subscriber-for-tests.ts';

const snapshot: Extract<ControlMessage, { type: 'snapshot' }> = {
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
      ...nothingAsked,
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

describe('a session that is asked for', () => {
  const user = {
    id: 'ann',
    userPrincipalName: 'ann',
    displayName: 'Ann',
    mail: null,
    enabled: true,
    groupIds: [],
  };
  const session = {
    id: 'one',
    idHash: hashCookie('cookie'),
    host: 'wiki.example.test',
    userId: 'ann',
    expiresAt: Date.now() + 60_000,
  };

  /** Asks a control process that answers with these lines at once, and gives what the state has afterwards. */
  async function ask(answer: (question: number) => readonly ControlMessage[]) {
    const folder = mkdtempSync(path.join(tmpdir(), 'postern-feed-'));
    const socketPath = path.join(folder, 'feed.sock');
    const state = new RelayState();
    const server = net.createServer(socket => {
      const send = (messages: readonly ControlMessage[]) =>
        socket.write(messages.map(message => `${JSON.stringify(message)}\n`).join(''));
      createInterface({ input: socket }).on('line', line => {
        const message: RelayMessage = JSON.parse(line);
        if (message.type === 'hello') send([{ ...snapshot, state: { ...snapshot.state, users: [user] } }]);
        if (message.type === 'find-session') send(answer(message.question));
      });
    });
    server.listen(socketPath);
    await once(server, 'listening');
    const feed = new FeedSubscriber({
      socketPath,
      state,
      log: createLogger({ program: 'test', level: 'silent' }),
      now: () => 0,
      ...nothingAsked,
    });
    try {
      await feed.ready;
      await feed.findSession(session.idHash, session.host);
      return state.findSession('cookie', session.host)?.record;
    } finally {
      feed.stop();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }

  test('is in force when the answer is there', async () => {
    assert.deepEqual(await ask(question => [{ type: 'session', question, session }]), session);
  });

  test('is over where its end came right behind the answer', async () => {
    const found = await ask(question => [
      { type: 'session', question, session },
      { type: 'changes', sequence: 1, changes: [{ set: 'sessions', remove: session.id }] },
    ]);

    assert.equal(found, undefined);
  });
});
