import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execPath } from 'node:process';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { type ProxyReply, RawProxy } from '../testing/raw-proxy.ts';
import { Outbound, OutboundError, outboundFrom } from './outbound.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-outbound-'));
const passwordFile = path.join(folder, 'password');
writeFileSync(passwordFile, 'swordfish:1\n', { mode: 0o600 });
let echo: net.Server;
let echoPort: number;

before(async () => {
  echo = net.createServer(socket => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await once(echo.listen(0, '127.0.0.1'), 'listening');
  echoPort = (echo.address() as net.AddressInfo).port;
});
after(() => {
  echo.close();
  rmSync(folder, { recursive: true });
});

const toEcho = (): ProxyReply => ({ through: { host: '127.0.0.1', port: echoPort } });

/** Sends a text and waits until it has come back. */
async function roundTrip(socket: net.Socket, text: string): Promise<string> {
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) {
    answer += String(chunk);
    if (answer.length >= text.length) break;
  }
  return answer;
}

/** Listens on 127.0.0.1 alone, and takes no connection yet: its queue is full. */
class FrozenServer implements AsyncDisposable {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #queued: net.Socket[];

  private constructor(port: number, process: ChildProcess, queued: net.Socket[]) {
    this.port = port;
    this.#process = process;
    this.#queued = queued;
  }

