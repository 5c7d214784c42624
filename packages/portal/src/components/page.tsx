import { makeStyles, tokens } from '@fluentui/react-components';
import { type ReactNode, useEffect } from 'react';

const useStyles = makeStyles({
  page: { display: 'flex', flexDirection: 'column', gap: '24px', minWidth: 0 },
  head: {
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'flex-start',
    justifyContent: 'space-between',
    gap: '16px',
  },
  words: { display: 'flex', flexDirection: 'column', gap: '4px', minWidth: 0, flex: '1 1 320px' },
  title: {
    fontSize: '28px',
    lineHeight: '36px',
    fontWeight: 600,
    letterSpacing: '-0.01em',
    overflowWrap: 'anywhere',
    outlineStyle: 'none',
  },
  lead: { color: tokens.colorNeutralForeground3, maxWidth: '72ch' },
  actions: { display: 'flex', flexWrap: 'wrap', gap: '8px' },
  path: { fontSize: '13px' },
});

interface PageProps {
  readonly title: string;
  /** One line on what the page is. */
  readonly lead?: ReactNode;
  /** Link to the page above this one. */
  readonly above?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

/** A page: its title, what it is, what can be done, and the rest. */
export function Page({ title, lead, above, actions, children }: PageProps) {
  const styles = useStyles();
  useEffect(() => {
    document.title = `${title} · Admin center · Postern`;
  }, [title]);
  return (
    <div className={styles.page}>
      <div className={styles.head}>
        <div className={styles.words}>
          {above !== undefined && <div className={styles.path}>{above}</div>}
          {/* The shell puts the focus here when the page has changed. */}
          <h1 className={styles.title} tabIndex={-1}>
            {title}
          </h1>
          {lead !== undefined && <p className={styles.lead}>{lead}</p>}
        </div>
        {actions !== undefined && <div className={styles.actions}>{actions}</div>}
      </div>
      {children}
    </div>
  );
}
