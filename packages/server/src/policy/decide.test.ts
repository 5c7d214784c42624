import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide } from './decide.ts';

const application = {
  enabled: true,
  preAuthentication: 'preAuthenticated',
  assignmentRequired: true,
} as const;
const ada = { id: 'ada', enabled: true, groupIds: ['engineers'] };

describe('decide', () => {
  test('a person who is assigned is allowed', () => {
    assert.deepEqual(decide(application, new Set(['ada']), ada), { allowed: true, reason: 'assigned' });
  });

  test('a member of an assigned group is allowed', () => {
    assert.deepEqual(decide(application, new Set(['engineers']), ada), { allowed: true, reason: 'assigned' });
  });

  test('a person without assignment is refused', () => {
    assert.deepEqual(decide(application, new Set(['bob']), ada), { allowed: false, reason: 'not_assigned' });
  });

  test('where no assignment is required everybody who signed in is allowed', () => {
    const open = { ...application, assignmentRequired: false };

    assert.deepEqual(decide(open, new Set(), ada), { allowed: true, reason: 'open_to_everybody' });
  });

  test('nobody is refused even where no assignment is required', () => {
    const open = { ...application, assignmentRequired: false };

    assert.deepEqual(decide(open, new Set(), null), { allowed: false, reason: 'user_disabled' });
  });

  test('a disabled user is refused though assigned', () => {
    const disabled = { ...ada, enabled: false };

    assert.deepEqual(decide(application, new Set(['ada']), disabled), {
      allowed: false,
      reason: 'user_disabled',
    });
  });

  test('a disabled application refuses even where the backend would decide', () => {
    const off = { ...application, preAuthentication: 'passthrough', enabled: false } as const;

    assert.deepEqual(decide(off, new Set(), null), { allowed: false, reason: 'application_disabled' });
  });

  test('a passthrough application leaves the decision to its backend', () => {
    const open = { ...application, preAuthentication: 'passthrough' } as const;

    assert.deepEqual(decide(open, new Set(), null), { allowed: true, reason: 'passthrough' });
  });
});
