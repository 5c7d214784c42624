import { makeStyles, tokens } from '@fluentui/react-components';
import type { ReactNode } from 'react';

const useStyles = makeStyles({
  empty: {
    display: 'flex',
    flexDirection: 'column',
    alignItems: 'center',
    gap: '12px',
    padding: '40px 24px',
    textAlign: 'center',
    border: `1px dashed ${tokens.colorNeutralStroke1}`,
    borderRadius: tokens.borderRadiusLarge,
  },
  title: { fontSize: '16px', lineHeight: '24px', fontWeight: 600 },
  words: { color: tokens.colorNeutralForeground3, maxWidth: '56ch' },
});

/** What stands in place of a list that has nothing in it: what would be there, and how it gets there. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children: ReactNode;
  action?: ReactNode;
}) {
  const styles = useStyles();
  return (
    <div className={styles.empty}>
      <p className={styles.title}>{title}</p>
      <p className={styles.words}>{children}</p>
      {action}
    </div>
  );
}
