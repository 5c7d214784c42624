import { makeStyles, mergeClasses, tokens } from '@fluentui/react-components';
import { type ReactNode, useId } from 'react';

const useStyles = makeStyles({
  section: {
    display: 'flex',
    flexDirection: 'column',
    gap: '12px',
    padding: '20px',
    minWidth: 0,
    backgroundColor: tokens.colorNeutralBackground1,
    border: `1px solid ${tokens.colorNeutralStroke2}`,
    borderRadius: tokens.borderRadiusLarge,
  },
  bare: { padding: 0, backgroundColor: 'transparent', border: 'none' },
  title: { fontSize: '16px', lineHeight: '24px', fontWeight: 600 },
});

interface SectionProps {
  readonly title: string;
  readonly children: ReactNode;
  /** Without a frame, around what has one of its own. */
  readonly isBare?: boolean;
  /** For links to it. */
  readonly id?: string;
}

/** A part of a page with a heading of its own. */
export function Section({ title, children, isBare = false, id }: SectionProps) {
  const styles = useStyles();
  const titleId = useId();
  return (
    <section
      className={mergeClasses(styles.section, isBare && styles.bare)}
      id={id}
      tabIndex={id === undefined ? undefined : -1}
      aria-labelledby={titleId}
    >
      <h2 className={styles.title} id={titleId}>
        {title}
      </h2>
      {children}
    </section>
  );
}
