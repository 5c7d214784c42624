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

  constructor(
    message: string,
    { status, code, requestId }: { status: number; code: string; requestId: string | null },
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
  }
}

/** Reads an address below `/api/v1.0`. What comes is of the service that these pages came from, and taken as its types say. */
export function read<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  return call<Answer>('GET', path, undefined, signal);
}

/** Sends a change; resolves with what the service answers, undefined for 204. */
export function change<Answer = void>(
  method: 'POST' | 'PATCH' | 'PUT' | 'DELETE',
  path: string,
  body?: object,
): Promise<Answer> {
  return call<Answer>(method, path, body);
}

/** Reads every page of a list, for lists that are short enough to be sorted and searched here. */
export async function readAll<Item>(path: string, signal?: AbortSignal): Promise<Item[]> {
  const items: Item[] = [];
  let next: string | null = `${path}?$top=999`;
  while (next !== null) {
    const page: Collection<Item> = await read<Collection<Item>>(next, signal);
    items.push(...page.value);
    next = nextPath(page);
  }
  return items;
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

async function call<Answer>(
  method: string,
  path: string,
  body: object | undefined,
  signal?: AbortSignal,
): Promise<Answer> {
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
  return (response.status === 204 ? undefined : await response.json()) as Answer;
}

/** The admin API and the relay before it write errors alike, but for where the request id stands. */
type ErrorBody = AdminErrorBody | { error: { code: string; message: string; requestId?: string } };

async function errorOf(response: Response): Promise<ApiError> {
  const requestId = response.headers.get('request-id') ?? response.headers.get('x-request-id');
  try {
    const { error }: ErrorBody = await response.json();
    return new ApiError(error.message, { status: response.status, code: error.code, requestId });
  } catch {
    const message = `The service answered with status ${response.status} and no explanation.`;
    return new ApiError(message, { status: response.status, code: 'unknown', requestId });
  }
}
