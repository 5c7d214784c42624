/** SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535. */
const batchSize = 10_000;

/** Runs a query for many ids in batches that fit into one statement, and joins the rows. */
export async function forIds<Row>(
  ids: readonly string[],
  query: (batch: readonly string[]) => Promise<readonly Row[]>,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let from = 0; from < ids.length; from += batchSize) {
    for (const row of await query(ids.slice(from, from + batchSize))) rows.push(row);
  }
  return rows;
}
