import { makeStyles, tokens } from '@fluentui/react-components';
import { createLink } from '@tanstack/react-router';
import type { ComponentProps, ReactNode } from 'react';

const useStyles = makeStyles({
  menu: {
    display: 'flex',
    flexWrap: 'wrap',
    columnGap: '24px',
    borderBottom: `1px solid ${tokens.colorNeutralStroke2}`,
  },
  item: {
    padding: '8px 2px',
    color: tokens.colorNeutralForeground2,
    textDecorationLine: 'none',
    ':hover': { color: tokens.colorNeutralForeground1 },
    ':focus-visible': { outline: `2px solid ${tokens.colorStrokeFocus2}` },
    '&[aria-current=page]': {
      color: tokens.colorNeutralForeground1,
      fontWeight: 600,
      boxShadow: `inset 0 -3px 0 ${tokens.colorBrandForeground1}`,
    },
  },
  content: { display: 'flex', flexDirection: 'column', gap: '20px', minWidth: 0 },
});

/** The pages of one thing, side by side; each has its own address. */
export function PageMenu({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <nav className={useStyles().menu} aria-label={label}>
      {children}
    </nav>
  );
}

/** What stands below a menu of pages. */
export function PageContent({ children }: { readonly children: ReactNode }) {
  return <div className={useStyles().content}>{children}</div>;
}

/** One page in a menu of pages. */
export const PageMenuLink = createLink((props: ComponentProps<'a'>) => (
  <a {...props} className={useStyles().item} />
));
