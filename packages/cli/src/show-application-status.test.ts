import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fullStatus, shortStatus } from './show-application-status.ts';

test('an application without addresses is not published, and waits for no request', () => {
  const application = {
    onPremisesPublishing: null,
    status: { state: 'unknown', hop: null, code: null, sinceDateTime: null, observedDateTime: null },
  } as const;

  assert.equal(shortStatus(application), 'not published');
  assert.match(fullStatus(application), /^not published: it has no addresses yet/);
});
