import type { User } from '@postern/protocol/admin/directory';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { userQuery } from '../../api/users.ts';
import { Failure } from '../../components/failure.tsx';
import { PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Page } from '../../components/page.tsx';
import { PageContent, PageMenu, PageMenuLink } from '../../components/page-menu.tsx';

interface UserFrameProps {
  readonly userId: string;
  readonly children: (user: User) => ReactNode;
}

/** What the pages of one user have in common: the name, and the menu of their pages. */
export function UserFrame({ userId, children }: UserFrameProps) {
  const user = useQuery(userQuery(userId));
  return (
    <Page
      title={user.data?.displayName ?? 'User'}
      lead={user.data?.userPrincipalName}
      above={<PageLink to="/users">All users</PageLink>}
    >
      <PageMenu label={user.data?.displayName ?? 'User'}>
        <PageMenuLink activeOptions={{ exact: true }} to="/users/$userId" params={{ userId }}>
          Profile
        </PageMenuLink>
        <PageMenuLink to="/users/$userId/directory-role" params={{ userId }}>
          Directory role
        </PageMenuLink>
      </PageMenu>
      <PageContent>
        {user.isError && (
          <Failure error={user.error} what="The user cannot be shown." retry={() => void user.refetch()} />
        )}
        {user.isPending && <Loading what="the user" />}
        {user.data !== undefined && children(user.data)}
      </PageContent>
    </Page>
  );
}
