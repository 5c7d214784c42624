import assert from 'node:assert/strict';
import http2, { type IncomingHttpHeaders } from 'node:http2';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { upgradeAccepted, upgradeFields } from '../testbed/raw-websocket.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

let backend: RawBackend;
let bed: Testbed;
const wiki = 'wiki.bed.localhost';
const open = 'open.bed.localhost';
const plain = 'plain.bed.localhost';

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    users: ['zoë'],
    applications: [
      {
        name: 'wiki',
        internalUrl: backend.url,
        assignedTo: ['ada', 'zoë'],
        publishing: {
          customHeaders: {
            setRequestHeaders: [
              { name: 'Remote-User', value: '{user.userPrincipalName}' },
              { name: 'X-Who', value: '{user.displayName} <{user.id}>' },
              { name: 'X-Mail', value: '{user.mail}' },
              { name: 'User-Agent', value: 'Postern' },
              { name: 'X-Trace', value: '{request.id}' },
              { name: 'X-Real-IP', value: '{client.address}' },
            ],
            removeRequestHeaders: ['Referer', 'X-Debug'],
            setResponseHeaders: [
              { name: 'X-Request-Id', value: '{request.id}' },
              { name: 'Server', value: 'hidden' },
              { name: 'X-For', value: '{user.userPrincipalName}' },
            ],
            removeResponseHeaders: ['X-Powered-By'],
          },
          securityHeaders: {
            noSniff: true,
            frameOptions: 'sameOrigin',
            strictTransportSecurityMaxAge: 3_600,
          },
        },
      },
      {
        name: 'open',
        internalUrl: backend.url,
        passthrough: true,
        publishing: {
          isHttpOnlyCookieEnabled: false,
          robotsTxt: 'fromApplication',
          customHeaders: { setRequestHeaders: [{ name: 'Remote-User', value: '{user.userPrincipalName}' }] },
        },
      },
      { name: 'plain', internalUrl: backend.url, passthrough: true },
    ],
  });
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

beforeEach(() => backend.reset());

/** A backend that says the same to whoever asks, once the head is there. */
function says(answer: string) {
  return (connection: BackendConnectionLog) => {
    void connection.until('\r\n\r\n').then(() => connection.send(answer));
  };
}

function request(host: string, fields: string, path = '/'): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${fields}\r\n`;
}

/** One request over HTTP/2, with its answer's head and body. */
async function ask(
  host: string,
  fields: Record<string, string | string[]>,
): Promise<{ head: IncomingHttpHeaders; body: string }> {
  const socket = await bed.connect(host, ['h2']);
  const session = http2.connect(`https://${host}:${bed.port}`, { createConnection: () => socket });
  try {
    const stream = session.request({ ':path': '/', ...fields });
    const head = await new Promise<IncomingHttpHeaders>((resolve, reject) => {
      stream.once('response', resolve);
      stream.once('error', reject);
    });
    let body = '';
    for await (const chunk of stream) body += String(chunk);
    return { head, body };
  } finally {
    session.destroy();
  }
}

/** Field lines of the first request that reached the backend. */
function received(): string[] {
  return backend.received.split('\r\n\r\n')[0]!.split('\r\n').slice(1);
}

const forged = [
  'Remote-User: root',
  'REMOTE_USER: root',
  'remote-user: root',
  'x_who: root',
  'X-Who: root',
  'X_Real_IP: 6.6.6.6',
  'X-Mail: root@example.com',
  'x-trace: forged',
];

