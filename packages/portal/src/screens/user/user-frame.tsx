import { makeStyles, Tab, TabList } from '@fluentui/react-components';
import type { User } from '@postern/protocol/admin/directory';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { userQuery } from '../../api/users.ts';
import { Failure } from '../../components/failure.tsx';
import { PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Page } from '../../components/page.tsx';

const useStyles = makeStyles({
  content: { display: 'flex', flexDirection: 'column', gap: '20px', minWidth: 0 },
});

interface UserFrameProps {
  readonly userId: string;
  /** Which of the user's pages this is. */
  readonly page: 'profile' | 'directory-role';
  readonly children: (user: User) => ReactNode;
}

/** What the pages of one user have in common: the name, and the menu of their pages. */
export function UserFrame({ userId, page, children }: UserFrameProps) {
  const styles = useStyles();
  const user = useQuery(userQuery(userId));
  const navigate = useNavigate();
  return (
    <Page
      title={user.data?.displayName ?? 'User'}
      lead={user.data?.userPrincipalName}
      above={<PageLink to="/users">All users</PageLink>}
    >
      <TabList
        selectedValue={page}
        onTabSelect={(_event, { value }) =>
          void navigate({
            to: value === 'profile' ? '/users/$userId' : '/users/$userId/directory-role',
            params: { userId },
          })
        }
      >
        <Tab id="tab-profile" value="profile" aria-controls="user-page">
          Profile
        </Tab>
        <Tab id="tab-directory-role" value="directory-role" aria-controls="user-page">
          Directory role
        </Tab>
      </TabList>
      <div className={styles.content} role="tabpanel" id="user-page" aria-labelledby={`tab-${page}`}>
        {user.isError && (
          <Failure error={user.error} what="The user cannot be shown." retry={() => void user.refetch()} />
        )}
        {user.isPending && <Loading what="the user" />}
        {user.data !== undefined && children(user.data)}
      </div>
    </Page>
  );
}
