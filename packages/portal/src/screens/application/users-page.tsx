import { Button } from '@fluentui/react-components';
import type { AppRoleAssignment } from '@postern/protocol/admin/service-principals';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { assignmentsQuery, useUnassign } from '../../api/assignments.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Moment } from '../../components/moment.tsx';
import { Notice } from '../../components/notice.tsx';
import { Section } from '../../components/section.tsx';
import { ApplicationFrame, type ShownApplication } from './application-frame.tsx';
import { AssignForm } from './assign-form.tsx';

/** Who may use one application. */
export function ApplicationUsersPage() {
  const { applicationId } = useParams({ from: '/applications/$applicationId/users' });
  return (
    <ApplicationFrame applicationId={applicationId}>
      {shown => <Assignments shown={shown} />}
    </ApplicationFrame>
  );
}

function Assignments({ shown: { application, access } }: { readonly shown: ShownApplication }) {
  const assignments = useQuery(assignmentsQuery(access.id));
  const [isAssigning, setIsAssigning] = useState(false);
  const [isRemoving, setIsRemoving] = useState(false);
  const [removing, setRemoving] = useState<AppRoleAssignment | null>(null);
  const askRemoval = (assignment: AppRoleAssignment) => {
    setRemoving(assignment);
    setIsRemoving(true);
  };
  const isPassthrough = application.onPremisesPublishing?.externalAuthenticationType === 'passthru';
  const assign = <Button onClick={() => setIsAssigning(true)}>Assign users and groups</Button>;
  return (
    <>
      {isPassthrough && (
        <Notice intent="info">
          With passthrough nobody is asked who they are: assignments count for My Apps alone.
        </Notice>
      )}
      {!isPassthrough && !access.appRoleAssignmentRequired && (
        <Notice intent="info">
          Assignment is not required: everybody who can sign in may use the application.
        </Notice>
      )}
      {assignments.isError && (
        <Failure
          error={assignments.error}
          what="The assignments cannot be shown."
          retry={() => void assignments.refetch()}
        />
      )}
      {assignments.isPending && <Loading what="the assignments" />}
      {assignments.data !== undefined && (
        <Section title="Users and groups" isBare>
          {assignments.data.length === 0 ? (
            <Empty title="Nobody is assigned" action={assign}>
              Assign people or groups of them; they find the application in My Apps at once.
            </Empty>
          ) : (
            <>
              <div>{assign}</div>
              <DataTable
                label="Users and groups"
                columns={columnsWith(askRemoval)}
                rows={assignments.data}
                rowKey={({ id }) => id}
              />
            </>
          )}
        </Section>
      )}
      <Modal isOpen={isAssigning} onClose={() => setIsAssigning(false)}>
        <AssignForm
          application={application}
          servicePrincipalId={access.id}
          assigned={assignments.data ?? []}
          onClose={() => setIsAssigning(false)}
        />
      </Modal>
      <Modal isOpen={isRemoving} onClose={() => setIsRemoving(false)}>
        {removing !== null && <RemoveForm assignment={removing} onClose={() => setIsRemoving(false)} />}
      </Modal>
    </>
  );
}

function columnsWith(onRemove: (assignment: AppRoleAssignment) => void): Column<AppRoleAssignment>[] {
  return [
    {
      id: 'name',
      title: 'Name',
      isGivenName: true,
      sortKey: ({ principalDisplayName }) => principalDisplayName,
      cell: ({ principalType, principalId, principalDisplayName }) =>
        principalType === 'User' ? (
          <PageLink to="/users/$userId" params={{ userId: principalId }}>
            {principalDisplayName}
          </PageLink>
        ) : (
          principalDisplayName
        ),
    },
    {
      id: 'type',
      title: 'Type',
      sortKey: ({ principalType }) => principalType,
      cell: ({ principalType }) => principalType,
    },
    {
      id: 'since',
      title: 'Assigned',
      isMinor: true,
      sortKey: ({ createdDateTime }) => Date.parse(createdDateTime),
      cell: ({ createdDateTime }) => <Moment at={createdDateTime} />,
    },
    {
      id: 'remove',
      title: 'Actions',
      cell: assignment => (
        <Button
          size="small"
          aria-label={`Remove ${assignment.principalDisplayName}`}
          onClick={() => onRemove(assignment)}
        >
          Remove
        </Button>
      ),
    },
  ];
}

interface RemoveFormProps {
  readonly assignment: AppRoleAssignment;
  readonly onClose: () => void;
}

function RemoveForm({ assignment, onClose }: RemoveFormProps) {
  const unassign = useUnassign(assignment.resourceId);
  const { principalDisplayName: name, principalType, resourceDisplayName } = assignment;
  return (
    <Confirmation
      title={`Remove ${name}`}
      confirm={`Remove ${name}`}
      isDangerous
      isPending={unassign.isPending}
      error={unassign.error}
      onConfirm={() => unassign.mutate(assignment.id, { onSuccess: onClose })}
      onClose={onClose}
    >
      <p>
        {principalType === 'Group' ? `Members of ${name}` : name} can no longer use {resourceDisplayName},
        unless another assignment lets them. What they have open ends within seconds.
      </p>
    </Confirmation>
  );
}
