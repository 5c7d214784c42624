import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type CustomHeaders,
  headerDefaults,
  type SecurityHeaders,
} from '@postern/protocol/admin/publishing-headers';
import { HeadReader, MessageHead } from '../http1/head.ts';
import {
  type ClaimSource,
  claimLines,
  commonLines,
  isDropped,
  prepareRequestHeaders,
  prepareResponseHeaders,
  requestLines,
  responseList,
} from './custom-headers.ts';

const nobody: ClaimSource = {
  session: null,
  route: { application: { id: 'app-1' } },
  requestId: 'id-1',
  clientAddress: '192.0.2.7',
};

function person(user: Partial<NonNullable<ClaimSource['session']>['user']> = {}): ClaimSource {
  const whole = {
    id: 'u-1',
    userPrincipalName: 'ada',
    displayName: 'Ada',
    mail: 'ada@x.example',
    groupIds: [],
    ...user,
  };
  return { ...nobody, session: { user: whole } };
}

function lines(fields: CustomHeaders['setRequestHeaders'], source: ClaimSource): string {
  const prepared = prepareRequestHeaders({ ...headerDefaults.customHeaders, setRequestHeaders: fields })!;
  return requestLines([...prepared.fields, ...prepared.perRequest], source, new Set(['x-forwarded-user']));
}

describe('values of request headers', () => {
  for (const [value, sent] of [
    ['plain', 'plain'],
    ['{user.userPrincipalName}', 'ada'],
    ['Name {user.displayName} <{user.mail}>', 'Name Ada <ada@x.example>'],
    [
      '{user.id} at {application.id} from {client.address} in {request.id}',
      'u-1 at app-1 from 192.0.2.7 in id-1',
    ],
    ['{{"a":"{user.id}"}}', '{"a":"u-1"}'],
    ['', ''],
  ]) {
    test(`${value} is sent as ${sent}`, () => {
      assert.equal(lines([{ name: 'X-Value', value: value! }], person()), `X-Value: ${sent}\r\n`);
    });
  }

  test('groups are their ids; more than 200 are none, since half of a list would be taken for all', () => {
    const fields = [{ name: 'X-Groups', value: '{user.groups}' }];
    const ids = Array.from({ length: 201 }, (_, index) => `g${index}`);

    assert.equal(lines(fields, person({ groupIds: ['g1', 'g2'] })), 'X-Groups: g1,g2\r\n');
    assert.equal(lines(fields, person({ groupIds: ids })), '');
    assert.equal(lines(fields, person({ groupIds: [] })), '');
  });

  test('a claim that is empty, or of nobody, leaves the header out', () => {
    const fields = [{ name: 'X-Mail', value: 'mail {user.mail}' }];

    assert.equal(lines(fields, person({ mail: null })), '');
    assert.equal(lines(fields, nobody), '');
  });

  for (const [what, displayName, sent] of [
    ['line ends and NUL', 'Ada\r\nX-Admin: 1\0', 'Ada%0D%0AX-Admin%3A 1%00'],
    ['other letters', 'Zoë 李', 'Zo%C3%AB %E6%9D%8E'],
    ['a percent sign', '100% Ada', '100%25 Ada'],
    ['half of a surrogate pair', 'A\ud800', 'A%EF%BF%BD'],
    ['braces', '{user.id}', '{user.id}'],
  ]) {
    test(`${what} in a claim: percent-encoded as the identity headers are`, () => {
      assert.equal(
        lines([{ name: 'X-Name', value: '{user.displayName}' }], person({ displayName: displayName! })),
        `X-Name: ${sent}\r\n`,
      );
    });
  }

  test('a name that the service itself sends is left out', () => {
    assert.equal(lines([{ name: 'X-Forwarded-User', value: 'root' }], person()), '');
  });

  test('what names the request id is worked out anew for each request, everything else is not', () => {
    const prepared = prepareRequestHeaders({
      ...headerDefaults.customHeaders,
      setRequestHeaders: [
        { name: 'X-A', value: '{user.id}' },
        { name: 'X-B', value: '{request.id}' },
      ],
    })!;

    assert.deepEqual(
      prepared.fields.map(field => field.name),
      ['X-A'],
    );
    assert.deepEqual(
      prepared.perRequest.map(field => field.name),
      ['X-B'],
    );
  });

  test('an application that sets and removes nothing has nothing prepared', () => {
    assert.equal(prepareRequestHeaders(undefined), null);
    assert.equal(prepareRequestHeaders(headerDefaults.customHeaders), null);
    assert.equal(prepareResponseHeaders(headerDefaults.customHeaders, headerDefaults.securityHeaders), null);
  });
});

