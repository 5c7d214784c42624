import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** How requests travel: `request` of node:http or node:https, with where they go. */
export type Transport = (
  options: { readonly method: string; readonly path: string; readonly headers: Record<string, string> },
  received: (answer: IncomingMessage) => void,
) => ClientRequest;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly url: URL;
  /** Where it redirects to. */
  readonly location: URL | null;
}

interface StoredCookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
}

/** A browser as far as cookies, forms and redirects go; it follows a redirect only when told to. */
export class Browser {
  readonly #transport: Transport;
  /** By host. */
  readonly cookies = new Map<string, StoredCookie[]>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get(url: string | URL, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('GET', new URL(url), { headers });
  }

  /** Sends a form as from a page of the same origin, unless `headers` say otherwise. */
  post(
    url: string | URL,
    fields: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const target = new URL(url);
    return this.send('POST', target, {
      headers: {
        origin: target.origin,
        'sec-fetch-site': 'same-origin',
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      },
      body: new URLSearchParams(fields).toString(),
    });
  }

  /** Sends a form as a program does, which has no origin and wants JSON. */
  call(
    url: string | URL,
    fields: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return this.send('POST', new URL(url), {
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
        ...headers,
      },
      body: new URLSearchParams(fields).toString(),
    });
  }

  /** Follows redirects until an answer is none, or leads to a URL that `until` names. */
  async follow(answer: Answer, until: (url: URL) => boolean = () => false): Promise<Answer> {
    let current = answer;
    for (let hops = 0; current.location !== null && !until(current.location); hops++) {
      if (hops > 10) throw new Error(`redirected in a circle at ${current.url.href}`);
      current = await this.get(current.location);
    }
    return current;
  }

  /** Types name and password into the sign-in page that an answer shows. */
  submitSignIn(
    page: Answer,
    name: string,
    password: string,
    headers?: Record<string, string>,
  ): Promise<Answer> {
    return this.post(page.url, { username: name, password }, headers);
  }

  async send(
    method: string,
    url: URL,
    { headers = {}, body }: { headers?: Record<string, string>; body?: string },
  ): Promise<Answer> {
    const cookie = this.#cookiesFor(url);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const outgoing = this.#transport(
      {
        method,
        path: `${url.pathname}${url.search}`,
        headers: {
          host: url.host,
          accept: 'text/html',
          ...(cookie !== '' && { cookie }),
          ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
          ...headers,
        },
      },
      incoming => {
        const chunks: Buffer[] = [];
        incoming.on('data', chunk => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          this.#store(url, incoming.headers['set-cookie'] ?? []);
          const { location } = incoming.headers;
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString('utf8'),
            url,
            location: location === undefined ? null : new URL(location, url),
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
    return await promise;
  }

  cookie(host: string, name: string): string | undefined {
    return this.cookies.get(host)?.find(cookie => cookie.name === name)?.value;
  }

  #cookiesFor({ hostname, pathname }: URL): string {
    return (this.cookies.get(hostname) ?? [])
      .filter(
        ({ path: cookiePath }) =>
          pathname === cookiePath || pathname.startsWith(`${cookiePath.replace(/\/$/, '')}/`),
      )
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  #store({ hostname }: URL, fields: readonly string[]): void {
    const stored = this.cookies.get(hostname) ?? [];
    for (const field of fields) {
      const [pair, ...attributes] = field.split(';').map(part => part.trim());
      const equals = pair.indexOf('=');
      const name = pair.slice(0, equals);
      const value = pair.slice(equals + 1);
      const attribute = (wanted: string) =>
        attributes.find(text => text.toLowerCase().startsWith(`${wanted}=`))?.slice(wanted.length + 1);
      const cookiePath = attribute('path') ?? '/';
      const known = stored.findIndex(cookie => cookie.name === name && cookie.path === cookiePath);
      if (known >= 0) stored.splice(known, 1);
      const expires = attribute('expires');
      const isGone =
        attribute('max-age') === '0' || (expires !== undefined && Date.parse(expires) < Date.now());
      if (!isGone) stored.push({ name, value, path: cookiePath });
    }
    this.cookies.set(hostname, stored);
  }
}

/** The value of a hidden field of a page. */
export function hiddenField(page: Answer, name: string): string {
  const value = new RegExp(`name="${name}" value="([^"]*)"`).exec(page.body)?.[1];
  if (value === undefined) throw new Error(`${page.url.href} has no field ${name}: ${page.body}`);
  return value;
}
