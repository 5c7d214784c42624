import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ApplicationRecord } from '../feed/messages.ts';
import { findRoute, RouteTable } from './route-table.ts';

function application(id: string, externalUrl: string, internalUrl = 'http://10.0.0.5/'): ApplicationRecord {
  return {
    id,
    displayName: id,
    externalUrl,
    internalUrl,
    preAuthentication: 'preAuthenticated',
    connectorGroupId: 'default',
    assignmentRequired: true,
    assignedUserIds: [],
    assignedGroupIds: [],
    backendTimeoutMs: 85_000,
    translateHostHeader: true,
    validateBackendCertificate: true,
    enabled: true,
  };
}

const options = { domain: 'example.com', portSuffix: '' };

describe('RouteTable', () => {
  const table = new RouteTable(
    [
      application('root', 'https://apps.example.com/'),
      application('a', 'https://apps.example.com/a/'),
      application('ab', 'https://apps.example.com/a/b/'),
      application('other', 'https://other.example.com/only/'),
    ],
    options,
  );
  const find = (host: string, path: string) => findRoute(table.findHost(host)!, path)?.application.id;

  test('the longest published path that holds the request’s wins, segment by segment (threat B8)', () => {
    assert.equal(find('apps.example.com', '/'), 'root');
    assert.equal(find('apps.example.com', '/a/x'), 'a');
    assert.equal(find('apps.example.com', '/a'), 'a');
    assert.equal(find('apps.example.com', '/ab'), 'root');
    assert.equal(find('apps.example.com', '/a/b/c'), 'ab');
    assert.equal(find('apps.example.com', '/a/bc'), 'a');
  });

  test('outside what is published at a host there is nothing', () => {
    assert.equal(find('other.example.com', '/'), undefined);
    assert.equal(find('other.example.com', '/only/x'), 'other');
    assert.equal(table.findHost('none.example.com'), undefined);
  });

  test('the service’s own names are routes, and every host has the reserved one', () => {
    assert.equal(
      findRoute(table.findHost('portal.example.com')!, '/api/v1.0/me')?.application.preAuthentication,
      'passthrough',
    );
    assert.equal(
      findRoute(table.findHost('portal.example.com')!, '/')?.application.preAuthentication,
      'preAuthenticated',
    );
    assert.equal(findRoute(table.findHost('login.example.com')!, '/auth')?.backend, 'control');
    assert.equal(table.findHost('apps.example.com')!.reserved.backend, 'control');
  });
});
