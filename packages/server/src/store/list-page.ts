import { type SelectQueryBuilder, type SqlBool, sql } from 'kysely';

/** Which rows of a list, and how many. `Property` names the columns that may be filtered by. */
export interface ListOptions<Property extends string> {
  readonly filter?: {
    readonly property: Property;
    readonly operator: 'eq' | 'startswith';
    readonly value: string;
  };
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
  if (filter !== undefined) {
    const column = sql.ref(filter.property);
    page = page.where(
      filter.operator === 'eq'
        ? sql<SqlBool>`lower(${column}) = lower(${filter.value})`
        : sql<SqlBool>`lower(${column}) like lower(${escapeLike(filter.value)}) || '%' escape '!'`,
    );
  }
  if (after !== undefined) {
    page = page.where(
      sql<SqlBool>`(${sql.ref(sortColumn)}, ${sql.ref('id')}) > (${after.sortKey}, ${after.id})`,
    );
  }
  return page.orderBy(sql.ref(sortColumn)).orderBy(sql.ref('id')).limit(limit);
}

function escapeLike(text: string): string {
  return text.replace(/[!%_]/g, '!$&');
}
