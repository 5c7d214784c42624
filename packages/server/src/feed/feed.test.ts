import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { openDirectoryForTests } from '../directory/directory-for-tests.ts';
import { createSession, endSession } from '../directory/sessions.ts';
import { createUser, updateUser } from '../directory/users.ts';
import { createLogger } from '../telemetry/logger.ts';
import { Presence } from './presence.ts';
import { FeedPublisher } from './publisher.ts';
import { RelayState } from './relay-state.ts';
import { FeedSubscriber } from './subscriber.ts';
import { nothingAsked } from './subscriber-for-tests.ts';

describe('both ends of the feed', () => {
  test('a session is known to the relay when its beginning resolves, and unknown when its end does', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'postern-feed-'));
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const log = createLogger({ program: 'test', level: 'silent' });
    const publisher = new FeedPublisher({
      socketPath: path.join(folder, 'feed.sock'),
      source: directory,
      tunnelTrust: async () => ({ certificate: '', privateKey: '', clientAuthorities: [] }),
      presence: new Presence(),
      tunnelEvents: {
        tunnelUp: () => undefined,
        tunnelDown: () => undefined,
        leaving: () => undefined,
        tunnelProbe: () => undefined,
        refused: () => undefined,
        anchorsKept: () => undefined,
      },
      onCredentialUsed: () => undefined,
      renew: async () => ({ error: { code: 'unavailable', message: 'not in this test' } }),
      log,
    });
    directory.publishTo(publisher);
    await publisher.start();
    const anna = await createUser(directory, { userPrincipalName: 'anna', displayName: 'Anna' });
    const state = new RelayState();
    const feed = new FeedSubscriber({
      socketPath: path.join(folder, 'feed.sock'),
      state,
      log,
      now: () => performance.now(),
      ...nothingAsked,
    });
    try {
      await feed.ready;
      assert.deepEqual([...state.users.keys()], [anna.id]);
      const begin = () =>
        createSession(directory, {
          host: 'wiki.example.test',
          userId: anna.id,
          loginSessionUid: null,
          lifetimeMs: 60_000,
        });

      const { value, record } = await begin();
      assert.equal(state.currentSession(record.id)?.user.id, anna.id);
      assert.deepEqual(
        await feed.findSession(hash('sha256', value, 'base64url'), 'wiki.example.test'),
        record,
      );

      await endSession(directory, record.id);
      assert.equal(state.currentSession(record.id), undefined);

      // Many at once, and an account that is disabled among them: none of its sessions is left.
      const sessions = await Promise.allSettled([
        ...Array.from({ length: 20 }, begin),
        updateUser(directory, anna.id, { accountEnabled: false }),
        ...Array.from({ length: 20 }, begin),
      ]);
      await directory.republish('users', [anna.id]);
      assert.equal(sessions.filter(({ status }) => status === 'fulfilled').length, 21);
      assert.equal(state.sessionCount, 0);
    } finally {
      feed.stop();
      await publisher.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
