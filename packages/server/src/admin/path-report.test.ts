import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PathFacts } from '../feed/path-facts.ts';
import { reportOf, type TestSubject } from './path-report.ts';

const subject: TestSubject = {
  applicationId: 'a',
  displayName: "Ada's wiki",
  url: 'https://wiki.example.com/',
  internalUrl: 'https://wiki.corp.example/',
  userName: 'ada',
  isPassthrough: false,
  groupName: 'Default',
  connectors: [{ id: 'c', machineName: 'rack-1', state: 'live' }],
  testedAt: 0,
};

const none = { edge: 0.1, queue: 0.2, tunnel: null, dns: null, connect: null, tls: null, backend: 9 };

const answered: PathFacts = {
  requestId: 'r-1',
  refusal: null,
  failure: null,
  connectorId: 'c',
  wasOpened: true,
  address: null,
  status: 200,
  location: null,
  contentType: 'text/html',
  bytes: 1,
  times: none,
  contentMs: 1,
  totalMs: 12,
};

describe('what a test tells', () => {
  test('of a connector that is too old to say how long it took: that, and no times', () => {
    const { outcome, hops } = reportOf(answered, subject);

    assert.equal(outcome, 'passed');
    for (const name of ['tunnel', 'backendDns', 'backendConnect', 'backendTls']) {
      const found = hops.find(({ hop }) => hop === name);
      assert.equal(found?.durationMs, null, name);
      assert.match(found?.detail ?? '', /too old to say/);
    }
  });

  test('commands that a shell takes, whatever the application is called', () => {
    const { hops } = reportOf({ ...answered, refusal: 'not_allowed' }, subject);

    assert.match(hops[0]!.remedy!, /postern app assign 'Ada'\\''s wiki' ada\./);
  });

  test('which connectors take no new requests, and how to change that', () => {
    const drained: TestSubject = {
      ...subject,
      connectors: [{ id: 'c', machineName: 'rack-1', state: 'draining' }],
    };
    const failure = { code: 'no_connector', hop: 'tunnel', detail: '' };
    const { outcome, hops } = reportOf(
      { ...answered, failure, connectorId: null, wasOpened: false, status: 0, contentMs: null },
      drained,
    );

    const connector = hops.find(({ hop }) => hop === 'connector');
    assert.equal(outcome, 'failed');
    assert.match(connector!.detail, /take no new requests \(rack-1\)/);
    assert.match(connector!.remedy!, /postern connector resume rack-1/);
    assert.equal(hops.find(({ hop }) => hop === 'answer')!.state, 'notRun');
  });

  test('that a redirect leads where nobody outside can follow', () => {
    const inside = { ...answered, status: 302, location: 'https://wiki.corp.example/login' };
    const { hops } = reportOf(inside, subject);

    const answer = hops.find(({ hop }) => hop === 'answer');
    assert.deepEqual([answer!.state, answer!.code], ['warning', 'redirect_inside']);
    assert.match(answer!.remedy!, /--translate-headers/);
  });
});
