import type { User } from '@postern/protocol/admin/directory';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { membershipsQuery } from '../../api/users.ts';
import { CopyText } from '../../components/copy-text.tsx';
import { Facts } from '../../components/facts.tsx';
import { Failure } from '../../components/failure.tsx';
import { Moment } from '../../components/moment.tsx';
import { Section } from '../../components/section.tsx';
import { UserFrame } from './user-frame.tsx';

/** Who a user is, and what they belong to. */
export function ProfilePage() {
  const { userId } = useParams({ from: '/users/$userId' });
  return <UserFrame userId={userId}>{user => <Profile user={user} />}</UserFrame>;
}

function Profile({ user }: { readonly user: User }) {
  const memberships = useQuery(membershipsQuery(user.id));
  const named = (type: string) =>
    memberships.data
      ?.filter(object => object['@odata.type'] === type)
      .map(({ displayName }) => displayName)
      .join(', ');
  return (
    <>
      {memberships.isError && <Failure error={memberships.error} what="Groups and roles cannot be shown." />}
      <Section title="Account">
        <Facts
          rows={[
            ['Sign-in name', user.userPrincipalName],
            ['Mail', user.mail ?? 'None'],
            ['Account', user.accountEnabled ? 'Enabled' : 'Disabled: cannot sign in'],
            ['Password', user.hasPassword ? 'Set' : 'Not set yet: the invitation has not been used'],
            ['Created', <Moment key="created" at={user.createdDateTime} />],
            ['User id', <CopyText key="id" text={user.id} what="user id" />],
          ]}
        />
      </Section>
      <Section title="Belongs to">
        <Facts
          rows={[
            ['Directory roles', named('#microsoft.graph.directoryRole') || 'None'],
            ['Groups', named('#microsoft.graph.group') || 'None'],
          ]}
        />
      </Section>
    </>
  );
}
