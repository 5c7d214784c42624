import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo, LookupFunction } from 'node:net';
import { after, before, describe, test } from 'node:test';
import * as zlib from 'node:zlib';
import { Chromium } from '../testbed/chromium.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const encoders = {
  gzip: zlib.gzipSync,
  deflate: zlib.deflateSync,
  br: zlib.brotliCompressSync,
  zstd: zlib.zstdCompressSync,
};
const decoders = {
  gzip: zlib.gunzipSync,
  deflate: zlib.inflateSync,
  br: zlib.brotliDecompressSync,
  zstd: zlib.zstdDecompressSync,
};
type Coding = keyof typeof encoders;

/** A site that writes every link with the host that it is asked for, as many server-rendered ones do. */
class Site {
  readonly server = http.createServer((request, response) => this.#answer(request, response));
  readonly requests: IncomingMessage[] = [];
  readonly name: string;
  /** Other sites by their internal origins. */
  readonly neighbours: string[] = [];
  onRequest: (() => void) | null = null;
  onMore: ((response: ServerResponse) => void) | null = null;
  bytesTaken = 0;

  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  page(origin: string): string {
    const others = this.neighbours.map(other => `<a href="${other}">neighbour</a>`).join('\n');
    return (
      `<!doctype html><html><head><title>${this.name}</title>\n` +
      `<link rel=stylesheet href='${origin}/style.css'><base href="${origin}/">\n` +
      `<script>var home = "${origin}/";</script></head>\n` +
      `<body><!-- ${origin}/comment --><p>At ${origin}/ you read: «Grüße»</p>\n` +
      `<a href="${origin.toUpperCase()}/pages/1?a=1&amp;b=2">one</a> <a href="/pages/2">two</a>\n` +
      `<a href="${origin.replace('http:', '')}/pages/3">three</a>\n` +
      `<img srcset="${origin}/pages/4 1x, ${origin}/pages/5 2x" style="background:url('${origin}/pages/6')">\n` +
      `${others}</body></html>`
    );
  }

  sheet(origin: string): string {
    return `@import "${origin}/more.css"; body { background: url(${origin}/pages/7) } /* ${origin}/ */`;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(request);
    const origin = `http://${request.headers.host}`;
    const url = new URL(request.url!, origin);
    const type = url.pathname.endsWith('.css') ? 'text/css' : 'text/html; charset=utf-8';
    const content = type === 'text/css' ? this.sheet(origin) : this.page(origin);
    switch (url.pathname) {
      case '/coded': {
        const coding = url.searchParams.get('coding') as Coding;
        response.writeHead(200, { 'content-type': type, 'content-encoding': coding });
        return void response.end(encoders[coding](content));
      }
      case '/truncated': {
        const bytes = zlib.gzipSync(content.repeat(200));
        response.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip' });
        return void response.end(bytes.subarray(0, bytes.length - 20));
      }
      case '/not-gzip':
        response.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip' });
        return void response.end(content);
      case '/file.html':
      case '/file.bin':
        request.resume().once('end', () => {
          this.#sendFile(request, response, content, url.pathname.endsWith('.bin'));
        });
        return;
      case '/form':
        response.writeHead(303, {
          location: `${origin}/pages/8`,
          link: `<${origin}/style.css>; rel=preload`,
        });
        return void response.end();
      case '/hints':
        response.writeEarlyHints({
          link: `<${origin}/style.css>; rel=preload`,
          'set-cookie': '__Host-postern=planted; Path=/; Secure',
        });
        return void response.end();
      case '/parts': {
        const isCoded = url.searchParams.has('gzip');
        response.writeHead(200, { 'content-type': type, ...(isCoded ? { 'content-encoding': 'gzip' } : {}) });
        this.onMore?.(response);
        return;
      }
      case '/endless':
        response.writeHead(200, {
          'content-type': type,
          ...(url.searchParams.has('gzip') ? { 'content-encoding': 'gzip' } : {}),
        });
        return this.#sendEndlessly(response, url.searchParams.has('gzip'));
      case '/always-a-part':
        return this.#sendPart(response);
      case '/app':
      case '/app.css':
      case '/app.js':
      case '/dot.svg':
      case '/login':
        return this.#sendApp(request, response, url.pathname, origin);
      default:
        response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(content) });
        response.end(content);
    }
  }

  /** A part, whether or not one was asked for. */
  #sendPart(response: ServerResponse): void {
    response.writeHead(206, {
      'content-type': 'text/html',
      'content-length': 7,
      'content-range': 'bytes 3-9/4000',
    });
    response.end('doctype');
  }

  #sendFile(request: IncomingMessage, response: ServerResponse, content: string, isBinary: boolean): void {
    const bytes = Buffer.from(content);
    const fields = {
      'content-type': isBinary ? 'application/octet-stream' : 'text/html',
      etag: '"v1"',
      'accept-ranges': 'bytes',
      digest: 'sha-256=x',
      'content-md5': 'x',
    };
    if (request.headers['if-none-match']?.replace('W/', '') === '"v1"') {
      response.writeHead(304, { etag: '"v1"' });
      return void response.end();
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (range === null) {
      response.writeHead(200, { ...fields, 'content-length': bytes.length });
      return void response.end(request.method === 'HEAD' ? undefined : bytes);
    }
    const part = bytes.subarray(Number(range[1]), Number(range[2]) + 1);
    response.writeHead(206, {
      ...fields,
      'content-length': part.length,
      'content-range': `bytes ${range[1]}-${range[2]}/${bytes.length}`,
    });
    response.end(part);
  }

  #sendEndlessly(response: ServerResponse, isCoded: boolean): void {
    // Noise in a comment, which takes as much room in gzip as without.
    const bytes = Buffer.from(`<!-- ${randomBytes(150_000).toString('base64')} --><a href="${this.url}">`);
    const out = isCoded ? zlib.createGzip({ level: 1 }) : response;
    if (isCoded) out.pipe(response);
    response.once('close', () => out.destroy());
    const sendOn = () => {
      if (response.destroyed) return;
      this.bytesTaken += bytes.length;
      if (out.write(bytes)) setImmediate(sendOn);
      else out.once('drain', sendOn);
    };
    sendOn();
  }

  /** Everything with absolute links and a policy that names the host, as in applications that were never meant to move. */
  #sendApp(request: IncomingMessage, response: ServerResponse, path: string, origin: string): void {
    if (path === '/dot.svg') {
      response.writeHead(200, { 'content-type': 'image/svg+xml' });
      return void response.end('<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>');
    }
    if (path === '/app.js') {
      response.writeHead(200, { 'content-type': 'text/javascript' });
      return void response.end('export const answer = 42;');
    }
    if (path === '/app.css') {
      response.writeHead(200, { 'content-type': 'text/css' });
      return void response.end(`body { background-image: url(${origin}/dot.svg) }`);
    }
    if (path === '/login') {
      // What frameworks do against forged requests.
      const isSame = request.headers.origin === origin;
      response.writeHead(isSame ? 303 : 403, { location: `${origin}/pages/welcome` });
      return void response.end();
    }
    response.writeHead(200, {
      'content-type': 'text/html',
      'content-encoding': 'gzip',
      'content-security-policy': `default-src ${origin} 'unsafe-inline'; form-action ${origin}`,
    });
    response.end(
      zlib.gzipSync(
        `<!doctype html><title>app</title><link rel=stylesheet href="${origin}/app.css">` +
          `<script type=importmap>{"imports":{"app":"${origin}/app.js"}}</script>` +
          '<script type=module>import { answer } from "app"; document.title = "answer " + answer;</script>' +
          `<img id=dot srcset="${origin}/dot.svg 1x"><iframe src="${origin}/pages/frame"></iframe>` +
          `<form method=post action="${origin}/login"><button>Go</button></form>`,
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

const wiki = new Site('wiki');
const shop = new Site('shop');
let bed: Testbed;
let agent: https.Agent;
let outside: string;
let shopOutside: string;

before(async () => {
  await wiki.start();
  await shop.start();
  wiki.neighbours.push(shop.url, 'http://elsewhere.example/');
  bed = await startTestbed({
    applications: [
      {
        name: 'wiki',
        internalUrl: wiki.url,
        passthrough: true,
        publishing: { isTranslateLinksInBodyEnabled: true },
      },
      { name: 'shop', internalUrl: shop.url, passthrough: true },
      { name: 'outer', internalUrl: shop.url, passthrough: true, translateHostHeader: false },
      {
        name: 'outer-corrected',
        internalUrl: shop.url,
        passthrough: true,
        translateHostHeader: false,
        publishing: { isTranslateResponseHeadersEnabled: true },
      },
      {
        name: 'inner',
        internalUrl: shop.url,
        passthrough: true,
        publishing: { isTranslateResponseHeadersEnabled: false },
      },
    ],
  });
  agent = new https.Agent({ ca: bed.ca, keepAlive: true, lookup: lookUpLoopback });
  outside = `https://${bed.hostOf('wiki')}:${bed.port}`;
  shopOutside = `https://${bed.hostOf('shop')}:${bed.port}`;
});

/** Not every resolver knows names under `localhost`. */
const lookUpLoopback: LookupFunction = (_host, { all }, found) =>
  all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4);

after(async () => {
  agent?.destroy();
  await bed?.[Symbol.asyncDispose]();
  await wiki[Symbol.asyncDispose]();
  await shop[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly fields: http.IncomingHttpHeaders;
  readonly bytes: Buffer;
}

async function get(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const request = https.request(url, { agent, headers, method });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const pieces = [];
  for await (const piece of response) pieces.push(piece);
  return { status: response.statusCode!, fields: response.headers, bytes: Buffer.concat(pieces) };
}

async function getHttp2(path: string): Promise<Answer & { readonly code: number }> {
  const socket = await bed.connect(bed.hostOf('wiki'), ['h2']);
  const session = http2.connect(outside, { createConnection: () => socket });
  session.on('error', () => {});
  const stream = session.request({ ':path': path });
  stream.on('error', () => {});
  const pieces: Buffer[] = [];
  let fields: http.IncomingHttpHeaders = {};
  stream.on('response', received => {
    fields = received as http.IncomingHttpHeaders;
  });
  stream.on('data', piece => pieces.push(piece));
  await new Promise(resolve => stream.once('close', resolve));
  session.destroy();
  return { status: Number(fields[':status']), fields, bytes: Buffer.concat(pieces), code: stream.rstCode! };
}

/** The page as it must come: attributes turned outwards, and nothing else. */
function translatedPage(): string {
  const inside = wiki.url.slice(0, -1);
  return wiki
    .page(inside)
    .replace(`<link rel=stylesheet href='${inside}`, `<link rel=stylesheet href='${outside}`)
    .replace(`<base href="${inside}`, `<base href="${outside}`)
    .replace(`<a href="${inside.toUpperCase()}`, `<a href="${outside}`)
    .replace(`<a href="${inside.slice(5)}`, `<a href="${outside.slice(6)}`)
    .replace(`<img srcset="${inside}/pages/4 1x, ${inside}`, `<img srcset="${outside}/pages/4 1x, ${outside}`)
    .replace(`url('${inside}`, `url('${outside}`)
    .replace(`<a href="${shop.url}`, `<a href="${shopOutside}/`);
}

function translatedSheet(): string {
  const inside = wiki.url.slice(0, -1);
  return wiki
    .sheet(inside)
    .replace(`@import "${inside}`, `@import "${outside}`)
    .replace(`url(${inside}`, `url(${outside}`);
}

describe('a site with absolute links, from outside', () => {
  test('can be walked from link to link, into another application too', async () => {
    const seen = new Set<string>();
    const wanted = [`${outside}/`];
    for (let url = wanted.pop(); url !== undefined; url = wanted.pop()) {
      if (seen.has(url)) continue;
      seen.add(url);
      const { status, fields, bytes } = await get(url);
      assert.equal(status, 200, url);
      if (!fields['content-type']!.startsWith('text/html') || !url.startsWith(outside)) continue;
      for (const [, link] of bytes.toString().matchAll(/href=["']([^"']+)/g)) {
        const absolute = new URL(link!.replaceAll('&amp;', '&'), url);
        absolute.hash = '';
        if (absolute.hostname !== 'elsewhere.example') wanted.push(absolute.href);
      }
    }

    assert.ok(seen.has(`${shopOutside}/`));
    assert.ok(seen.has(`${outside}/pages/1?a=1&b=2`));
    assert.ok(seen.has(`${outside}/pages/3`));
    assert.ok(seen.has(`${outside}/style.css`));
  });

  test('has its links turned outwards and every other byte as it was', async () => {
    const page = await get(`${outside}/`);
    const sheet = await get(`${outside}/style.css`);

    assert.equal(page.bytes.toString(), translatedPage());
    assert.equal(page.fields['content-length'], undefined);
    assert.equal(sheet.bytes.toString(), translatedSheet());
    assert.equal((await getHttp2('/')).bytes.toString(), translatedPage());
  });

  test('is left alone where the application does not ask for it', async () => {
    const { bytes, fields } = await get(`${shopOutside}/`);

    assert.equal(bytes.toString(), shop.page(shop.url.slice(0, -1)));
    assert.equal(Number(fields['content-length']), bytes.length);
  });

  for (const coding of Object.keys(encoders) as Coding[]) {
    test(`comes in ${coding}, over HTTP/1.1 and HTTP/2`, async () => {
      for (const { bytes, fields } of [
        await get(`${outside}/coded?coding=${coding}`),
        await getHttp2(`/coded?coding=${coding}`),
      ]) {
        assert.equal(fields['content-encoding'], coding);
        assert.equal(decoders[coding](bytes).toString(), translatedPage());
      }
    });
  }

  test('an old client gets it up to the end of the connection', async () => {
    const answer = await bed.exchange(
      bed.hostOf('wiki'),
      `GET / HTTP/1.0\r\nHost: ${bed.hostOf('wiki')}:${bed.port}\r\n\r\n`,
    );

    const [head, body] = answer.split('\r\n\r\n', 2) as [string, string];
    assert.doesNotMatch(head, /content-length|transfer-encoding/i);
    assert.equal(Buffer.from(body, 'latin1').toString(), translatedPage());
  });

  test('sees forms as its own, and its redirect leads outside', async () => {
    const request = https.request(`${outside}/form`, {
      agent,
      method: 'POST',
      headers: { origin: outside, referer: `${outside}/pages/1` },
    });
    request.end('x');
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'end');

    assert.equal(response.headers.location, `${outside}/pages/8`);
    assert.equal(response.headers.link, `<${outside}/style.css>; rel=preload`);
    const { headers } = wiki.requests.at(-1)!;
    assert.equal(headers.origin, wiki.url.slice(0, -1));
    assert.equal(headers.referer, `${wiki.url}pages/1`);
  });
});

describe('host and headers of answers are chosen apart', () => {
  for (const [application, how, location] of [
    ['shop', 'internal host, translated headers', () => `${shopOutside}/pages/8`],
    ['inner', 'internal host, headers as they are', () => `${shop.url}pages/8`],
    [
      'outer',
      'external host, headers as they are, as Entra has it',
      () => `http://${bed.hostOf('outer')}:${bed.port}/pages/8`,
    ],
    [
      'outer-corrected',
      'external host, translated headers',
      () => `https://${bed.hostOf('outer-corrected')}:${bed.port}/pages/8`,
    ],
  ] as const) {
    test(how, async () => {
      const { fields } = await get(`https://${bed.hostOf(application)}:${bed.port}/form`);

      assert.equal(fields.location, location());
    });
  }
});

test('early hints are turned outwards, and plant no cookies of the service', async () => {
  const link = `<${outside}/style.css>; rel=preload`;
  const client = new RawClient(await bed.connect(bed.hostOf('wiki')));
  client.send(`GET /hints HTTP/1.1\r\nHost: ${bed.hostOf('wiki')}:${bed.port}\r\nConnection: close\r\n\r\n`);
  const received = await client.closed();
  const socket = await bed.connect(bed.hostOf('wiki'), ['h2']);
  const session = http2.connect(outside, { createConnection: () => socket });
  const [early] = (await once(session.request({ ':path': '/hints' }), 'headers')) as [
    http.IncomingHttpHeaders,
  ];
  session.destroy();

  assert.deepEqual([early.link, early['set-cookie']], [link, undefined]);
  assert.match(received, /^HTTP\/1\.1 103 /);
  const [hints = ''] = received.split('\r\n\r\n', 1);
  assert.ok(hints.toLowerCase().includes(`\r\nlink: ${link}`), hints);
  assert.doesNotMatch(hints, /planted/);
});

describe('what the head says of content that is translated', () => {
  test('is nothing that is true of other bytes only, for HEAD as for GET', async () => {
    for (const method of ['GET', 'HEAD']) {
      const { fields } = await get(`${outside}/file.html`, {}, method);

      assert.equal(fields.etag, 'W/"v1"', method);
      for (const name of ['content-length', 'accept-ranges', 'digest', 'content-md5']) {
        assert.equal(fields[name], undefined, `${method} ${name}`);
      }
    }
  });

  test('lets a browser ask whether its copy is still good', async () => {
    const { status, fields, bytes } = await get(`${outside}/file.html`, { 'if-none-match': 'W/"v1"' });

    assert.equal(status, 304);
    assert.equal(fields.etag, 'W/"v1"');
    assert.equal(bytes.length, 0);
  });

  test('and who asks for a part gets the whole', async () => {
    const { status, fields, bytes } = await get(`${outside}/file.html`, { range: 'bytes=3-9' });

    assert.equal(status, 200);
    assert.equal(fields['content-range'], undefined);
    assert.equal(bytes.toString(), translatedPage());
    assert.equal(wiki.requests.at(-1)!.headers.range, undefined);
  });

  test('a part that comes in place of the whole goes on as it is', async () => {
    const before = wiki.requests.length;
    const { status, bytes } = await get(`${outside}/always-a-part`, { range: 'bytes=3-9' });

    assert.equal(status, 206);
    assert.equal(bytes.toString(), 'doctype');
    assert.equal(wiki.requests.length - before, 2);
  });

  test('and so does one whose request has too large a content to be sent again', async () => {
    const before = wiki.requests.length;
    const client = new RawClient(await bed.connect(bed.hostOf('wiki')));
    const content = 'x'.repeat(200_000);
    client.send(
      `GET /file.html HTTP/1.1\r\nHost: ${bed.hostOf('wiki')}:${bed.port}\r\nRange: bytes=3-9\r\n` +
        `Content-Length: ${content.length}\r\nConnection: close\r\n\r\n${content}`,
    );
    const answer = await client.closed();

    assert.match(answer, /^HTTP\/1\.1 206 /);
    assert.equal(wiki.requests.length - before, 1);
  });

  test('parts of what is not translated are parts', async () => {
    const { status, fields, bytes } = await get(`${outside}/file.bin`, { range: 'bytes=3-9' });

    assert.equal(status, 206);
    assert.equal(fields.etag, '"v1"');
    assert.equal(bytes.toString(), wiki.page(wiki.url.slice(0, -1)).slice(3, 10));
  });
});

describe('content that is not what its head says', () => {
  test('cut off, is passed on as far as it goes, and visibly breaks off', async () => {
    const client = new RawClient(await bed.connect(bed.hostOf('wiki')));
    client.send(`GET /truncated HTTP/1.1\r\nHost: ${bed.hostOf('wiki')}:${bed.port}\r\n\r\n`);
    const received = await client.closed();

    assert.match(received, /^HTTP\/1\.1 200 /);
    assert.ok(!received.endsWith('\r\n0\r\n\r\n'), 'must not look complete');
    assert.ok(received.length > 500);
    const { code, bytes } = await getHttp2('/truncated');
    assert.equal(code, http2.constants.NGHTTP2_INTERNAL_ERROR);
    assert.ok(bytes.length > 100);
  });

  test('mislabelled, breaks off, and the next answer is whole', async () => {
    const client = new RawClient(await bed.connect(bed.hostOf('wiki')));
    client.send(`GET /not-gzip HTTP/1.1\r\nHost: ${bed.hostOf('wiki')}:${bed.port}\r\n\r\n`);
    await client.closed();

    assert.ok(!client.received.endsWith('\r\n0\r\n\r\n'));
    assert.equal((await get(`${outside}/`)).bytes.toString(), translatedPage());
  });
});

describe('content that comes in parts', () => {
  for (const coding of ['', 'gzip']) {
    test(`can be read part by part${coding === '' ? '' : `, in ${coding}`}`, async () => {
      const first = '<p>first</p><a href="x">';
      let backend: ServerResponse | null = null;
      const encoder = zlib.createGzip();
      wiki.onMore = response => {
        backend = response;
        if (coding === '') return void response.write(first);
        encoder.pipe(response);
        encoder.write(first);
        encoder.flush();
      };
      const request = https.request(`${outside}/parts?${coding}`, { agent });
      request.end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      const decoder = coding === '' ? response : response.pipe(zlib.createGunzip());

      let got = '';
      decoder.on('data', (bytes: Buffer) => {
        got += bytes.toString();
      });
      await once(decoder, 'data');
      assert.equal(got, first);

      const ended = once(decoder, 'end');
      (coding === '' ? backend! : encoder).end(`<a href="${wiki.url}">`);
      await ended;
      assert.equal(got, `${first}<a href="${outside}/">`);
    });
  }

  for (const coding of ['', 'gzip'])
    test(`waits for a client that does not read${coding === '' ? '' : `, in ${coding}`}`, async () => {
      wiki.bytesTaken = 0;
      const socket = await bed.connect(bed.hostOf('wiki'));
      socket.pause();
      socket.write(`GET /endless?${coding} HTTP/1.1\r\nHost: ${bed.hostOf('wiki')}:${bed.port}\r\n\r\n`);

      // The backend is full once nothing has been taken for many turns.
      let before = -1;
      for (let quiet = 0; quiet < 40; ) {
        await new Promise(resolve => setTimeout(resolve, 25));
        quiet = wiki.bytesTaken === before && before > 0 ? quiet + 1 : 0;
        before = wiki.bytesTaken;
      }
      assert.ok(before < 64 * 1024 * 1024, `${before} bytes were taken`);

      socket.resume();
      let received = 0;
      await new Promise<void>(resolve => {
        socket.on('data', (bytes: Buffer) => {
          received += bytes.length;
          if (received > before) resolve();
        });
      });
      socket.destroy();
    });
});

test('a browser uses such a site from outside, and asks nobody else', async () => {
  await using chromium = await Chromium.launch({ caFile: bed.caFile });
  const asked = new Set<string>();
  chromium.context.on('request', request => void asked.add(new URL(request.url()).origin));
  const page = await chromium.context.newPage();

  await page.goto(`${outside}/app`);
  await page.waitForFunction('document.title === "answer 42" && document.images[0].complete');

  assert.equal(await page.evaluate('document.images[0].naturalWidth'), 7);
  assert.equal(
    await page.evaluate('getComputedStyle(document.body).backgroundImage'),
    `url("${outside}/dot.svg")`,
  );
  await page.click('button');
  await page.waitForURL(`${outside}/pages/welcome`);
  assert.deepEqual([...asked], [outside]);
});