  static async start(): Promise<FrozenServer> {
    const code = `const server = require('node:net').createServer(socket => socket.on('error', () => {}));
      server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));`;
    const process = spawn(execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = await once(process.stdout, 'data');
    const port = Number(said);
    process.kill('SIGSTOP');
    const queued: net.Socket[] = [];
    // Linux queues one more than it was told to.
    for (let count = 0; count < 2; count++) {
      const socket = net.connect(port, '127.0.0.1');
      await once(socket, 'connect');
      queued.push(socket);
    }
    return new FrozenServer(port, process, queued);
  }

  thaw(): void {
    this.#process.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#queued) socket.destroy();
    this.#process.kill('SIGKILL');
    await once(this.#process, 'exit');
  }
}

async function failure(attempt: Promise<net.Socket>): Promise<OutboundError> {
  const error = await attempt.then(
    () => assert.fail('it connected'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof OutboundError, String(error));
  return error;
}

function through(proxy: RawProxy, user = ''): Outbound {
  const settings = { proxy: `http://${user}127.0.0.1:${proxy.port}`, proxyPasswordFile: passwordFile };
  return outboundFrom(settings, {});
}

const text407 = (...challenges: string[]) =>
  `HTTP/1.1 407 Who\r\n${challenges.map(one => `Proxy-Authenticate: ${one}\r\n`).join('')}Content-Length: 2\r\n\r\nno`;

describe('an outbound connection without a proxy', () => {
  test('is a TCP connection with the host', async () => {
    const socket = await new Outbound().connect('127.0.0.1', echoPort);

    assert.equal(await roundTrip(socket, 'hello'), 'hello');
  });

  test('finds names below localhost on this machine', async () => {
    const socket = await new Outbound().connect('connect.postern.localhost', echoPort);

    assert.equal(await roundTrip(socket, 'hello'), 'hello');
  });

  test('waits for an address that is slow to answer before it tries the next', async () => {
    await using server = await FrozenServer.start();
    const connecting = new Outbound().connect('slow.localhost', server.port);
    // Longer than Node would wait by itself. TCP asks again a second after the first time.
    await setTimeout(500);
    server.thaw();
    const socket = await connecting;
    assert.equal(socket.remoteAddress, '127.0.0.1');
    socket.destroy();
  });

  test('comes to the last of several addresses within its limit', async () => {
    await using frozen = await FrozenServer.start();
    const server = net.createServer();
    await once(server.listen(frozen.port, '::1'), 'listening');

    const socket = await new Outbound().connect('slow.localhost', frozen.port, { timeoutMs: 1_501 });

    assert.equal(socket.remoteAddress, '::1');
    socket.destroy();
    server.close();
  });

  test('that nobody accepts says so, and what to allow', async () => {
    const server = net.createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as net.AddressInfo;
    await new Promise(resolve => server.close(resolve));

    const error = await failure(new Outbound().connect('127.0.0.1', port));

    assert.equal(error.code, 'unreachable');
    assert.match(error.message, new RegExp(`^127\\.0\\.0\\.1:${port} cannot be reached: .*ECONNREFUSED`));
    assert.match(error.remedy, /outbound TCP connections to 127\.0\.0\.1:/);
  });

  test('to a name that does not exist says so', async () => {
    const error = await failure(new Outbound().connect('connect.invalid', 443));

    assert.equal(error.code, 'name_not_resolved');
    assert.match(error.message, /^The name connect\.invalid cannot be resolved on this machine \(E/);
  });

  test('ends with the reason of the signal', async () => {
    const reason = new Error('enough');

    await assert.rejects(
      new Outbound().connect('127.0.0.1', echoPort, { signal: AbortSignal.abort(reason) }),
      reason,
    );
  });
});

describe('a proxy (RFC 9110 §9.3.6)', () => {
  test('gets CONNECT with the name unresolved, and carries bytes from then on', async () => {
    await using proxy = await RawProxy.start(toEcho);

    const socket = await through(proxy).connect('connect.nowhere.test', 443);

    assert.equal(await roundTrip(socket, 'hello'), 'hello');
    assert.equal(
      proxy.heads[0],
      'CONNECT connect.nowhere.test:443 HTTP/1.1\r\nhost: connect.nowhere.test:443\r\n\r\n',
    );
  });

  test('gets an IPv6 address in brackets', async () => {
    await using proxy = await RawProxy.start(toEcho);

    (await through(proxy).connect('2001:db8::7', 8443)).destroy();

    assert.match(proxy.heads[0]!, /^CONNECT \[2001:db8::7\]:8443 HTTP\/1\.1\r\n/);
  });

  test('may have an IPv6 address itself', async () => {
    await using proxy = await RawProxy.start(toEcho, '::1');

    const socket = await outboundFrom({ proxy: `http://[::1]:${proxy.port}` }, {}).connect('a.test', 443);

    assert.equal(await roundTrip(socket, 'hello'), 'hello');
  });

  test('may send what the host says in one piece with its answer', async () => {
    await using proxy = await RawProxy.start(() => ({ say: 'HTTP/1.0 200 OK\r\nVia: x\r\n\r\nSSH-2.0' }));

    const socket = await through(proxy).connect('a.test', 443);

    assert.equal(String((await once(socket, 'data'))[0]), 'SSH-2.0');
    socket.destroy();
  });

  test('is passed by where that is asked for', async () => {
    await using proxy = await RawProxy.start(toEcho);

    const socket = await through(proxy).connect('127.0.0.1', echoPort, { direct: true });

    assert.equal(await roundTrip(socket, 'hello'), 'hello');
    assert.deepEqual(proxy.heads, []);
  });

  for (const [title, say, expected] of [
    ['garbage', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', /answered with something that is not HTTP/],
    ['a SOCKS answer', Buffer.from([5, 255]), /answered with something that is not HTTP/],
    [
      'a head of a megabyte',
      `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1024 * 1024)}\r\n\r\n`,
      /answered with a head that is too long/,
    ],
    ['nothing', '', /closed the connection without an answer/],
    ['half a head', 'HTTP/1.1 200 OK\r\nVia', /closed the connection without an answer/],
  ] as const) {
    test(`that answers with ${title} is named as what is wrong`, async () => {
      await using proxy = await RawProxy.start(() => ({ say, thenClose: true }));

      const error = await failure(through(proxy).connect('a.test', 443));

      assert.equal(error.code, 'proxy_refused');
      assert.equal(error.status, null);
      assert.match(error.message, expected);
      assert.ok(error.message.length < 200);
      assert.match(
        error.message,
        new RegExp(`127\\.0\\.0\\.1:${proxy.port} \\(from Config/connector\\.json\\)`),
      );
    });
  }

  for (const [status, reason, port, remedy] of [
    [403, 'Forbidden', 443, /^Let the proxy allow the method CONNECT to a\.test:443\.$/],
    [403, 'Forbidden', 8443, /Many proxies allow CONNECT to port 443 only: allow port 8443/],
    [405, 'Method Not Allowed', 443, /allow the method CONNECT/],
    [503, 'Service Unavailable', 443, /The proxy itself could not reach a\.test:443/],
    [101, 'Switching Protocols', 443, /allow the method CONNECT/],
  ] as const) {
    test(`that answers ${status} for port ${port} is quoted, with what to change there`, async () => {
      const say = `HTTP/1.1 ${status} ${reason}\r\nContent-Length: 0\r\n\r\n`;
      await using proxy = await RawProxy.start(() => ({ say }));

      const error = await failure(through(proxy).connect('a.test', port));

      assert.equal(error.code, 'proxy_refused');
      assert.equal(error.status, status);
      assert.ok(
        error.message.endsWith(`refused the connection to a.test:${port}: ${status} ${reason}.`),
        error.message,
      );
      assert.match(error.remedy, remedy);
    });
  }

  test('that is not there is told apart from a service that is not there', async () => {
    const proxy = await RawProxy.start(toEcho);
    const outbound = through(proxy);
    await proxy[Symbol.asyncDispose]();

    const error = await failure(outbound.connect('a.test', 443));

    assert.equal(error.code, 'proxy_unreachable');
    assert.match(
      error.message,
      /^The proxy 127\.0\.0\.1:\d+ \(from Config\/connector\.json\) cannot be reached: /,
    );
  });

  test('whose name does not exist is named', async () => {
    const error = await failure(outboundFrom({ proxy: 'http://proxy.invalid' }, {}).connect('a.test', 443));

    assert.equal(error.code, 'proxy_unreachable');
    assert.match(error.message, /its name cannot be resolved on this machine/);
  });

  test('that accepts and says nothing is given up in time', async () => {
    await using proxy = await RawProxy.start(() => ({ say: '' }));

    const error = await failure(through(proxy).connect('a.test', 443, { timeoutMs: 1_000 }));

    assert.equal(error.code, 'timed_out');
    assert.match(error.message, /accepted a connection and did not answer within 1 s/);
  });

  test('is let go when the caller does not want the connection any more', async () => {
    const stop = new AbortController();
    await using proxy = await RawProxy.start(() => {
      stop.abort(new Error('enough'));
      return { say: '' };
    });

    await assert.rejects(through(proxy).connect('a.test', 443, { signal: stop.signal }), /enough/);
  });

  test('keeps a connection that is open, whatever becomes of the limits of its making', async () => {
    const stop = new AbortController();
    await using proxy = await RawProxy.start(toEcho);
    const socket = await through(proxy).connect('a.test', 443, { signal: stop.signal, timeoutMs: 5_000 });

    stop.abort();

    assert.equal(await roundTrip(socket, 'hello'), 'hello');
  });
});

describe('a proxy that wants authentication (407)', () => {
  test('gets no password before it has asked, and Basic where it asks for that', async () => {
    await using proxy = await RawProxy.start(head =>
      head.includes('proxy-authorization') ? toEcho() : { say: text407('Basic realm="The, \\"proxy\\""') },
    );

    const socket = await through(proxy, 'd%40corp@').connect('a.test', 443);

    assert.equal(await roundTrip(socket, 'hello'), 'hello');
    const expected = Buffer.from('d@corp:swordfish:1').toString('base64');
    assert.deepEqual(
      proxy.heads.map(head => /proxy-authorization: (.*)\r/.exec(head)?.[1]),
      [undefined, `Basic ${expected}`],
    );
  });

  test('is not made to ask again for later connections', async () => {
    await using proxy = await RawProxy.start(head =>
      head.includes('proxy-authorization') ? toEcho() : { say: text407('Basic realm="x"') },
    );
    const outbound = through(proxy, 'd@');

    (await outbound.connect('a.test', 443)).destroy();
    (await outbound.connect('b.test', 443)).destroy();

    assert.equal(proxy.heads.length, 3);
  });

  test('gets the strongest of what it offers', async () => {
    const digest = (algorithm: string) =>
      `Digest realm="x", nonce="n${algorithm}", algorithm=${algorithm}, qop="auth"`;
    await using proxy = await RawProxy.start(head =>
      head.includes('proxy-authorization')
        ? toEcho()
        : { say: text407('Negotiate, NTLM', 'Basic realm="x"', digest('MD5'), digest('SHA-256')) },
    );

    (await through(proxy, 'd@').connect('a.test', 443)).destroy();

    assert.match(
      proxy.heads[1]!,
      /proxy-authorization: Digest username="d", .*nonce="nSHA-256".*algorithm=SHA-256/,
    );
  });

  test('may call a nonce stale, and gets an answer to the next', async () => {
    let nonce = 0;
    await using proxy = await RawProxy.start(head => {
      if (head.includes('nonce="n2"')) return toEcho();
      nonce += 1;
      const stale = head.includes('proxy-authorization') ? ', stale=true' : '';
      return { say: text407(`Digest realm="x", nonce="n${nonce}", qop="auth"${stale}`) };
    });

    const socket = await through(proxy, 'd@').connect('a.test', 443);

    assert.equal(await roundTrip(socket, 'hello'), 'hello');
  });

  test('that does not accept the password is not asked again and again', async () => {
    await using proxy = await RawProxy.start(() => ({ say: text407('Basic realm="x"') }));

    const error = await failure(through(proxy, 'd@').connect('a.test', 443));

    assert.equal(error.code, 'proxy_authentication');
    assert.match(error.message, /did not accept the password of d \(407\)/);
    assert.doesNotMatch(`${error.message} ${error.remedy}`, /swordfish/);
    assert.equal(proxy.heads.length, 2);
  });

  test('is told nobody where no user is set: the schemes are listed, and where to set one', async () => {
    await using proxy = await RawProxy.start(() => ({
      say: text407('Basic realm="x"', 'Digest realm="x", nonce="n"'),
    }));

    const error = await failure(through(proxy).connect('a.test', 443));

    assert.equal(error.code, 'proxy_authentication');
    assert.deepEqual(error.schemes, ['Basic', 'Digest']);
    assert.match(error.message, /wants authentication \(407\) and offers Basic, Digest\.$/);
    assert.match(error.remedy, /http:\/\/user@host:port .*outboundProxyPasswordFile/);
  });

  test('that knows only NTLM and Negotiate is named with the ways out', async () => {
    await using proxy = await RawProxy.start(() => ({ say: text407('NTLM', 'Negotiate') }));

    const error = await failure(through(proxy, 'd@').connect('a.test', 443));

    assert.deepEqual(error.schemes, ['NTLM', 'Negotiate']);
    assert.match(error.message, /offers NTLM, Negotiate\.$/);
    assert.match(
      error.remedy,
      /Basic and Digest are supported\. For NTLM, Negotiate or Kerberos: let the proxy pass/,
    );
  });

  test('finds the password missing before it is asked in vain', async () => {
    await using proxy = await RawProxy.start(toEcho);
    const settings = {
      proxy: `http://d@127.0.0.1:${proxy.port}`,
      proxyPasswordFile: path.join(folder, 'gone'),
    };

    const error = await failure(outboundFrom(settings, {}).connect('a.test', 443));

    assert.equal(error.code, 'proxy_authentication');
    assert.match(error.message, /cannot be read: ENOENT/);
  });
});

describe('where connections go through', () => {
  const proxyOf = (
    settings: Parameters<typeof outboundFrom>[0],
    environment: Record<string, string>,
    host = 'a.test',
  ) => outboundFrom(settings, environment).proxyFor(host, 443);

  test('is what the settings say, then the lower-case variable, then the other', () => {
    const environment = { HTTPS_PROXY: 'http://upper:1', https_proxy: 'http://lower:2' };

    assert.equal(proxyOf({ proxy: 'http://own:3' }, environment)?.source, 'Config/connector.json');
    assert.deepEqual(proxyOf({}, environment), {
      host: 'lower',
      port: 2,
      tls: false,
      user: null,
      source: 'https_proxy',
    });
    assert.equal(proxyOf({}, { HTTPS_PROXY: 'upper:1' })?.host, 'upper');
    assert.equal(proxyOf({}, { HTTP_PROXY: 'http://other:1' }), null);
    assert.equal(proxyOf({ proxy: '' }, environment), null);
  });

  test('takes a password from the variable, and never shows it', async () => {
    await using proxy = await RawProxy.start(head =>
      head.includes('proxy-authorization') ? toEcho() : { say: text407('Basic realm="x"') },
    );
    const outbound = outboundFrom({}, { HTTPS_PROXY: `http://d:p%40ss@127.0.0.1:${proxy.port}` });

    (await outbound.connect('a.test', 443)).destroy();

    assert.match(proxy.heads[1]!, new RegExp(Buffer.from('d:p@ss').toString('base64')));
    assert.doesNotMatch(JSON.stringify([outbound, outbound.proxyFor('a.test', 443)]), /p@ss|p%40ss/);
  });

  for (const [proxy, expected] of [
    ['http://d:secret@proxy:3128', /must not hold a password.*outboundProxyPasswordFile/],
    ['socks5://proxy:1080', /kind socks5:\/\/, which is not supported/],
    ['http://wpad/wpad.dat', /configuration script \(PAC\), which is not supported/],
    ['http://proxy/auto.pac', /configuration script \(PAC\)/],
    ['http://:3128', /names no proxy/],
    ['http://proxy/path', /names no proxy/],
    ['http://a%zz@proxy', /write % as %25/],
  ] as const) {
    test(`"${proxy}" is refused in words`, () => {
      assert.throws(
        () => outboundFrom({ proxy }, {}),
        (error: Error) =>
          error instanceof RangeError && expected.test(error.message) && !/secret/.test(error.message),
      );
    });
  }

  for (const [list, host, port, isDirect] of [
    ['*', 'a.test', 443, true],
    ['corp.test', 'corp.test', 443, true],
    ['corp.test', 'Wiki.Corp.Test.', 443, true],
    ['corp.test', 'notcorp.test', 443, false],
    ['.corp.test', 'wiki.corp.test', 443, true],
    ['*.corp.test', 'wiki.corp.test', 443, true],
    ['a.test, corp.test:8443', 'wiki.corp.test', 8443, true],
    ['a.test corp.test:8443', 'wiki.corp.test', 443, false],
    ['10.0.0.0/8', '10.9.8.7', 443, true],
    ['10.0.0.0/8', '11.9.8.7', 443, false],
    ['10.0.0.0/8', '10.test', 443, false],
    ['10.1.2.3', '10.1.2.3', 443, true],
    ['10.1.2.3:80', '10.1.2.3', 443, false],
    ['2.3', '10.1.2.3', 443, false],
    ['fd00::/8', 'fd12::1', 443, true],
    ['[fd12::1]:443', 'fd12::1', 443, true],
    ['fd12::1', 'fd12:0:0::1', 443, true],
    ['10.0.0.0/99,:,[,a/b', 'a.test', 443, false],
    ['', 'localhost', 443, true],
    ['', 'connect.postern.localhost', 443, true],
    ['', '127.8.8.8', 443, true],
    ['', '::1', 443, true],
  ] as const) {
    test(`NO_PROXY "${list}": ${host}:${port} goes ${isDirect ? 'directly' : 'through the proxy'}`, () => {
      const outbound = outboundFrom({}, { HTTPS_PROXY: 'http://proxy:1', NO_PROXY: list });

      assert.equal(outbound.proxyFor(host, port) === null, isDirect);
    });
  }

  test('the settings’ own list is in the place of the variable', () => {
    const environment = { HTTPS_PROXY: 'http://proxy:1', NO_PROXY: 'a.test' };

    assert.equal(proxyOf({ noProxy: 'b.test' }, environment, 'a.test')?.host, 'proxy');
    assert.equal(proxyOf({ noProxy: 'b.test' }, environment, 'b.test'), null);
  });
});
