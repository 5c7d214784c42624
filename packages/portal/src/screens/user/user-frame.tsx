import { makeStyles, tokens } from '@fluentui/react-components';
import type { User } from '@postern/protocol/admin/directory';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { userQuery } from '../../api/users.ts';
import { Failure } from '../../components/failure.tsx';
import { PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Page } from '../../components/page.tsx';

const useStyles = makeStyles({
  content: { display: 'flex', flexDirection: 'column', gap: '20px', minWidth: 0 },
  menu: {
    display: 'flex',
    flexWrap: 'wrap',
    gap: '24px',
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
});

interface UserFrameProps {
  readonly userId: string;
  readonly children: (user: User) => ReactNode;
}

/** What the pages of one user have in common: the name, and the menu of their pages. */
export function UserFrame({ userId, children }: UserFrameProps) {
  const styles = useStyles();
  const user = useQuery(userQuery(userId));
  return (
    <Page
      title={user.data?.displayName ?? 'User'}
      lead={user.data?.userPrincipalName}
      above={<PageLink to="/users">All users</PageLink>}
    >
      <nav className={styles.menu} aria-label={user.data?.displayName ?? 'User'}>
        <Link className={styles.item} activeOptions={{ exact: true }} to="/users/$userId" params={{ userId }}>
          Profile
        </Link>
        <Link className={styles.item} to="/users/$userId/directory-role" params={{ userId }}>
          Directory role
        </Link>
      </nav>
      <div className={styles.content}>
        {user.isError && (
          <Failure error={user.error} what="The user cannot be shown." retry={() => void user.refetch()} />
        )}
        {user.isPending && <Loading what="the user" />}
        {user.data !== undefined && children(user.data)}
      </div>
    </Page>
  );
}
