import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publishingDefaults } from '@postern/protocol/admin/publishing';
import type { StoredPublishing } from '../directory/publishing.ts';
import type { BackendReport } from '../feed/backend-reports.ts';
import { representHealth } from './backend-health.ts';

const publishing: StoredPublishing = {
  ...publishingDefaults,
  externalUrl: 'https://wiki.example.com/',
  internalUrl: 'http://wiki-1:8080/app/',
  backends: [{ url: 'http://wiki-2:8080/', weight: 3, isBackup: true }],
};

const connectors = [
  { id: 'a', machineName: 'edge01', revokedAt: null },
  { id: 'b', machineName: 'edge02', revokedAt: null },
  { id: 'c', machineName: 'edge03', revokedAt: 1 },
];

const report = (origin: string, state: BackendReport['state'], code: string | null): BackendReport => ({
  origin,
  connectorId: 'a',
  state,
  since: 1_000,
  lastFailure: code === null ? null : { code, hop: 'connector', detail: 'said', at: 2_000 },
});

test('each backend is shown through each connector, with a remedy, and who has no tunnel as such', () => {
  const shown = representHealth(publishing, connectors, [
    report('http://wiki-1:8080', 'healthy', null),
    report('http://wiki-2:8080', 'unhealthy', 'dial_not_allowed'),
  ]);

  assert.deepEqual(
    shown.map(({ url, weight, isBackup }) => [url, weight, isBackup]),
    [
      ['http://wiki-1:8080/app/', 1, false],
      ['http://wiki-2:8080/', 3, true],
    ],
  );
  const offline = {
    connectorId: 'b',
    machineName: 'edge02',
    state: 'offline',
    sinceDateTime: null,
    lastFailure: null,
  };
  assert.deepEqual(shown[0]!.connectors, [
    {
      connectorId: 'a',
      machineName: 'edge01',
      state: 'healthy',
      sinceDateTime: '1970-01-01T00:00:01.000Z',
      lastFailure: null,
    },
    offline,
  ]);
  assert.deepEqual(shown[1]!.connectors, [
    {
      connectorId: 'a',
      machineName: 'edge01',
      state: 'unhealthy',
      sinceDateTime: '1970-01-01T00:00:01.000Z',
      lastFailure: {
        code: 'dial_not_allowed',
        hop: 'connector',
        detail: 'said',
        remedy: 'The allow-list of edge01 (Config/connector.json) does not have this backend: add it there.',
        dateTime: '1970-01-01T00:00:02.000Z',
      },
    },
    offline,
  ]);
});

test('of several nodes who knows the worst is believed, and a wildcard has no backend to show', () => {
  const origin = 'http://wiki-1:8080';
  const [shown] = representHealth(publishing, connectors, [
    report(origin, 'healthy', null),
    report(origin, 'unhealthy', 'backend_refused'),
    report(origin, 'unknown', null),
  ]);

  assert.equal(shown!.connectors[0]!.state, 'unhealthy');
  const wildcard = { ...publishing, internalUrl: 'http://*.corp.example/', backends: [] };
  assert.deepEqual(representHealth(wildcard, connectors, []), []);
});