describe('headers for the backend', () => {
  test('carry claims of the person, and nothing that a client says under their names (threat C1)', async () => {
    const fields = `Cookie: ${bed.cookie('wiki')}\r\n${forged.join('\r\n')}\r\nReferer: https://x/\r\nX-Debug: 1\r\nUser-Agent: curl\r\nX-Keep: 1\r\n`;

    await bed.exchange(wiki, request(wiki, fields));

    const lines = received();
    assert.ok(lines.includes('Remote-User: ada'), lines.join('\n'));
    assert.ok(lines.includes(`X-Who: ada <${bed.userId('ada')}>`));
    assert.ok(lines.includes('User-Agent: Postern'));
    assert.ok(lines.includes('X-Real-IP: 127.0.0.1'));
    assert.ok(lines.includes('X-Keep: 1'));
    const id = lines.find(line => line.startsWith('X-Request-Id: '))!.slice('X-Request-Id: '.length);
    assert.ok(lines.includes(`X-Trace: ${id}`));
    // Ada has no mail address: half a header would be taken for a whole.
    assert.doesNotMatch(backend.received, /root|forged|6\.6\.6\.6|^x-mail|^referer|^x-debug|curl/im);
  });

  test('the same over HTTP/2', async () => {
    await ask(wiki, {
      cookie: bed.cookie('wiki'),
      'remote-user': 'root',
      remote_user: 'root',
      'x-who': ['root', 'root'],
      'x-debug': '1',
      'user-agent': 'curl',
    });

    const lines = received();
    assert.ok(lines.includes('Remote-User: ada'), lines.join('\n'));
    assert.ok(lines.includes('User-Agent: Postern'));
    assert.doesNotMatch(backend.received, /root|x-debug|curl/i);
  });

  test('cannot be named away by Connection (threat C2), nor be repeated in trailers', async () => {
    const fields = `Cookie: ${bed.cookie('wiki')}\r\nConnection: remote-user, x-who\r\nTransfer-Encoding: chunked\r\n`;
    await bed.exchange(
      wiki,
      `POST / HTTP/1.1\r\nHost: ${wiki}\r\nConnection: close\r\n${fields}\r\n0\r\nRemote-User: root\r\nX-Forwarded-User-Id: root\r\nX-Sum: 7\r\n\r\n`,
    );

    assert.ok(received().includes('Remote-User: ada'));
    assert.doesNotMatch(backend.received, /root/);
    assert.match(backend.received, /\r\n0\r\nX-Sum: 7\r\n\r\n$/);
  });

  test('a name that is not plain ASCII is percent-encoded', async () => {
    await bed.exchange(wiki, request(wiki, `Cookie: ${bed.cookie('wiki', 'zoë')}\r\n`));

    assert.ok(received().includes('Remote-User: zo%C3%AB'), backend.received);
  });

  test('follow each request: two on one connection have ids of their own, another person another name', async () => {
    const client = new RawClient(await bed.connect(wiki));
    const get = (user: string) =>
      `GET / HTTP/1.1\r\nHost: ${wiki}\r\nCookie: ${bed.cookie('wiki', user)}\r\n\r\n`;
    for (const user of ['ada', 'ada', 'ada', 'zoë']) await client.ask(get(user));
    client.destroy();

    const traces = [...backend.received.matchAll(/^X-Trace: (.*)\r$/gm)].map(match => match[1]);
    const ids = [...backend.received.matchAll(/^X-Request-Id: (.*)\r$/gm)].map(match => match[1]);
    const users = [...backend.received.matchAll(/^Remote-User: (.*)\r$/gm)].map(match => match[1]);
    assert.deepEqual(traces, ids);
    assert.equal(new Set(traces).size, 4);
    assert.deepEqual(users, ['ada', 'ada', 'ada', 'zo%C3%AB']);
  });

  test('nobody is signed in at a passthrough application: the header is not sent, and a client cannot send it', async () => {
    await bed.exchange(open, request(open, 'Remote-User: root\r\nRemote_User: root\r\n'));

    assert.doesNotMatch(backend.received, /remote.user/i);
  });
});

