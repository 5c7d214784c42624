import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openAdminApi } from './testing.ts';

describe('POST /alerts/test', () => {
  test('says of every channel what became of the alert', async () => {
    await using api = await openAdminApi();
    api.alertResults.push({
      channel: 'mail',
      status: 'failed',
      detail: 'mail.example:587 did not answer in time.',
      remedy: 'Let this machine make connections to mail.example:587.',
    });

    const answer = await api.call('application', 'POST', 'alerts/test');

    assert.equal(answer.statusCode, 200);
    assert.deepEqual(answer.json(), { value: api.alertResults });
  });

  test('needs a role', async () => {
    await using api = await openAdminApi();

    const answer = await api.call('nobody', 'POST', 'alerts/test');

    assert.equal(answer.statusCode, 403);
    assert.match(answer.json().error.message, /Application Administrator/);
  });
});
