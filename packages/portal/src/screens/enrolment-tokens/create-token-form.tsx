import { Field, Input, Select } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { connectorGroupsQuery } from '../../api/connector-groups.ts';
import { type CreatedEnrolmentToken, useCreateEnrolmentToken } from '../../api/enrolment-tokens.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { CopyBlock } from '../../components/copy-text.tsx';
import { Moment } from '../../components/moment.tsx';
import { Notice } from '../../components/notice.tsx';
import { ShownOnce } from '../../components/shown-once.tsx';

const hour = 3_600;
const lifetimes = [
  [hour, '1 hour'],
  [24 * hour, '1 day'],
  [7 * 24 * hour, '7 days'],
  [30 * 24 * hour, '30 days'],
] as const;

interface CreateTokenFormProps {
  /** The token is there, and shown. */
  readonly onMade: () => void;
  readonly onClose: () => void;
}

/** Asks for what a token is to be good for, makes it, and shows the command with it: once. */
export function CreateTokenForm({ onMade, onClose }: CreateTokenFormProps) {
  const groups = useQuery(connectorGroupsQuery);
  const create = useCreateEnrolmentToken();
  const [displayName, setDisplayName] = useState('');
  const [groupId, setGroupId] = useState('');
  const [maxUses, setMaxUses] = useState('1');
  const [lifetime, setLifetime] = useState(String(24 * hour));
  if (create.data !== undefined) return <CreatedToken created={create.data} onClose={onClose} />;
  const uses = Number(maxUses);
  const areUsesValid = Number.isInteger(uses) && uses >= 1 && uses <= 1_000;
  return (
    <Confirmation
      title="Create an enrolment token"
      confirm="Create"
      isIncomplete={!areUsesValid}
      isPending={create.isPending}
      error={create.error}
      onConfirm={() =>
        create.mutate(
          {
            maxUses: uses,
            lifetimeSeconds: Number(lifetime),
            ...(displayName.trim() !== '' && { displayName: displayName.trim() }),
            ...(groupId !== '' && { connectorGroupId: groupId }),
          },
          { onSuccess: onMade },
        )
      }
      onClose={onClose}
    >
      <Field label="Purpose" hint="For the list of tokens, such as the place of the machine.">
        <Input value={displayName} maxLength={256} onChange={(_event, { value }) => setDisplayName(value)} />
      </Field>
      <Field label="Connector group">
        <Select value={groupId} onChange={(_event, { value }) => setGroupId(value)}>
          <option value="">The default group</option>
          {groups.data
            ?.filter(({ isDefault }) => !isDefault)
            .map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
        </Select>
      </Field>
      <Field
        label="Connectors that may register with it"
        validationMessage={areUsesValid ? undefined : 'A whole number from 1 to 1,000.'}
      >
        <Input
          type="number"
          min={1}
          max={1_000}
          value={maxUses}
          onChange={(_event, { value }) => setMaxUses(value)}
        />
      </Field>
      <Field label="Works for">
        <Select value={lifetime} onChange={(_event, { value }) => setLifetime(value)}>
          {lifetimes.map(([seconds, words]) => (
            <option key={seconds} value={seconds}>
              {words}
            </option>
          ))}
        </Select>
      </Field>
    </Confirmation>
  );
}

interface CreatedTokenProps {
  readonly created: CreatedEnrolmentToken;
  readonly onClose: () => void;
}

function CreatedToken({ created, onClose }: CreatedTokenProps) {
  return (
    <ShownOnce title="Install a connector with this token" onClose={onClose}>
      <p>
        Run this on the machine, as it is. The token is read from standard input, where no other user sees it.
      </p>
      <CopyBlock text={created.command} what="the command" />
      <Notice intent="warning">
        It is shown now and never again. It works until <Moment at={created.expirationDateTime} /> for{' '}
        {created.maxUses === 1 ? '1 connector' : `${created.maxUses} connectors`}.
      </Notice>
    </ShownOnce>
  );
}
