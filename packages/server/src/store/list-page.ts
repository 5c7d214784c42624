import { type RawBuilder, type SelectQueryBuilder, type SqlBool, sql } from 'kysely';

/** What a row must have to be in a list. */
export interface Comparison<Property extends string> {
  readonly property: Property;
  readonly operator: 'eq' | 'startswith' | 'contains';
  readonly value: string;
}

/** Which rows of a list, and how many. `Property` names the columns that may be filtered by. */
export interface ListOptions<Property extends string> {
  /** At least one of these holds. */
  readonly filter?: readonly Comparison<Property>[];
  /** The last row of the page before: its value in the column that the list is sorted by, and its id. */
  readonly after?: { readonly sortKey: string; readonly id: string };
  readonly limit: number;
}

/**
 * Narrows a query to one page: filtered, sorted by a column and the id, continued after a row rather than by offset, so
 * that rows added meanwhile neither repeat nor hide others. Filters do not distinguish case (ASCII), as in Graph.
 */
export function pageOf<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  sortColumn: string,
  { filter, after, limit }: ListOptions<string>,
): SelectQueryBuilder<DB, TB, O> {
  let page = query;
  if (filter !== undefined) page = page.where(eb => eb.or(filter.map(holds)));
  if (after !== undefined) {
    page = page.where(
      sql<SqlBool>`(${sql.ref(sortColumn)}, ${sql.ref('id')}) > (${after.sortKey}, ${after.id})`,
    );
  }
  return page.orderBy(sql.ref(sortColumn)).orderBy(sql.ref('id')).limit(limit);
}

function holds({ property, operator, value }: Comparison<string>): RawBuilder<SqlBool> {
  const column = sql.ref(property);
  switch (operator) {
    case 'eq':
      return sql`lower(${column}) = lower(${value})`;
    case 'startswith':
      return sql`lower(${column}) like lower(${escapeLike(value)}) || '%' escape '!'`;
    case 'contains':
      return sql`lower(${column}) like '%' || lower(${escapeLike(value)}) || '%' escape '!'`;
  }
}

function escapeLike(text: string): string {
  return text.replace(/[!%_]/g, '!$&');
}
