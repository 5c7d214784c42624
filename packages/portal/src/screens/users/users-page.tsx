import { Button, Field, Input, makeStyles } from '@fluentui/react-components';
import type { Me, User } from '@postern/protocol/admin/directory';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useDeferredValue, useMemo, useState } from 'react';
import { meQuery } from '../../api/me.ts';
import { usersQuery } from '../../api/users.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Page } from '../../components/page.tsx';

const useStyles = makeStyles({ filter: { maxWidth: '320px' }, more: { alignSelf: 'flex-start' } });

/** All users. Each leads to their directory role, which says what they may do here. */
export function UsersPage() {
  const styles = useStyles();
  const [search, setSearch] = useState('');
  const wanted = useDeferredValue(search.trim());
  const users = useInfiniteQuery(usersQuery(wanted));
  const me = useQuery(meQuery);
  const columns = useMemo(() => columnsFor(me.data), [me.data]);
  const rows = users.data?.pages.flatMap(page => page.value);
  return (
    <Page title="All users" lead="Everybody who can sign in. Choose an account to see its directory role.">
      <Field className={styles.filter} label="Search">
        <Input
          type="search"
          value={search}
          placeholder="Any part of a name or of a mail address"
          onChange={(_event, { value }) => setSearch(value)}
        />
      </Field>
      {users.isError && (
        <Failure error={users.error} what="The users cannot be shown." retry={() => void users.refetch()} />
      )}
      {users.isPending && <Loading what="the users" />}
      {rows?.length === 0 && (
        <Empty title="Nobody matches">Nobody has “{wanted}” in the name or in the mail address.</Empty>
      )}
      {rows !== undefined && rows.length > 0 && (
        <DataTable label="Users" columns={columns} rows={rows} rowKey={user => user.id} />
      )}
      {users.hasNextPage && (
        <Button
          className={styles.more}
          disabledFocusable={users.isFetchingNextPage}
          onClick={() => void users.fetchNextPage()}
        >
          {users.isFetchingNextPage ? 'Loading …' : 'Show more users'}
        </Button>
      )}
    </Page>
  );
}

function columnsFor(me: Me | undefined): Column<User>[] {
  return [
    {
      id: 'name',
      title: 'Name',
      isGivenName: true,
      cell: user => (
        <>
          <PageLink to="/users/$userId" params={{ userId: user.id }}>
            {user.displayName}
          </PageLink>
          {user.id === me?.id && ' (you)'}
        </>
      ),
    },
    {
      id: 'signInName',
      title: 'Sign-in name',
      isGivenName: true,
      cell: user => user.userPrincipalName,
    },
    { id: 'mail', title: 'Mail', isMinor: true, isGivenName: true, cell: user => user.mail ?? '–' },
    {
      id: 'account',
      title: 'Account',
      isMinor: true,
      cell: user => accountWord(user),
    },
  ];
}

function accountWord({ accountEnabled, hasPassword }: User): string {
  if (!accountEnabled) return 'Disabled';
  return hasPassword ? 'Enabled' : 'Invited';
}
