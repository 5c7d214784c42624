import { collection } from '@postern/protocol/admin/collection';
import { adminError } from '@postern/protocol/admin/error';
import type { z } from 'zod';
import { CliError, type Failure } from './cli-error.ts';
import type { ServiceAddress } from './service-address.ts';
import type { ServiceFetch } from './service-fetch.ts';

/** Which items of a list. */
export interface ListChoice {
  readonly filter?: string | undefined;
  readonly more?: Readonly<Record<string, string>> | undefined;
}

/** The admin API of one service, for the signed-in person. Every method throws `CliError`. */
export class AdminClient {
  readonly service: ServiceAddress;
  readonly #fetch: ServiceFetch;
  readonly #accessToken: () => Promise<string>;

  constructor(service: ServiceAddress, fetch: ServiceFetch, accessToken: () => Promise<string>) {
    this.service = service;
    this.#fetch = fetch;
    this.#accessToken = accessToken;
  }

  /** @param path Below `/api/v1.0/`, without a slash at its start. */
  async get<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema>> {
    return parse(schema, await this.#request('GET', path), path);
  }

  /**
   * Every item of a list, page after page.
   *
   * @param options.more What else the list takes in its query.
   */
  async list<Item extends z.ZodType>(
    path: string,
    item: Item,
    { filter, more }: ListChoice = {},
  ): Promise<z.output<Item>[]> {
    const items: z.output<Item>[] = [];
    const page = collection(item);
    let query = new URLSearchParams({
      $top: '999',
      ...(filter === undefined ? {} : { $filter: filter }),
      ...more,
    });
    for (;;) {
      const answer = parse(page, await this.#request('GET', `${path}?${query}`), path);
      items.push(...answer.value);
      const next = answer['@odata.nextLink'];
      if (next === undefined) {
        return items;
      }
      // Only the query is taken over: the token must never go to an address that an answer names.
      query = new URL(next, this.service.portalOrigin).searchParams;
    }
  }

  async post<Schema extends z.ZodType>(
    path: string,
    body: unknown,
    schema: Schema,
  ): Promise<z.output<Schema>> {
    return parse(schema, await this.#request('POST', path, body), path);
  }

  /** A request whose answer has no body. */
  async send(method: 'POST' | 'PATCH' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<void> {
    await this.#request(method, path, body);
  }

  /** What a `…/$ref` request takes as body. */
  reference(path: string): { '@odata.id': string } {
    return { '@odata.id': `${this.service.portalOrigin}/api/v1.0/${path}` };
  }

  async #request(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.#fetch(`${this.service.portalOrigin}/api/v1.0/${path}`, {
      method,
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${await this.#accessToken()}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) {
      throw failure(response.status, text);
    }
    return text === '' ? undefined : parseJson(text);
  }
}

const failureOfStatus: Readonly<Record<number, Failure>> = {
  400: 'failed',
  401: 'notSignedIn',
  403: 'notAllowed',
  404: 'notFound',
  409: 'conflict',
  412: 'conflict',
  502: 'unreachable',
  503: 'unreachable',
  504: 'unreachable',
};

function failure(status: number, text: string): CliError {
  const parsed = adminError.safeParse(parseJson(text));
  const code = failureOfStatus[status] ?? 'failed';
  if (!parsed.success) {
    return new CliError(code, `The service answered with status ${status}.`, {
      cause: new Error(text.slice(0, 2000)),
    });
  }
  const { error } = parsed.data;
  return new CliError(code, error.message, {
    remedy: status === 401 ? 'Run `postern login`.' : undefined,
    cause: new Error(`${status} ${error.code}, request ${error.innerError['request-id']}`),
  });
}

function parse<Schema extends z.ZodType>(schema: Schema, document: unknown, path: string): z.output<Schema> {
  const parsed = schema.safeParse(document);
  if (!parsed.success) {
    throw new CliError('failed', `The service's answer to ${path} is not what this program expects.`, {
      remedy: 'Service and program may be of different versions; compare them.',
      cause: parsed.error,
    });
  }
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
