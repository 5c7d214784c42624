import { Button } from '@fluentui/react-components';
import type { EnrolmentTokenDescription } from '@postern/protocol/admin/enrolment-tokens';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { connectorGroupsQuery } from '../../api/connector-groups.ts';
import { enrolmentTokensQuery, useRevokeEnrolmentToken } from '../../api/enrolment-tokens.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { CheckIcon, CrossIcon, PauseIcon } from '../../components/icons.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Moment } from '../../components/moment.tsx';
import { Page } from '../../components/page.tsx';
import { StateMark } from '../../components/state-mark.tsx';
import { CreateTokenForm } from './create-token-form.tsx';

/** Enrolment tokens: with one, a machine becomes a connector without an administrator there. */
export function EnrolmentTokensPage() {
  const tokensMade = useQuery(enrolmentTokensQuery);
  const [isCreating, setIsCreating] = useState(false);
  // A token that has been made is shown only now: nothing but its button closes what shows it.
  const [isMade, setIsMade] = useState(false);
  const [isRevoking, setIsRevoking] = useState(false);
  const [revoking, setRevoking] = useState<EnrolmentTokenDescription | null>(null);
  const closeCreation = () => {
    setIsCreating(false);
    setIsMade(false);
  };
  const askRevocation = (token: EnrolmentTokenDescription) => {
    setRevoking(token);
    setIsRevoking(true);
  };
  return (
    <Page
      title="Enrolment tokens"
      lead="With an enrolment token a machine becomes a connector without an administrator signing in there. It names this service, how to recognise it, and the connector group; it works for the connectors and the time that you choose."
      actions={
        <Button appearance="primary" onClick={() => setIsCreating(true)}>
          Create a token
        </Button>
      }
    >
      {tokensMade.isError && (
        <Failure
          error={tokensMade.error}
          what="The enrolment tokens cannot be shown."
          retry={() => void tokensMade.refetch()}
        />
      )}
      {tokensMade.isPending && <Loading what="the enrolment tokens" />}
      {tokensMade.data?.length === 0 && (
        <Empty
          title="No enrolment token"
          action={<Button onClick={() => setIsCreating(true)}>Create a token</Button>}
        >
          Create one to install a connector with a single command. Tokens that no longer work stay listed for
          30 days.
        </Empty>
      )}
      {tokensMade.data !== undefined && tokensMade.data.length > 0 && (
        <TokenList tokensMade={tokensMade.data} onRevoke={askRevocation} />
      )}
      <Modal isOpen={isCreating} isInsistent={isMade} onClose={closeCreation}>
        <CreateTokenForm onMade={() => setIsMade(true)} onClose={closeCreation} />
      </Modal>
      <Modal isOpen={isRevoking} onClose={() => setIsRevoking(false)}>
        {revoking !== null && <RevokeTokenForm token={revoking} onClose={() => setIsRevoking(false)} />}
      </Modal>
    </Page>
  );
}

interface TokenListProps {
  readonly tokensMade: readonly EnrolmentTokenDescription[];
  readonly onRevoke: (token: EnrolmentTokenDescription) => void;
}

function TokenList({ tokensMade, onRevoke }: TokenListProps) {
  const groups = useQuery(connectorGroupsQuery);
  const groupName = (id: string) => groups.data?.find(group => group.id === id)?.name ?? '–';
  const columns: readonly Column<EnrolmentTokenDescription>[] = [
    {
      id: 'purpose',
      title: 'Purpose',
      isGivenName: true,
      sortKey: token => nameOf(token),
      cell: nameOf,
    },
    {
      id: 'state',
      title: 'State',
      sortKey: token => token.status,
      cell: token => <TokenState token={token} />,
    },
    {
      id: 'group',
      title: 'Connector group',
      isGivenName: true,
      isMinor: true,
      sortKey: token => groupName(token.connectorGroupId),
      cell: token => groupName(token.connectorGroupId),
    },
    {
      id: 'uses',
      title: 'Registered',
      cell: token => `${token.uses} of ${token.maxUses}`,
    },
    {
      id: 'expires',
      title: 'Works until',
      isMinor: true,
      sortKey: token => Date.parse(token.expirationDateTime),
      cell: token => <Moment at={token.expirationDateTime} />,
    },
    {
      id: 'revoke',
      title: 'Actions',
      cell: token =>
        token.status === 'usable' && (
          <Button size="small" aria-label={`Revoke ${nameOf(token)}`} onClick={() => onRevoke(token)}>
            Revoke
          </Button>
        ),
    },
  ];
  return (
    <DataTable label="Enrolment tokens" columns={columns} rows={tokensMade} rowKey={token => token.id} />
  );
}

function nameOf({ displayName }: EnrolmentTokenDescription): string {
  return displayName ?? 'Unnamed token';
}

const states = {
  usable: { word: 'Usable', StateIcon: CheckIcon, tone: 'good' },
  usedUp: { word: 'Used up', StateIcon: PauseIcon, tone: 'quiet' },
  expired: { word: 'Expired', StateIcon: PauseIcon, tone: 'quiet' },
  revoked: { word: 'Revoked', StateIcon: CrossIcon, tone: 'bad' },
} as const;

function TokenState({ token }: { readonly token: EnrolmentTokenDescription }) {
  return <StateMark {...states[token.status]} />;
}

interface RevokeTokenFormProps {
  readonly token: EnrolmentTokenDescription;
  readonly onClose: () => void;
}

function RevokeTokenForm({ token, onClose }: RevokeTokenFormProps) {
  const revoke = useRevokeEnrolmentToken();
  return (
    <Confirmation
      title={`Revoke ${nameOf(token)}`}
      confirm="Revoke"
      isDangerous
      isPending={revoke.isPending}
      error={revoke.error}
      onConfirm={() => revoke.mutate(token.id, { onSuccess: onClose })}
      onClose={onClose}
    >
      <p>No further machine can register with it. Connectors that have registered stay as they are.</p>
    </Confirmation>
  );
}
