import { makeStyles, Switch, tokens } from '@fluentui/react-components';
import type { DirectoryRole, Me, User } from '@postern/protocol/admin/directory';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { meQuery } from '../../api/me.ts';
import { rolesQuery, useChangeRole } from '../../api/roles.ts';
import { membershipsQuery } from '../../api/users.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { Failure } from '../../components/failure.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Notice } from '../../components/notice.tsx';
import { Section } from '../../components/section.tsx';
import { UserFrame } from './user-frame.tsx';

const useStyles = makeStyles({
  list: { listStyleType: 'none', padding: 0, display: 'flex', flexDirection: 'column' },
  role: {
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'center',
    justifyContent: 'space-between',
    gap: '12px',
    padding: '12px 0',
    ':not(:first-child)': { borderTop: `1px solid ${tokens.colorNeutralStroke2}` },
  },
  words: { display: 'flex', flexDirection: 'column', flex: '1 1 280px', minWidth: 0 },
  name: { fontWeight: 600 },
  description: { color: tokens.colorNeutralForeground3 },
});

/** The directory roles of a user: which are held, and, for a Global Administrator, switches to give and take them. */
export function DirectoryRolePage() {
  const { userId } = useParams({ from: '/users/$userId/directory-role' });
  return <UserFrame userId={userId}>{user => <DirectoryRoles user={user} />}</UserFrame>;
}

function DirectoryRoles({ user }: { readonly user: User }) {
  const styles = useStyles();
  const me = useQuery(meQuery);
  const roles = useQuery(rolesQuery);
  const memberships = useQuery(membershipsQuery(user.id));
  const [asked, setAsked] = useState<DirectoryRole | null>(null);
  const [isAsking, setIsAsking] = useState(false);
  const failed = roles.error ?? memberships.error;
  if (failed !== null) return <Failure error={failed} what="The roles cannot be shown." />;
  if (roles.data === undefined || memberships.data === undefined || me.data === undefined) {
    return <Loading what="the roles" />;
  }
  const held = new Set(memberships.data.map(({ id }) => id));
  const mayChange = me.data.roles.includes('Global Administrator');
  const ask = (role: DirectoryRole) => {
    setAsked(role);
    setIsAsking(true);
  };
  return (
    <>
      <Notice intent="info">
        {sentenceFor(user, me.data, held, roles.data)}
        {!mayChange && ' Only a Global Administrator can give roles and take them away.'}
      </Notice>
      <Section title="Directory role">
        <ul className={styles.list}>
          {roles.data.map(role => (
            <li key={role.id} className={styles.role}>
              <div className={styles.words}>
                <span className={styles.name}>{role.displayName}</span>
                <span className={styles.description}>{role.description}</span>
              </div>
              <Switch
                checked={held.has(role.id)}
                disabled={!mayChange}
                label={held.has(role.id) ? 'Held' : 'Not held'}
                labelPosition="before"
                aria-label={role.displayName}
                onChange={() => ask(role)}
              />
            </li>
          ))}
        </ul>
      </Section>
      <Modal isOpen={isAsking} onClose={() => setIsAsking(false)}>
        {asked !== null && (
          <ChangeRoleForm
            user={user}
            role={asked}
            isHeld={held.has(asked.id)}
            isSelf={user.id === me.data.id}
            onClose={() => setIsAsking(false)}
          />
        )}
      </Modal>
    </>
  );
}

interface ChangeRoleFormProps {
  readonly user: User;
  readonly role: DirectoryRole;
  readonly isHeld: boolean;
  readonly isSelf: boolean;
  readonly onClose: () => void;
}

function ChangeRoleForm({ user, role, isHeld, isSelf, onClose }: ChangeRoleFormProps) {
  const changeRole = useChangeRole(user.id);
  // What was asked stays while the modal closes, though the role is then held or gone.
  const [wasHeld] = useState(isHeld);
  return (
    <Confirmation
      title={wasHeld ? `Take ${role.displayName} away` : `Give ${role.displayName}`}
      confirm={wasHeld ? 'Take away' : 'Give'}
      isPending={changeRole.isPending}
      error={changeRole.error}
      onConfirm={() => changeRole.mutate({ roleId: role.id, isHeld: !wasHeld }, { onSuccess: onClose })}
      onClose={onClose}
    >
      <p>{consequenceOf(role, user, wasHeld, isSelf)}</p>
    </Confirmation>
  );
}

/** Whether the role is there that installing a connector needs: what this page is opened for most often. */
function sentenceFor(user: User, me: Me, held: ReadonlySet<string>, roles: readonly DirectoryRole[]): string {
  const names = roles.filter(({ id }) => held.has(id)).map(({ displayName }) => displayName);
  const who = user.id === me.id ? 'You hold' : `${user.displayName} holds`;
  const may = user.id === me.id ? 'You' : user.displayName;
  if (names.length === 0) {
    return `${who} no role. ${may} cannot register connectors: that needs Application Administrator.`;
  }
  return `${who} ${names.join(' and ')}. ${may} can register connectors.`;
}

function consequenceOf(role: DirectoryRole, user: User, isHeld: boolean, isSelf: boolean): string {
  const who = isSelf ? 'You' : user.displayName;
  if (!isHeld) return `${who} will be able to do this, from the next request on: ${role.description}`;
  return `${who} will no longer be able to do this, from the next request on: ${role.description}`;
}
