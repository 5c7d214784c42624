import {
  Button,
  makeStyles,
  mergeClasses,
  Table,
  TableBody,
  TableCell,
  TableHeader,
  TableHeaderCell,
  TableRow,
  tokens,
} from '@fluentui/react-components';
import { type ReactNode, useState } from 'react';

/** Rows that are shown at once. */
const pageSize = 50;

export interface Column<Row> {
  readonly id: string;
  readonly title: string;
  readonly cell: (row: Row) => ReactNode;
  /** What it is sorted by; without it the column cannot be. */
  readonly sortKey?: (row: Row) => string | number;
  /** Left out where the window is narrow: what the row's own page says as well. */
  readonly isMinor?: boolean;
  /** What people have called something, of whatever length: it is broken, so that the columns behind it stay in sight. */
  readonly isGivenName?: boolean;
}

interface DataTableProps<Row> {
  /** What the table holds, for people who do not see it. */
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  /** Its columns need the width of a desktop: on a tablet, too, their values stand one below the other. */
  readonly isWide?: boolean;
}

const phone = '@media (max-width: 600px)';
const tablet = '@media (max-width: 1000px)';

const useStyles = makeStyles({
  frame: {
    minWidth: 0,
    overflowX: 'auto',
    backgroundColor: tokens.colorNeutralBackground1,
    border: `1px solid ${tokens.colorNeutralStroke2}`,
    borderRadius: tokens.borderRadiusLarge,
  },
  table: { tableLayout: 'auto', width: '100%' },
  cell: { padding: '10px 16px', verticalAlign: 'middle' },
  head: { padding: '0 16px', fontWeight: 600, whiteSpace: 'nowrap' },
  minor: { '@media (max-width: 900px)': { display: 'none' } },
  givenName: { minWidth: '6em', overflowWrap: 'anywhere' },
  more: { alignSelf: 'flex-start' },
});

/** Where a window is narrow, a row is its values one below the other, each with the title of its column. */
function stylesWithin(narrow: string) {
  return makeStyles({
    head: { [narrow]: { display: 'none' } },
    row: { [narrow]: { display: 'block', padding: '10px 16px' } },
    cell: {
      [narrow]: {
        display: 'block',
        height: 'auto',
        overflowWrap: 'anywhere',
        padding: '2px 0',
        ':first-child': { fontWeight: 600 },
      },
    },
    labelled: {
      [narrow]: {
        display: 'grid',
        gridTemplateColumns: '120px minmax(0, 1fr)',
        alignItems: 'baseline',
        gap: '8px',
      },
    },
    label: { display: 'none', color: tokens.colorNeutralForeground3, [narrow]: { display: 'block' } },
  });
}

const usePhoneStyles = stylesWithin(phone);
const useTabletStyles = stylesWithin(tablet);

/** A table whose columns can be sorted, fifty rows at a time. */
export function DataTable<Row>({ label, columns, rows, rowKey, isWide = false }: DataTableProps<Row>) {
  const styles = useStyles();
  const onPhone = usePhoneStyles();
  const onTablet = useTabletStyles();
  const stacked = isWide ? onTablet : onPhone;
  const [order, setOrder] = useState<{ id: string; isDescending: boolean } | null>(null);
  const [limit, setLimit] = useState(pageSize);
  const sorted = sortRows(
    rows,
    columns.find(column => column.id === order?.id)?.sortKey,
    order?.isDescending,
  );
  const sortBy = (id: string) =>
    setOrder({ id, isDescending: order?.id === id ? !order.isDescending : false });
  return (
    <>
      <div className={styles.frame}>
        <Table aria-label={label} className={styles.table}>
          <TableHeader className={stacked.head}>
            <TableRow>
              {columns.map(({ id, title, sortKey, isMinor }) => (
                <TableHeaderCell
                  key={id}
                  className={mergeClasses(styles.head, isMinor && styles.minor)}
                  sortable={sortKey !== undefined}
                  sortDirection={
                    order?.id !== id ? undefined : order.isDescending ? 'descending' : 'ascending'
                  }
                  onClick={sortKey && (() => sortBy(id))}
                >
                  {title}
                </TableHeaderCell>
              ))}
            </TableRow>
          </TableHeader>
          <TableBody>
            {sorted.slice(0, limit).map(row => (
              <TableRow key={rowKey(row)} className={stacked.row}>
                {columns.map(({ id, title, cell, isMinor, isGivenName }, index) => (
                  <TableCell
                    key={id}
                    className={mergeClasses(
                      styles.cell,
                      stacked.cell,
                      index > 0 && stacked.labelled,
                      isMinor && styles.minor,
                    )}
                  >
                    {index > 0 && (
                      <span className={stacked.label} aria-hidden="true">
                        {title}
                      </span>
                    )}
                    <div className={isGivenName ? styles.givenName : undefined}>{cell(row)}</div>
                  </TableCell>
                ))}
              </TableRow>
            ))}
          </TableBody>
        </Table>
      </div>
      {sorted.length > limit && (
        <Button className={styles.more} onClick={() => setLimit(limit + pageSize)}>
          Show {Math.min(pageSize, sorted.length - limit)} more of {sorted.length}
        </Button>
      )}
    </>
  );
}

const collator = new Intl.Collator(undefined, { numeric: true });

function sortRows<Row>(
  rows: readonly Row[],
  sortKey: Column<Row>['sortKey'],
  isDescending = false,
): readonly Row[] {
  if (sortKey === undefined) return rows;
  const compare = (a: string | number, b: string | number) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b));
  const direction = isDescending ? -1 : 1;
  return [...rows].sort((a, b) => direction * compare(sortKey(a), sortKey(b)));
}
