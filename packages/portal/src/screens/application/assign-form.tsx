import {
  Button,
  DialogActions,
  DialogBody,
  DialogContent,
  DialogTitle,
  Field,
  Input,
  makeStyles,
  tokens,
} from '@fluentui/react-components';
import type { Application } from '@postern/protocol/admin/applications';
import type { AppRoleAssignment } from '@postern/protocol/admin/service-principals';
import { useQuery } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';
import { type Principal, principalsQuery, principalsShown, useAssign } from '../../api/assignments.ts';
import { Failure } from '../../components/failure.tsx';

const useStyles = makeStyles({
  content: { display: 'flex', flexDirection: 'column', gap: '16px', paddingBottom: '8px' },
  list: { listStyleType: 'none', padding: 0, display: 'flex', flexDirection: 'column', minHeight: '220px' },
  row: {
    display: 'flex',
    alignItems: 'center',
    justifyContent: 'space-between',
    gap: '12px',
    padding: '8px 0',
    ':not(:first-child)': { borderTop: `1px solid ${tokens.colorNeutralStroke2}` },
  },
  words: { display: 'flex', flexDirection: 'column', minWidth: 0, overflowWrap: 'anywhere' },
  detail: { color: tokens.colorNeutralForeground3, fontSize: '12px', lineHeight: '16px' },
});

interface AssignFormProps {
  readonly application: Application;
  readonly servicePrincipalId: string;
  readonly assigned: readonly AppRoleAssignment[];
  readonly onClose: () => void;
}

/** Finds users and groups, and assigns the application to one after the other. */
export function AssignForm({ application, servicePrincipalId, assigned, onClose }: AssignFormProps) {
  const styles = useStyles();
  const [search, setSearch] = useState('');
  const found = useQuery(principalsQuery(useDeferredValue(search.trim())));
  const assign = useAssign(servicePrincipalId);
  const held = new Set(assigned.map(({ principalId }) => principalId));
  return (
    <DialogBody>
      <DialogTitle>Assign {application.displayName}</DialogTitle>
      <DialogContent className={styles.content}>
        <Field
          label="Search for users and groups"
          hint={`Any part of the name; ${principalsShown} of each are shown.`}
        >
          <Input type="search" value={search} onChange={(_event, { value }) => setSearch(value)} />
        </Field>
        {found.isError && <Failure error={found.error} what="Nobody can be searched for." />}
        {assign.error !== null && <Failure error={assign.error} what="It was not assigned." />}
        {found.data?.length === 0 && <p role="status">No user and no group has this in the name.</p>}
        {found.data !== undefined && found.data.length > 0 && (
          <ul className={styles.list} aria-label="Users and groups found">
            {found.data.map(principal => (
              <li key={principal.id} className={styles.row}>
                <span className={styles.words}>
                  <span>{principal.displayName}</span>
                  <span className={styles.detail}>{detailOf(principal)}</span>
                </span>
                <Button
                  size="small"
                  aria-label={`${held.has(principal.id) ? 'Assigned to' : 'Assign to'} ${principal.displayName}`}
                  disabledFocusable={held.has(principal.id) || assign.isPending}
                  onClick={() => assign.mutate(principal.id)}
                >
                  {held.has(principal.id) ? 'Assigned' : 'Assign'}
                </Button>
              </li>
            ))}
          </ul>
        )}
      </DialogContent>
      <DialogActions>
        <Button appearance="primary" onClick={onClose}>
          Done
        </Button>
      </DialogActions>
    </DialogBody>
  );
}

function detailOf({ type, detail }: Principal): string {
  return [type, detail].filter(text => text !== '').join(' · ');
}
