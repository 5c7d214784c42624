import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Collection, CollectionQuery } from '@postern/protocol/admin/collection';
import type { Comparison, ListOptions } from '../store/list-page.ts';
import { AdminError } from './admin-error.ts';

/** One kind of list: what it may be filtered by, and where an item stands in its order. */
export interface ListKind<Property extends string, Row> {
  /** Names of the API and the columns they stand for. */
  readonly filterable: Readonly<Record<string, Property>>;
  readonly sortKey: (row: Row) => string;
}

/** Where the rows of a list come from, and what becomes of them. */
export interface ListSource<Property extends string, Row, Item> {
  readonly kind: ListKind<Property, Row>;
  /** Signs continuations. */
  readonly key: Buffer;
  /** Reads at most `limit` rows. */
  readonly load: (options: ListOptions<Property>) => Promise<readonly Row[]>;
  readonly represent: (rows: readonly Row[]) => Item[] | Promise<Item[]>;
}

/** A list as it was asked for: whose it is, and with which filter. A continuation is good for exactly that. */
export interface ListRequest {
  /** Path and query-less address, such as `https://portal.example.com/api/v1.0/users`. */
  readonly url: string;
  readonly query: CollectionQuery;
}

/**
 * Answers one page of a list. The continuation names the last row, not an offset, and is signed, so that nothing in it
 * has to be believed when it comes back.
 *
 * @throws AdminError `Request_BadRequest` for a filter or a continuation that is not understood.
 */
export async function answerPage<Property extends string, Row extends { id: string }, Item>(
  request: ListRequest,
  { kind, key, load, represent }: ListSource<Property, Row, Item>,
): Promise<Collection<Item>> {
  const { $top: top, $filter: filter, $skiptoken: skipToken } = request.query;
  const rows = await load({
    filter: filter === undefined ? undefined : parseFilter(filter, kind.filterable),
    after: skipToken === undefined ? undefined : openToken(skipToken, request, key),
    // One more than asked for tells whether there is another page.
    limit: top + 1,
  });
  const page = rows.slice(0, top);
  const value = await represent(page);
  const last = page.at(-1);
  if (rows.length <= top || last === undefined) {
    return { value };
  }
  return {
    value,
    '@odata.nextLink': nextLink(request, sealToken(kind.sortKey(last), last.id, request, key)),
  };
}

/** Makes the `load` of a list that is read whole: members of one object, which are few. */
export function loadFrom<Row extends { id: string }>(
  rows: readonly Row[],
  sortKey: (row: Row) => string,
): (options: ListOptions<never>) => Promise<Row[]> {
  const compare = (a: readonly [string, string], b: readonly [string, string]) =>
    Number(a[0] > b[0]) - Number(a[0] < b[0]) || Number(a[1] > b[1]) - Number(a[1] < b[1]);
  const place = (row: Row) => [sortKey(row), row.id] as const;
  const sorted = [...rows].sort((a, b) => compare(place(a), place(b)));
  return async ({ after, limit }) =>
    sorted
      .filter(row => after === undefined || compare(place(row), [after.sortKey, after.id]) > 0)
      .slice(0, limit);
}

/** Comparisons that one filter may have; a search looks at two or three properties. */
const maxComparisons = 4;

const quoted = /'((?:[^']|'')*)'/.source;
/** One comparison, and `or` where another one follows. */
const comparison = new RegExp(
  `\\s*(?:(\\w+)\\s+(eq)\\s+${quoted}|(startswith|contains)\\(\\s*(\\w+)\\s*,\\s*${quoted}\\s*\\))\\s*(or\\s|$)`,
  'y',
);

/**
 * Reads `property eq 'value'`, `startswith(property,'value')` and `contains(property,'value')`, and several of them with
 * `or` in between; a quote in the value is doubled (OData 4.01 §5.1.1.6.1).
 *
 * @throws AdminError `Request_BadRequest`.
 */
export function parseFilter<Property extends string>(
  text: string,
  filterable: Readonly<Record<string, Property>>,
): Comparison<Property>[] {
  if (Object.keys(filterable).length === 0) {
    throw new AdminError('Request_BadRequest', 'This list takes no $filter.');
  }
  const found: Comparison<Property>[] = [];
  comparison.lastIndex = 0;
  for (;;) {
    const parts = comparison.exec(text);
    const [, equalName, equal, equalValue, call, callName, callValue, or] = parts ?? [];
    const name = equalName ?? callName;
    if (name === undefined || !Object.hasOwn(filterable, name) || found.length === maxComparisons) {
      throw new AdminError(
        'Request_BadRequest',
        `$filter takes "property eq 'value'", "startswith(property,'value')" or "contains(property,'value')", up to ` +
          `${maxComparisons} of them with "or" in between, with one of: ${Object.keys(filterable).join(', ')}.`,
      );
    }
    found.push({
      property: filterable[name],
      operator: (equal ?? call) as Comparison<Property>['operator'],
      value: (equalValue ?? callValue).replaceAll("''", "'"),
    });
    if (or === '') return found;
  }
}

/** What says which items a list has, and not how many on a page. */
function chosenBy({
  $top: _top,
  $skiptoken: _skipToken,
  ...rest
}: CollectionQuery): Record<string, string | undefined> {
  return rest;
}

function nextLink({ url, query }: ListRequest, token: string): string {
  const parameters = new URLSearchParams({ $top: String(query.$top) });
  for (const [name, value] of Object.entries(chosenBy(query))) {
    if (value !== undefined) parameters.set(name, value);
  }
  parameters.set('$skiptoken', token);
  return `${url}?${parameters}`;
}

function sealToken(sortKey: string, id: string, request: ListRequest, key: Buffer): string {
  const body = Buffer.from(JSON.stringify([sortKey, id]));
  return Buffer.concat([sign(body, request, key), body]).toString('base64url');
}

function openToken(token: string, request: ListRequest, key: Buffer): { sortKey: string; id: string } {
  const bytes = Buffer.from(token, 'base64url');
  const [signature, body] = [bytes.subarray(0, signatureBytes), bytes.subarray(signatureBytes)];
  const expected = sign(body, request, key);
  if (signature.length !== signatureBytes || !timingSafeEqual(signature, expected)) {
    throw new AdminError(
      'Request_BadRequest',
      'This $skiptoken is not one of this list; it ends when the service restarts. Start the list again without it.',
    );
  }
  const [sortKey, id] = JSON.parse(body.toString()) as [string, string];
  return { sortKey, id };
}

const signatureBytes = 32;

function sign(body: Buffer, { url, query }: ListRequest, key: Buffer): Buffer {
  const context = JSON.stringify([url, chosenBy(query)]);
  return createHmac('sha256', key).update(`${context.length}:${context}`).update(body).digest();
}