describe('headers for the client', () => {
  const answer =
    'HTTP/1.1 200 OK\r\nServer: Apache/2.4.1\r\nX-POWERED-BY: PHP\r\nX-For: mallory\r\nX-Own: 1\r\nContent-Length: 2\r\n\r\nhi';

  test('are set in place of the backend’s and taken out', async () => {
    backend.onConnection = says(answer);

    const got = await bed.exchange(wiki, request(wiki, `Cookie: ${bed.cookie('wiki')}\r\n`));

    const id = /^X-Request-Id: (.*)\r$/m.exec(backend.received)![1];
    assert.match(got, /^Server: hidden\r$/m);
    assert.match(got, /^x-for: ada\r$/m);
    assert.match(got, new RegExp(`^x-request-id: ${id}\r$`, 'm'));
    assert.match(got, /^X-Own: 1\r$/m);
    assert.match(got, /^x-content-type-options: nosniff\r$/m);
    assert.match(got, /^strict-transport-security: max-age=3600\r$/m);
    assert.match(got, /^content-security-policy: frame-ancestors 'self'\r$/m);
    assert.match(got, /^x-frame-options: SAMEORIGIN\r$/m);
    assert.doesNotMatch(got, /Apache|PHP|mallory/);
    assert.match(got, /\r\n\r\nhi$/);
  });

  test('the same over HTTP/2', async () => {
    backend.onConnection = says(answer);

    const { head, body } = await ask(wiki, { cookie: bed.cookie('wiki') });

    assert.equal(head.server, 'hidden');
    assert.equal(head['x-for'], 'ada');
    assert.equal(head['x-own'], '1');
    assert.equal(head['x-content-type-options'], 'nosniff');
    assert.equal(head['x-powered-by'], undefined);
    assert.match(String(head['x-request-id']), /^[0-9a-f]{12}-/);
    assert.equal(body, 'hi');
  });

  test('presets leave the backend’s own word alone', async () => {
    backend.onConnection = says(
      'HTTP/1.1 200 OK\r\nX-Frame-Options: DENY\r\nStrict-Transport-Security: max-age=99; preload\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 0\r\n\r\n',
    );

    const got = await bed.exchange(wiki, request(wiki, `Cookie: ${bed.cookie('wiki')}\r\n`));

    assert.match(got, /^X-Frame-Options: DENY\r$/m);
    assert.match(got, /^Strict-Transport-Security: max-age=99; preload\r$/m);
    assert.equal(got.match(/^x-content-type-options:/gim)!.length, 1);
    assert.doesNotMatch(got, /frame-ancestors|SAMEORIGIN|max-age=3600/);
  });

  test('an application without any gets the backend’s head as it is', async () => {
    backend.onConnection = says(answer);

    const got = await bed.exchange(plain, request(plain, ''));

    assert.match(
      got,
      /^HTTP\/1\.1 200 OK\r\nServer: Apache\/2\.4\.1\r\nX-POWERED-BY: PHP\r\nX-For: mallory\r\n/,
    );
  });

  test('come with the answer to a WebSocket, too', async () => {
    backend.onConnection = says(upgradeAccepted);
    const client = new RawClient(await bed.connect(wiki));
    client.send(
      `GET /ws HTTP/1.1\r\nHost: ${wiki}\r\nCookie: ${bed.cookie('wiki')}\r\nOrigin: https://${wiki}:${bed.port}\r\n${upgradeFields}\r\n`,
    );

    const got = await client.until('\r\n\r\n');
    client.destroy();

    assert.match(got, /^HTTP\/1\.1 101 /);
    assert.match(got, /^Server: hidden\r$/m);
    assert.ok(received().includes('Remote-User: ada'));
  });
});

describe('cookies', () => {
  const answer =
    'HTTP/1.1 200 OK\r\nSet-Cookie: sid=1; Path=/ \r\nSet-Cookie: \r\nSet-Cookie: a=b; HTTPONLY; secure\r\nset-cookie: csrftoken=t;\r\nContent-Length: 0\r\n\r\n';

  test('of a backend get HttpOnly and Secure where they are missing', async () => {
    backend.onConnection = says(answer);

    const got = await bed.exchange(plain, request(plain, ''));

    assert.deepEqual(got.match(/^set-cookie:.*(?=\r)/gim), [
      'Set-Cookie: sid=1; Path=/; HttpOnly; Secure',
      'Set-Cookie: ',
      'Set-Cookie: a=b; HTTPONLY; secure',
      'set-cookie: csrftoken=t; Secure',
    ]);
  });

  test('the same over HTTP/2', async () => {
    backend.onConnection = says(answer);

    const { head } = await ask(plain, {});

    assert.deepEqual(head['set-cookie'], [
      'sid=1; Path=/; HttpOnly; Secure',
      '',
      'a=b; HTTPONLY; secure',
      'csrftoken=t; Secure',
    ]);
  });

  test('keep out of HttpOnly where the application asks for it', async () => {
    backend.onConnection = says(answer);

    const got = await bed.exchange(open, request(open, ''));

    assert.match(got, /^Set-Cookie: sid=1; Path=\/; Secure\r$/m);
  });
});

