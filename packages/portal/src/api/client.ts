import type { Collection } from '@postern/protocol/admin/collection';
import type { AdminErrorBody } from '@postern/protocol/admin/error';

/** The admin API as the session of this browser may use it. */
const base = '/admin/api/v1.0';

/** What the service or the way to it refused. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status; 0 where no answer came. */
  readonly status: number;
  /** Stable, such as `Authorization_RequestDenied` or `sign_in_required`. */
  readonly code: string;
  readonly requestId: string | null;
  /** What is wrong with which value, where the service can tell. */
  readonly details: readonly ErrorDetail[];

  constructor(
    message: string,
    {
      status,
      code,
      requestId,
      details = [],
    }: Pick<ApiError, 'status' | 'code' | 'requestId'> & {
      details?: readonly ErrorDetail[];
    },
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
    this.details = details;
  }
}

/** Why one value was refused; `target` is a path such as `onPremisesPublishing.internalUrl`. */
export interface ErrorDetail {
  readonly target: string;
  readonly message: string;
}

/** Something with the version that it had when it was read: what a change of it is made to. */
export interface Tagged<Item> {
  readonly item: Item;
  readonly tag: string;
}

/** Reads an address below `/api/v1.0`. What comes is of the service that these pages came from, and taken as its types say. */
export async function read<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  const response = await send('GET', path, { signal });
  return (await response.json()) as Answer;
}

/** The same with the entity tag of the answer, for changes that must not undo somebody else's. */
export async function readTagged<Item>(path: string, signal?: AbortSignal): Promise<Tagged<Item>> {
  const response = await send('GET', path, { signal });
  return { item: (await response.json()) as Item, tag: response.headers.get('etag') ?? '*' };
}

/**
 * Sends a change; resolves with what the service answers, undefined for 204.
 *
 * @param tag Of the version that the change is meant for; with it, a change that came between is refused with 412.
 */
export async function change<Answer = void>(
  method: 'POST' | 'PATCH' | 'PUT' | 'DELETE',
  path: string,
  body?: object,
  tag?: string,
): Promise<Answer> {
  const response = await send(method, path, { body, tag });
  return (response.status === 204 ? undefined : await response.json()) as Answer;
}

/** Whether somebody else changed what was to be changed, after it had been read. */
export function isOvertaken(error: Error | null): boolean {
  return error instanceof ApiError && error.status === 412;
}

/** Why the service refused the value of a property, whose name is a part of the path that it gives. */
export function messageFor(error: Error | null, property: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const message = error.details.find(({ target }) => `.${target}.`.includes(`.${property}.`))?.message;
  return message && `${message.charAt(0).toUpperCase()}${message.slice(1)}`;
}

/** Reads every page of a list, for lists that are short enough to be sorted and searched here. */
export async function readAll<Item>(path: string, signal?: AbortSignal): Promise<Item[]> {
  const items: Item[] = [];
  let next: string | null = `${path}${path.includes('?') ? '&' : '?'}$top=999`;
  while (next !== null) {
    const page: Collection<Item> = await read<Collection<Item>>(next, signal);
    items.push(...page.value);
    next = nextPath(page);
  }
  return items;
}

/** The `$filter` of a list for items that have a text in one of some properties. */
export function containsFilter(text: string, properties: readonly string[]): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return properties.map(property => `contains(${property},${quoted})`).join(' or ');
}

/** Where a list goes on, as a path for {@link read}; null on its last page. */
export function nextPath(page: Collection<unknown>): string | null {
  const link = page['@odata.nextLink'];
  if (link === undefined) return null;
  const { pathname, search } = new URL(link);
  return `${pathname.slice(base.length)}${search}`;
}

/** The body of a `…/$ref` request. */
export function referenceTo(path: string): { '@odata.id': string } {
  return { '@odata.id': `${location.origin}/api/v1.0${path}` };
}

interface Sending {
  readonly body?: object;
  readonly tag?: string;
  readonly signal?: AbortSignal;
}

async function send(method: string, path: string, { body, tag, signal }: Sending): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${base}${path}`, {
      method,
      signal,
      headers: {
        accept: 'application/json',
        // No page of another origin can send this without a preflight, which the service does not answer.
        'postern-admin-center': '1',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(tag !== undefined && { 'if-match': tag }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError('The service cannot be reached. Check the network of this device.', {
      status: 0,
      code: 'unreachable',
      requestId: null,
    });
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** The admin API and the relay before it write errors alike, but for where the request id stands. */
type ErrorBody =
  | AdminErrorBody
  | { error: { code: string; message: string; requestId?: string; details?: undefined } };

async function errorOf(response: Response): Promise<ApiError> {
  const requestId = response.headers.get('request-id') ?? response.headers.get('x-request-id');
  try {
    const { error }: ErrorBody = await response.json();
    const { code, message, details } = error;
    return new ApiError(message, { status: response.status, code, requestId, details });
  } catch {
    const message = `The service answered with status ${response.status} and no explanation.`;
    return new ApiError(message, { status: response.status, code: 'unknown', requestId });
  }
}
