import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, type TestContext, test } from 'node:test';
import { createLogger } from '../telemetry/logger.ts';
import type {
  Change,
  ControlMessage,
  RelayMessage,
  RelayState,
  TunnelReport,
  TunnelTrust,
} from './messages.ts';
import { Presence } from './presence.ts';
import { FeedPublisher, type FeedPublisherParts } from './publisher.ts';

const emptyState = { applications: [], connectorGroups: [], connectors: [], users: [], sessions: [] };
const trust: TunnelTrust = { certificate: 'leaf', privateKey: 'key', clientAuthorities: ['ca'] };
const failAfterMs = 30_000;

const removal = (id: string): Change => ({ set: 'users', remove: id });

/** A relay's end, as simple as it can be: everything that it is told waits in a list. */
class RelayForTests {
  readonly socket: net.Socket;
  readonly #lines: AsyncIterator<string>;

  constructor(socketPath: string) {
    this.socket = net.connect(socketPath);
    this.socket.on('error', () => undefined);
    this.#lines = createInterface({ input: this.socket })[Symbol.asyncIterator]();
  }

  say(message: RelayMessage): void {
    this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /** The next message, or null at the end. */
  async next(): Promise<ControlMessage | null> {
    const { value, done } = await this.#lines.next();
    return done === true ? null : (JSON.parse(value) as ControlMessage);
  }

  async subscribe(): Promise<Extract<ControlMessage, { type: 'snapshot' }>> {
    this.say({ type: 'hello', processId: 1 });
    const message = await this.next();
    assert(message?.type === 'snapshot');
    return message;
  }
}

async function startPublisher(context: TestContext, parts: Partial<FeedPublisherParts> = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-feed-'));
  const socketPath = path.join(folder, 'run', 'feed.sock');
  const presence = new Presence();
  const seen: string[] = [];
  const publisher = new FeedPublisher({
    socketPath,
    source: {
      readState: async use => use(emptyState),
      findSession: async (_idHash, _host, use) => use(null),
    },
    tunnelTrust: async () => trust,
    presence,
    tunnelEvents: {
      tunnelUp: tunnel => void seen.push(`up ${tunnel.tunnelId}`),
      tunnelDown: (connectorId, reason) => void seen.push(`down ${connectorId} ${reason}`),
      leaving: connectorId => void seen.push(`leaving ${connectorId}`),
      tunnelProbe: ({ tunnelId }, isAnswered) => void seen.push(`probe ${tunnelId} ${isAnswered}`),
      refused: ({ connectorId, reason }) => void seen.push(`refused ${connectorId} ${reason}`),
      anchorsKept: (connectorId, anchors) => void seen.push(`keeps ${connectorId} ${anchors.join()}`),
    },
    onCredentialUsed: () => undefined,
    renew: async () => ({ error: { code: 'unavailable', message: 'not in this test' } }),
    log: createLogger({ program: 'test', level: 'silent' }),
    ...parts,
  });
  await publisher.start();
  const relays: RelayForTests[] = [];
  context.after(async () => {
    for (const relay of relays) relay.socket.destroy();
    await publisher.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const connect = () => {
    const relay = new RelayForTests(socketPath);
    relays.push(relay);
    return relay;
  };
  return { publisher, presence, seen, socketPath, connect };
}

describe('the feed', () => {
  test('its socket is 0600 in a 0700 folder, and takes the place of one that a killed process left', async context => {
    const folder = mkdtempSync(path.join(tmpdir(), 'postern-feed-'));
    context.after(() => rmSync(folder, { recursive: true, force: true }));
    const stale = path.join(folder, 'feed.sock');
    writeFileSync(stale, '');

    const { socketPath } = await startPublisher(context);
    const { connect } = await startPublisher(context, { socketPath: stale });

    assert.equal(statSync(socketPath).mode & 0o777, 0o600);
    assert.equal(statSync(path.dirname(socketPath)).mode & 0o777, 0o700);
    const relay = connect();
    relay.socket.destroy();
    const other = new RelayForTests(stale);
    assert.equal((await other.subscribe()).type, 'snapshot');
    other.socket.destroy();
  });

  test('gives a snapshot, then every change with the next sequence number', async context => {
    const { publisher, connect } = await startPublisher(context);
    publisher.publish([removal('before')]);
    const relay = connect();

    const snapshot = await relay.subscribe();
    publisher.publish([removal('a'), removal('b')]);
    publisher.publish([removal('c')]);

    assert.deepEqual(snapshot, {
      type: 'snapshot',
      sequence: 1,
      state: { ...emptyState, tunnelTrust: trust, challenges: [] },
    });
    assert.deepEqual(await relay.next(), {
      type: 'changes',
      sequence: 2,
      changes: [removal('a'), removal('b')],
    });
    assert.deepEqual(await relay.next(), { type: 'changes', sequence: 3, changes: [removal('c')] });
  });

  test('neither loses nor repeats a change around the snapshots of relays that come and go', async context => {
    // The state is the last number published; reading it takes a turn of the event loop, as the store does.
    let last = 0;
    let turn: Promise<unknown> = Promise.resolve();
    const alone = (work: () => Promise<void>) => {
      turn = turn.then(work);
      return turn;
    };
    const { publisher, connect } = await startPublisher(context, {
      source: {
        async readState(use) {
          await alone(async () => {
            await new Promise(setImmediate);
            const users = [{ id: String(last) }] as unknown as RelayState['users'];
            use({ ...emptyState, users });
          });
        },
        findSession: async (_idHash, _host, use) => use(null),
      },
    });
    const total = 500;
    const publishAll = async () => {
      for (let i = 1; i <= total; i++) {
        await alone(async () => {
          last = i;
          publisher.publish([removal(String(i))]);
        });
        if (i % 10 === 0) await new Promise(setImmediate);
      }
    };
    const follow = async () => {
      const relay = connect();
      const snapshot = await relay.subscribe();
      let known = Number(snapshot.state.users[0].id);
      const begunAt = known;
      while (known < total) {
        const message = await relay.next();
        assert(message !== null);
        if (message.type !== 'changes') continue;
        assert.deepEqual(message.changes, [removal(String(known + 1))]);
        known += 1;
      }
      return begunAt;
    };

    const followers: Promise<number>[] = [follow()];
    const publishing = publishAll();
    for (let i = 0; i < 20; i++) {
      followers.push(follow());
      await new Promise(setImmediate);
    }
    await publishing;

    const starts = await Promise.all(followers);
    assert(new Set(starts).size > 1, 'some relays came in the middle');
  });

  test('a change that waits for relays waits for each of them, and for no lost one', async context => {
    const { publisher, connect } = await startPublisher(context);
    await publisher.applied(publisher.publish([removal('nobody listens')]), failAfterMs);
    const [first, second] = [connect(), connect()];
    for (const relay of [first, second]) {
      const { sequence } = await relay.subscribe();
      relay.say({ type: 'applied', sequence });
    }

    const sequence = publisher.publish([removal('a')]);
    let isApplied = false;
    const applied = publisher.applied(sequence, failAfterMs).then(() => {
      isApplied = true;
    });
    await first.next();
    first.say({ type: 'applied', sequence });
    // An answer to a later question shows that what the first said has been read.
    first.say({ type: 'find-session', question: 1, idHash: 'x', host: 'y' });
    await first.next();
    assert.equal(isApplied, false);
    second.socket.destroy();

    await applied;
  });

  test('waiting for relays has an end', async context => {
    const { publisher, connect } = await startPublisher(context);
    await connect().subscribe();

    await publisher.applied(publisher.publish([removal('a')]), 20);
  });

  test('answers a question about a session', async context => {
    const session = { id: 's', idHash: 'h', host: 'wiki.example.test', userId: 'u', expiresAt: 1 };
    const { connect } = await startPublisher(context, {
      source: {
        readState: async use => use(emptyState),
        async findSession(idHash, host, use) {
          if (idHash === 'broken') throw new Error('no database');
          use(idHash === 'h' && host === session.host ? session : null);
        },
      },
    });
    const relay = connect();
    await relay.subscribe();
    const ask = async (question: number, idHash: string) => {
      relay.say({ type: 'find-session', question, idHash, host: session.host });
      return relay.next();
    };

    assert.deepEqual(await ask(1, 'h'), { type: 'session', question: 1, session });
    assert.deepEqual(await ask(2, 'other'), { type: 'session', question: 2, session: null });
    assert.deepEqual(await ask(3, 'broken'), { type: 'session', question: 3, session: null });
  });

  test('a relay whose snapshot cannot be read is let go, to ask again', async context => {
    const { connect } = await startPublisher(context, {
      source: {
        readState: () => Promise.reject(new Error('no database')),
        findSession: async (_idHash, _host, use) => use(null),
      },
    });
    const relay = connect();

    relay.say({ type: 'hello', processId: 1 });

    assert.equal(await relay.next(), null);
  });

  test('a relay that does not read is cut off, and others go on', async context => {
    const { publisher, connect } = await startPublisher(context, { maxQueuedBytes: 256 * 1024 });
    const [deaf, good] = [connect(), connect()];
    await good.subscribe();
    await deaf.subscribe();
    deaf.socket.pause();
    const reading = (async () => {
      for (;;) {
        const message = await good.next();
        if (message?.type === 'changes' && message.changes.length === 0) return;
        assert(message !== null, 'the good relay was cut off');
      }
    })();

    const text = 'x'.repeat(16 * 1024);
    while (publisher.relayCount === 2) {
      publisher.publish([removal(text)]);
      await new Promise(setImmediate);
    }
    publisher.publish([]);

    await reading;
    assert.equal(publisher.relayCount, 1);
  });

  test('a large snapshot does not count as not reading', async context => {
    const users = Array.from({ length: 20_000 }, (_, i) => ({
      id: `user ${i}`,
    })) as unknown as RelayState['users'];
    const { publisher, connect } = await startPublisher(context, {
      maxQueuedBytes: 64 * 1024,
      source: {
        readState: async use => use({ ...emptyState, users }),
        findSession: async (_idHash, _host, use) => use(null),
      },
    });
    const relay = connect();

    assert.equal((await relay.subscribe()).state.users.length, users.length);
    publisher.publish([removal('a')]);

    assert.equal((await relay.next())?.type, 'changes');
  });

  for (const [what, text] of [
    ['no JSON', 'hello\n'],
    ['another message first', '{"type":"applied","sequence":1}\n'],
    ['an unknown type', '{"type":"hello","processId":1}\n{"type":"shutdown"}\n'],
    ['a second hello', '{"type":"hello","processId":1}\n{"type":"hello","processId":1}\n'],
    ['an endless line', 'x'.repeat(300_000)],
  ]) {
    test(`a relay that says ${what} is cut off, and the feed goes on`, async context => {
      const { connect } = await startPublisher(context);
      const odd = connect();

      const closed = new Promise(resolve => odd.socket.once('close', resolve));
      odd.socket.write(text);
      await closed;

      assert.equal((await connect().subscribe()).type, 'snapshot');
    });
  }

  test('new trust of the tunnels is told when it has changed', async context => {
    let current = trust;
    const { publisher, connect } = await startPublisher(context, { tunnelTrust: async () => current });
    const relay = connect();
    await relay.subscribe();

    await publisher.refreshTunnelTrust();
    current = { ...trust, certificate: 'new leaf' };
    await publisher.refreshTunnelTrust();

    assert.deepEqual(await relay.next(), {
      type: 'changes',
      sequence: 1,
      changes: [{ set: 'tunnelTrust', put: current }],
    });
    assert.equal((await connect().subscribe()).state.tunnelTrust.certificate, 'new leaf');
  });
});

describe('presence', () => {
  const tunnel = (tunnelId: string, connectorId: string, since: number): TunnelReport => ({
    tunnelId,
    connectorId,
    externalIp: `203.0.113.${since}`,
    machineName: 'edge01',
    version: '1.0.0',
    os: 'linux',
    since,
  });

  test('a connector is live from its first tunnel to its last, over all relays', () => {
    const presence = new Presence();
    const [first, second] = [{}, {}];

    presence.tunnelUp(first, tunnel('1', 'c', 10));
    presence.tunnelUp(first, tunnel('2', 'c', 20));
    presence.tunnelUp(second, tunnel('1', 'c', 30));
    assert.deepEqual(presence.find('c'), {
      connectorId: 'c',
      since: 10,
      externalIp: '203.0.113.30',
      version: '1.0.0',
      tunnelCount: 3,
      isAnswering: true,
    });

    assert.equal(presence.tunnelDown(first, '1')?.since, 10);
    assert.equal(presence.tunnelDown(first, '1'), undefined);
    assert.deepEqual(presence.relayLost(second), ['c']);
    assert.equal(presence.isLive('c'), true);
    presence.tunnelDown(first, '2');
    assert.equal(presence.isLive('c'), false);
    assert.deepEqual(presence.list(), []);
  });

  test('a connector is active while a probe comes back through one of its tunnels', () => {
    const presence = new Presence();
    const relay = {};
    presence.tunnelUp(relay, tunnel('1', 'c', 10));
    presence.tunnelUp(relay, { ...tunnel('2', 'c', 20), isUnanswered: true });

    assert.equal(presence.isActive('c'), true);
    presence.tunnelProbe(relay, '1', false);
    assert.equal(presence.isActive('c'), false);
    assert.equal(presence.isLive('c'), true);
    presence.tunnelProbe(relay, '2', true);
    assert.equal(presence.isActive('c'), true);
    presence.tunnelProbe(relay, 'never', true);
    presence.tunnelDown(relay, '2');
    assert.equal(presence.isActive('c'), false);
  });

  test('what relays say of probes, refusals and anchors arrives', async context => {
    const { presence, seen, connect } = await startPublisher(context);
    const relay = connect();
    await relay.subscribe();

    relay.say({ type: 'tunnel-up', tunnel: tunnel('1', 'c', 1) });
    relay.say({ type: 'tunnel-probe', tunnelId: '1', isAnswered: false });
    const refusal = { connectorId: 'd', reason: 'expired', detail: 'on Monday', externalIp: '203.0.113.9' };
    relay.say({ type: 'refused', ...refusal });
    relay.say({ type: 'anchors-kept', connectorId: 'c', anchors: ['AB', 'CD'] });
    relay.say({ type: 'find-session', question: 1, idHash: 'x', host: 'y' });
    await relay.next();

    assert.equal(presence.isActive('c'), false);
    assert.deepEqual(seen, ['up 1', 'probe 1 false', 'refused d expired', 'keeps c AB,CD']);
  });

  test('follows what relays say, and forgets the tunnels of a relay that is gone', async context => {
    const { presence, seen, connect } = await startPublisher(context);
    const [relay, witness] = [connect(), connect()];
    await relay.subscribe();
    await witness.subscribe();

    relay.say({ type: 'tunnel-up', tunnel: tunnel('1', 'c', 1) });
    relay.say({ type: 'tunnel-up', tunnel: tunnel('2', 'd', 1) });
    relay.say({ type: 'tunnel-down', tunnelId: '2', connectorId: 'd', reason: 'closed' });
    relay.say({ type: 'tunnel-down', tunnelId: 'never', connectorId: 'e', reason: 'closed' });
    relay.say({ type: 'find-session', question: 1, idHash: 'x', host: 'y' });
    await relay.next();
    assert.deepEqual(
      presence.list().map(live => live.connectorId),
      ['c'],
    );
    relay.socket.destroy();
    // Asked again and again, because nothing tells a witness when the publisher has noticed.
    while (presence.isLive('c')) {
      witness.say({ type: 'find-session', question: 2, idHash: 'x', host: 'y' });
      await witness.next();
    }

    assert.deepEqual(seen, ['up 1', 'up 2', 'down d closed', 'down c relay_lost']);
  });
});
