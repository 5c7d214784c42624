import { Button, makeStyles, tokens } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { type ApplicationCredential, credentialsQuery, useRemoveCredential } from '../../api/credentials.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { CopyText } from '../../components/copy-text.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { CheckIcon, CrossIcon, WarningIcon } from '../../components/icons.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Moment } from '../../components/moment.tsx';
import { Notice } from '../../components/notice.tsx';
import { Section } from '../../components/section.tsx';
import { StateMark } from '../../components/state-mark.tsx';
import { AddCredentialForm } from './add-credential-form.tsx';
import { ApplicationFrame, type ShownApplication } from './application-frame.tsx';

const useStyles = makeStyles({ words: { maxWidth: '72ch', color: tokens.colorNeutralForeground3 } });

/** The credentials of programs that use one application. */
export function ProgramsPage() {
  const { applicationId } = useParams({ from: '/applications/$applicationId/programs' });
  return (
    <ApplicationFrame applicationId={applicationId}>
      {shown => <Credentials shown={shown} />}
    </ApplicationFrame>
  );
}

function Credentials({ shown: { application } }: { readonly shown: ShownApplication }) {
  const styles = useStyles();
  const credentials = useQuery(credentialsQuery(application.id));
  const [dialog, setDialog] = useState<'add' | 'remove' | null>(null);
  // A secret is shown only now: nothing but its button closes what shows it.
  const [isMade, setIsMade] = useState(false);
  const [removing, setRemoving] = useState<ApplicationCredential | null>(null);
  const close = () => {
    setDialog(null);
    setIsMade(false);
  };
  const askRemoval = (credential: ApplicationCredential) => {
    setRemoving(credential);
    setDialog('remove');
  };
  const add = <Button onClick={() => setDialog('add')}>Add a credential</Button>;
  return (
    <Section title="Credentials of programs" isBare>
      <p className={styles.words}>
        For git, curl, WebDAV and whatever else has no browser to sign in with. A program sends its client id
        and secret by HTTP Basic, or gets access tokens with them. It is let in to this application alone.
      </p>
      {application.onPremisesPublishing?.externalAuthenticationType === 'passthru' && (
        <Notice intent="info">With passthrough nobody is asked: credentials count for nothing.</Notice>
      )}
      {credentials.isError && (
        <Failure
          error={credentials.error}
          what="The credentials cannot be shown."
          retry={() => void credentials.refetch()}
        />
      )}
      {credentials.isPending && <Loading what="the credentials" />}
      {credentials.data?.length === 0 && (
        <Empty title="No program has a credential" action={add}>
          Add one for each program, so that each can be told apart and taken away by itself.
        </Empty>
      )}
      {credentials.data !== undefined && credentials.data.length > 0 && (
        <>
          <div>{add}</div>
          <DataTable
            isWide
            label="Credentials of programs"
            columns={columnsWith(askRemoval)}
            rows={credentials.data}
            rowKey={({ keyId }) => keyId}
          />
        </>
      )}
      <Modal isOpen={dialog === 'add'} isInsistent={isMade} onClose={close}>
        <AddCredentialForm
          application={application}
          credentials={credentials.data ?? []}
          onMade={() => setIsMade(true)}
          onClose={close}
        />
      </Modal>
      <Modal isOpen={dialog === 'remove'} onClose={close}>
        {removing !== null && (
          <RemoveForm applicationId={application.id} credential={removing} onClose={close} />
        )}
      </Modal>
    </Section>
  );
}

function columnsWith(onRemove: (credential: ApplicationCredential) => void): Column<ApplicationCredential>[] {
  return [
    { id: 'name', title: 'Name', isGivenName: true, sortKey: credentialName, cell: credentialName },
    {
      id: 'state',
      title: 'State',
      sortKey: ({ endDateTime }) => Date.parse(endDateTime),
      cell: credential => <CredentialState credential={credential} />,
    },
    {
      id: 'client',
      title: 'Client id',
      sortKey: ({ clientId }) => clientId,
      cell: ({ clientId }) => (
        <CopyText text={`${clientId.slice(0, 8)}…`} copied={clientId} what="client id" />
      ),
    },
    { id: 'secret', title: 'Secret', isMinor: true, cell: credential => <code>{proofOf(credential)}</code> },
    {
      id: 'expires',
      title: 'Expires',
      isMinor: true,
      sortKey: ({ endDateTime }) => Date.parse(endDateTime),
      cell: ({ endDateTime }) => <Moment at={endDateTime} />,
    },
    {
      id: 'used',
      title: 'Last used',
      sortKey: ({ lastUsedDateTime }) => Date.parse(lastUsedDateTime ?? '') || 0,
      cell: ({ lastUsedDateTime }) =>
        lastUsedDateTime === null ? 'Never' : <Moment at={lastUsedDateTime} isRelative />,
    },
    {
      id: 'remove',
      title: 'Actions',
      cell: credential => (
        <Button
          size="small"
          aria-label={`Remove ${credentialName(credential)}`}
          onClick={() => onRemove(credential)}
        >
          Remove
        </Button>
      ),
    },
  ];
}

function proofOf(credential: ApplicationCredential): string {
  return 'sha256' in credential ? `certificate ${credential.sha256.slice(0, 8)}…` : `${credential.hint}…`;
}

/** What people call a credential. */
export function credentialName({ displayName }: ApplicationCredential): string {
  return displayName ?? 'Unnamed credential';
}

const soonMs = 30 * 86_400_000;

function CredentialState({ credential: { endDateTime } }: { readonly credential: ApplicationCredential }) {
  const leftMs = Date.parse(endDateTime) - Date.now();
  if (leftMs <= 0) return <StateMark word="Expired" StateIcon={CrossIcon} tone="bad" />;
  return leftMs < soonMs ? (
    <StateMark word="Expires soon" StateIcon={WarningIcon} tone="warning" />
  ) : (
    <StateMark word="Works" StateIcon={CheckIcon} tone="good" />
  );
}

interface RemoveFormProps {
  readonly applicationId: string;
  readonly credential: ApplicationCredential;
  readonly onClose: () => void;
}

function RemoveForm({ applicationId, credential, onClose }: RemoveFormProps) {
  const remove = useRemoveCredential(applicationId);
  return (
    <Confirmation
      title={`Remove ${credentialName(credential)}`}
      confirm="Remove"
      isDangerous
      isPending={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate(credential, { onSuccess: onClose })}
      onClose={onClose}
    >
      <p>
        Nothing is let in with this credential any more, and what it has let in ends, access tokens included.
        It cannot be undone.
      </p>
    </Confirmation>
  );
}
