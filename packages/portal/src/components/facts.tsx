import { makeStyles, tokens } from '@fluentui/react-components';
import type { ReactNode } from 'react';

const useStyles = makeStyles({
  facts: {
    display: 'grid',
    gridTemplateColumns: 'minmax(120px, max-content) minmax(0, 1fr)',
    gap: '8px 24px',
    '@media (max-width: 520px)': { gridTemplateColumns: 'minmax(0, 1fr)', gap: '2px' },
  },
  name: { color: tokens.colorNeutralForeground3 },
  value: { overflowWrap: 'anywhere', '@media (max-width: 520px)': { marginBottom: '10px' } },
});

/** Names and values; what is null is left out. */
export function Facts({ rows }: { readonly rows: readonly (readonly [string, ReactNode] | null)[] }) {
  const styles = useStyles();
  return (
    <dl className={styles.facts}>
      {rows
        .filter(row => row !== null)
        .flatMap(([name, value]) => [
          <dt key={name} className={styles.name}>
            {name}
          </dt>,
          <dd key={`${name} value`} className={styles.value}>
            {value}
          </dd>,
        ])}
    </dl>
  );
}