describe('/robots.txt', () => {
  test('asks search engines to stay away, without signing anybody in', async () => {
    for (const [host, method] of [
      [wiki, 'GET'],
      [plain, 'GET'],
      [plain, 'HEAD'],
    ] as const) {
      const got = await bed.exchange(
        host,
        `${method} /robots.txt?x HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );

      assert.match(got, /^HTTP\/1\.1 200 /);
      assert.match(got, /^content-type: text\/plain/m);
      assert.match(got, method === 'GET' ? /\r\n\r\nUser-agent: \*\nDisallow: \/\n$/ : /\r\n\r\n$/);
    }
    const { body } = await ask(wiki, { ':path': '/robots.txt' });
    assert.equal(body, 'User-agent: *\nDisallow: /\n');
    assert.equal(backend.connections.length, 0);
  });

  test('comes from the application where it is set so, and other paths and methods always do', async () => {
    await bed.exchange(open, request(open, '', '/robots.txt'));
    await bed.exchange(plain, request(plain, '', '/robots.txt/'));
    await bed.exchange(plain, request(plain, '', '/Robots.txt'));
    await bed.exchange(
      plain,
      `POST /robots.txt HTTP/1.1\r\nHost: ${plain}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    );

    assert.deepEqual(backend.requestLines, [
      'GET /robots.txt HTTP/1.1',
      'GET /robots.txt/ HTTP/1.1',
      'GET /Robots.txt HTTP/1.1',
      'POST /robots.txt HTTP/1.1',
    ]);
  });
});

describe('what cannot be a header is refused with the reason', () => {
  for (const [publishing, reason] of [
    [{ customHeaders: { setRequestHeaders: [{ name: 'Host', value: 'x' }] } }, /the relay writes it/],
    [
      { customHeaders: { setRequestHeaders: [{ name: 'content-length', value: '1' }] } },
      /frames the message/,
    ],
    [{ customHeaders: { removeRequestHeaders: ['Transfer-Encoding'] } }, /frames the message/],
    [{ customHeaders: { setResponseHeaders: [{ name: 'Connection', value: 'x' }] } }, /frames the message/],
    [
      { customHeaders: { setResponseHeaders: [{ name: 'Set-Cookie', value: 'a=b' }] } },
      /isHttpOnlyCookieEnabled/,
    ],
    [{ customHeaders: { setRequestHeaders: [{ name: 'X-Postern-User-Id', value: '1' }] } }, /service’s own/],
    [{ customHeaders: { setRequestHeaders: [{ name: 'X-Forwarded-User', value: '1' }] } }, /identityHeaders/],
    [
      { customHeaders: { setRequestHeaders: [{ name: 'X_Who', value: '1' }] } },
      /letters, digits and hyphens/,
    ],
    [
      { customHeaders: { setRequestHeaders: [{ name: 'X-A', value: '{user.age}' }] } },
      /none of \{user\.userPrincipalName\}/,
    ],
    [{ customHeaders: { setRequestHeaders: [{ name: 'X-A', value: 'a\r\nb: c' }] } }, /printable ASCII/],
    [{ customHeaders: { setRequestHeaders: [{ name: 'X-A', value: 'Zoë' }] } }, /printable ASCII/],
    [{ customHeaders: { setRequestHeaders: [{ name: 'X-A', value: '{user.id' }] } }, /without its \}/],
    [
      {
        customHeaders: {
          setRequestHeaders: [
            { name: 'X-A', value: '1' },
            { name: 'x-a', value: '2' },
          ],
        },
      },
      /names a header twice/,
    ],
    [{ isSecureCookieEnabled: false }, /__Host-/],
    [{ securityHeaders: { frameOptions: 'sometimes' } }, /any/],
  ] as const) {
    test(JSON.stringify(publishing), async () => {
      const { status, body } = await bed.api('PATCH', `/applications/${bed.applicationId('plain')}`, {
        onPremisesPublishing: publishing,
      });

      assert.equal(status, 400, JSON.stringify(body));
      assert.match(JSON.stringify(body), reason);
      assert.match(JSON.stringify(body), /customHeaders|isSecureCookieEnabled|securityHeaders/);
    });
  }
});

test('a change is in effect without a restart, and what was in flight goes on', async () => {
  const id = bed.applicationId('plain');
  const ask = () => bed.exchange(plain, request(plain, ''));
  assert.doesNotMatch(await ask(), /x-new/i);

  const { status } = await bed.api('PATCH', `/applications/${id}`, {
    onPremisesPublishing: { customHeaders: { setResponseHeaders: [{ name: 'X-New', value: '1' }] } },
  });

  assert.equal(status, 204);
  const deadline = performance.now() + 30_000;
  let got = await ask();
  while (!/^X-New: 1\r$/m.test(got) && performance.now() < deadline) got = await ask();
  assert.match(got, /^X-New: 1\r$/m);
});
