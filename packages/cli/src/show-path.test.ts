import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ApplicationTest, TestHop } from '@postern/protocol/admin/application-test';
import type { OutsideHop } from './path-outside.ts';
import { formatPath, type PathTestResult } from './show-path.ts';

const well = { state: 'passed', code: null, remedy: null } as const;

const outside: OutsideHop[] = [
  { ...well, hop: 'dns', startMs: 0, durationMs: 5, detail: '203.0.113.7' },
  { ...well, hop: 'connect', startMs: 5, durationMs: 15, detail: '203.0.113.7:443' },
];

const hops: TestHop[] = [
  { ...well, hop: 'admission', startMs: 0, durationMs: 0.4, detail: 'ada is let in' },
  {
    hop: 'backendConnect',
    state: 'failed',
    startMs: 0.4,
    durationMs: 1.2,
    detail: 'http://10.0.0.5:8080: connect ECONNREFUSED 10.0.0.5:8080',
    code: 'backend_refused',
    remedy:
      'Is the application running, and does it listen at 10.0.0.5:8080? Try from rack-1: curl -v http://10.0.0.5:8080/',
  },
  { ...well, hop: 'answer', state: 'notRun', startMs: null, durationMs: null, detail: 'not reached' },
];

function resultOf(inside: Partial<ApplicationTest> = {}): PathTestResult {
  const url = 'https://wiki.example.com/';
  return {
    application: 'Wiki',
    url,
    outcome: 'failed',
    outside,
    inside: {
      applicationId: 'a',
      displayName: 'Wiki',
      url,
      requestId: 'r-1',
      testedDateTime: '2026-01-01T00:00:00.000Z',
      outcome: 'failed',
      status: null,
      redirectsTo: null,
      totalMs: 1.6,
      hops,
      ...inside,
    },
  };
}

describe('the waterfall of a test', () => {
  test('fits into 80 columns, with the remedy under what failed', () => {
    assert.deepEqual(formatPath(resultOf(), 80, false).split('\n'), [
      'Wiki  https://wiki.example.com/',
      '',
      'From this machine to the service',
      '✔ DNS          203.0.113.7                           5.0 ms  ████▊',
      '✔ TCP connect  203.0.113.7:443                      15.0 ms      ██████████████▎',
      '',
      'Through the service, as request r-1',
      '✔ Admission    ada is let in                         0.4 ms  ████▊',
      '✖ Backend TCP  http://10.0.0.5:8080: connect         1.2 ms      ██████████████▎',
      '               ECONNREFUSED 10.0.0.5:8080',
      '               Do this: Is the application running, and does it listen at',
      '               10.0.0.5:8080? Try from rack-1: curl -v http://10.0.0.5:8080/',
      '– Answer       not reached',
      '',
      'It does not work: Backend TCP.',
    ]);
  });

  test('says where to see the same in a browser, where it works', () => {
    const works: PathTestResult = { ...resultOf({ status: 200, hops: [hops[0]!] }), outcome: 'passed' };

    assert.deepEqual(formatPath(works, 80, false).split('\n').slice(-4), [
      '',
      'It works: answers 200 in 1.6 ms, most of it in “Admission”, which took 0.4 ms.',
      'In a browser: https://wiki.example.com/.postern/timing?on shows these times in',
      'its network tab.',
    ]);
  });

  test('is as wide as a page where there is no terminal, and never wider', () => {
    for (const columns of [undefined, 100, 240]) {
      const lines = formatPath(resultOf(), columns, false).split('\n');
      assert.equal(Math.max(...lines.map(line => line.length)), 100);
    }
  });

  test('keeps what backends say from moving the cursor or colouring the terminal', () => {
    const evil = { ...hops[0]!, detail: 'a\u001b[2Jb\r\nc' };
    const printed = formatPath(resultOf({ hops: [evil], redirectsTo: '/\u001b]0;x\u0007' }), 80, false);

    assert.doesNotMatch(printed, /[\u0000-\u0009\u000b-\u001f]/);
  });
});
