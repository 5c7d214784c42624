import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RelayState as Records, SessionRecord, UserRecord } from './messages.ts';
import { hashCookie, RelayState } from './relay-state.ts';

const ada: UserRecord = {
  id: 'ada',
  userPrincipalName: 'ada',
  displayName: 'Ada',
  mail: null,
  enabled: true,
  groupIds: [],
};
const session: SessionRecord = {
  id: 's1',
  idHash: hashCookie('cookie'),
  host: 'wiki.example.com',
  userId: 'ada',
  expiresAt: 1,
};

function loaded(records: Partial<Records> = {}): RelayState {
  const state = new RelayState();
  state.load({
    applications: [],
    connectorGroups: [],
    connectors: [],
    users: [ada],
    sessions: [session],
    tunnelTrust: { certificate: '', privateKey: '', clientAuthorities: [] },
    ...records,
  });
  return state;
}

describe('RelayState', () => {
  test('a cookie proves a session at its own host only', () => {
    const state = loaded();

    assert.equal(state.findSession('cookie', 'wiki.example.com')?.user.id, 'ada');
    assert.equal(state.findSession('cookie', 'other.example.com'), undefined);
    assert.equal(state.findSession('another', 'wiki.example.com'), undefined);
  });

  test('a removed session is ended for whoever holds it', () => {
    const state = loaded();
    const held = state.findSession('cookie', 'wiki.example.com')!;
    state.apply({ set: 'sessions', remove: 's1' });

    assert.equal(held.ended, true);
    assert.equal(state.findSession('cookie', 'wiki.example.com'), undefined);
  });

  test('a disabled or removed user has no sessions', () => {
    const disabled = loaded();
    disabled.apply({ set: 'users', put: { ...ada, enabled: false } });
    const removed = loaded();
    removed.apply({ set: 'users', remove: 'ada' });

    assert.equal(disabled.findSession('cookie', 'wiki.example.com'), undefined);
    assert.equal(removed.findSession('cookie', 'wiki.example.com'), undefined);
    assert.equal(removed.sessionCount, 0);
  });

  test('a changed user is seen at once by a session that was found before', () => {
    const state = loaded();
    const held = state.findSession('cookie', 'wiki.example.com')!;
    state.apply({ set: 'users', put: { ...ada, groupIds: ['engineers'] } });

    assert.equal(held.ended, true);
    assert.deepEqual(state.currentSession('s1')?.user.groupIds, ['engineers']);
    assert.deepEqual(state.findSession('cookie', 'wiki.example.com')?.user.groupIds, ['engineers']);
  });

  test('a snapshot replaces everything: what it does not name is gone', () => {
    const state = loaded();
    const held = state.findSession('cookie', 'wiki.example.com')!;
    state.load({
      applications: [],
      connectorGroups: [],
      connectors: [],
      users: [ada],
      sessions: [],
      tunnelTrust: state.tunnelTrust!,
    });

    assert.equal(held.ended, true);
    assert.equal(state.sessionCount, 0);
  });
});