function answer(...fields: string[]): MessageHead {
  const text = `HTTP/1.1 200 OK\r\n${fields.map(field => `${field}\r\n`).join('')}Content-Length: 0\r\n\r\n`;
  const bytes = Buffer.from(text, 'latin1');
  const head = new MessageHead();
  const limits = { maxHeadBytes: 65_536, maxFields: 100, maxTargetBytes: 1_000 };
  assert.ok(new HeadReader().readResponse(bytes, 0, bytes.length, limits, 'GET', head));
  return head;
}

function preset(security: Partial<SecurityHeaders>, custom: Partial<CustomHeaders> = {}) {
  return prepareResponseHeaders(
    { ...headerDefaults.customHeaders, ...custom },
    { ...headerDefaults.securityHeaders, ...security },
  )!;
}

describe('presets speak where the backend says nothing', () => {
  const all = { strictTransportSecurityMaxAge: 60, noSniff: true, referrerPolicy: 'same-origin' } as const;

  test('each is sent with an answer that has none of them', () => {
    assert.deepEqual(responseList(preset({ ...all, frameOptions: 'deny' }), answer(), nobody), [
      'strict-transport-security',
      'max-age=60',
      'x-content-type-options',
      'nosniff',
      'content-security-policy',
      "frame-ancestors 'none'",
      'x-frame-options',
      'DENY',
      'referrer-policy',
      'same-origin',
    ]);
  });

  for (const [said, security] of [
    ['Strict-Transport-Security: max-age=1', { strictTransportSecurityMaxAge: 60 }],
    ['X-Content-Type-Options: nosniff', { noSniff: true }],
    ['REFERRER-POLICY: no-referrer', { referrerPolicy: 'origin' }],
    ['X-Frame-Options: DENY', { frameOptions: 'sameOrigin' }],
    [
      "Content-Security-Policy: default-src 'self'; Frame-Ancestors https://x.example",
      { frameOptions: 'deny' },
    ],
  ] as const) {
    test(`${said} stays the only word`, () => {
      assert.deepEqual(responseList(preset(security), answer(said), nobody), []);
      assert.equal(commonLines(preset(security), answer(said)).length, 0);
    });
  }

  test('a policy without frame-ancestors leaves frames open, so the preset is added to it', () => {
    const list = responseList(
      preset({ frameOptions: 'sameOrigin' }),
      answer("Content-Security-Policy: default-src 'self'"),
      nobody,
    );

    assert.deepEqual(list, [
      'content-security-policy',
      "frame-ancestors 'self'",
      'x-frame-options',
      'SAMEORIGIN',
    ]);
  });

  test('what the application removes was not said; what it sets takes the place of the preset', () => {
    const removed = preset({ noSniff: true }, { removeResponseHeaders: ['x-content-type-options'] });
    const set = preset(
      { referrerPolicy: 'origin' },
      { setResponseHeaders: [{ name: 'Referrer-Policy', value: 'no-referrer' }] },
    );

    const head = answer('X-Content-Type-Options: none');
    assert.ok(isDropped(removed.dropped, head, 0));
    assert.deepEqual(responseList(removed, head, nobody), ['x-content-type-options', 'nosniff']);
    assert.deepEqual(responseList(set, answer(), nobody), ['referrer-policy', 'no-referrer']);
  });

  test('includeSubDomains is said where it is set', () => {
    const headers = preset({
      strictTransportSecurityMaxAge: 31_536_000,
      strictTransportSecurityIncludeSubDomains: true,
    });

    assert.equal(
      commonLines(headers, answer()).toString(),
      'strict-transport-security: max-age=31536000; includeSubDomains\r\n',
    );
  });
});

describe('response headers', () => {
  test('those without claims are bytes that are made once; those with claims follow', () => {
    const headers = preset(
      {},
      {
        setResponseHeaders: [
          { name: 'X-Request-Id', value: '{request.id}' },
          { name: 'X-Served-By', value: 'postern' },
        ],
      },
    );

    assert.equal(headers.lines.toString(), 'X-Served-By: postern\r\n');
    assert.equal(
      commonLines(headers, answer()).toString() + claimLines(headers, nobody),
      'X-Served-By: postern\r\nx-request-id: id-1\r\n',
    );
  });

  test('a field of a name that is set or removed does not pass, in whatever case', () => {
    const headers = preset(
      {},
      {
        setResponseHeaders: [{ name: 'Server', value: 'x' }],
        removeResponseHeaders: ['X-Powered-By', 'X-Own'],
      },
    );
    const head = answer('SERVER: apache', 'x-powered-by: PHP', 'X-OWN: 1', 'X-Owned: 2', 'Date: now');

    assert.deepEqual(
      [0, 1, 2, 3, 4].map(index => isDropped(headers.dropped, head, index)),
      [true, true, true, false, false],
    );
  });
});
