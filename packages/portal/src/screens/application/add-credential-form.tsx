import { Field, Input, Select } from '@fluentui/react-components';
import type { Application } from '@postern/protocol/admin/applications';
import { useState } from 'react';
import { type ApplicationCredential, useAddCredential } from '../../api/credentials.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { CopyBlock, CopyText } from '../../components/copy-text.tsx';
import { Facts } from '../../components/facts.tsx';
import { Moment } from '../../components/moment.tsx';
import { Notice } from '../../components/notice.tsx';
import { ShownOnce } from '../../components/shown-once.tsx';
import { credentialName } from './programs-page.tsx';

const lifetimes = [
  [30, '30 days'],
  [90, '90 days'],
  [365, '1 year'],
  [730, '2 years'],
] as const;

interface AddCredentialFormProps {
  readonly application: Application;
  /** Those that there are: a further secret may be for the client of one of them. */
  readonly credentials: readonly ApplicationCredential[];
  /** The secret is there, and shown. */
  readonly onMade: () => void;
  readonly onClose: () => void;
}

/** Asks what a credential is for, makes it, and shows the secret: once. */
export function AddCredentialForm({ application, credentials, onMade, onClose }: AddCredentialFormProps) {
  const add = useAddCredential(application.id);
  const [name, setName] = useState('');
  const [days, setDays] = useState('365');
  const [clientId, setClientId] = useState('');
  const clients = [...new Map(credentials.map(one => [one.clientId, credentialName(one)]))];
  if (add.data !== undefined) {
    const { clientId: madeFor, secretText, endDateTime } = add.data;
    const url = application.onPremisesPublishing?.externalUrl;
    return (
      <ShownOnce title="The new credential" onClose={onClose}>
        <Facts
          rows={[
            ['Client id', <CopyText key="id" text={madeFor} what="client id" />],
            ['Client secret', <CopyText key="secret" text={secretText} what="client secret" />],
          ]}
        />
        <Notice intent="warning">
          The secret is shown now and never again. It works until <Moment at={endDateTime} />.
        </Notice>
        {url !== undefined && (
          <>
            <p>To try it; curl asks for the secret:</p>
            <CopyBlock text={`curl --user ${madeFor} ${url}`} what="the command" />
          </>
        )}
      </ShownOnce>
    );
  }
  return (
    <Confirmation
      title="Add a credential"
      confirm="Add"
      isPending={add.isPending}
      error={add.error}
      onConfirm={() =>
        add.mutate(
          {
            endDateTime: endAfter(Number(days)),
            ...(name.trim() !== '' && { displayName: name.trim() }),
            ...(clientId !== '' && { clientId }),
          },
          { onSuccess: onMade },
        )
      }
      onClose={onClose}
    >
      <Field label="Name" hint="What it is for, such as the backup of the repositories.">
        <Input value={name} maxLength={256} onChange={(_event, { value }) => setName(value)} />
      </Field>
      <Field label="Works for">
        <Select value={days} onChange={(_event, { value }) => setDays(value)}>
          {lifetimes.map(([count, words]) => (
            <option key={count} value={count}>
              {words}
            </option>
          ))}
        </Select>
      </Field>
      {clients.length > 0 && (
        <Field
          label="Client"
          hint="A further secret lets you change secrets without a pause: who the program is stays."
        >
          <Select value={clientId} onChange={(_event, { value }) => setClientId(value)}>
            <option value="">A new client</option>
            {clients.map(([id, words]) => (
              <option key={id} value={id}>
                A further secret for {words}
              </option>
            ))}
          </Select>
        </Field>
      )}
    </Confirmation>
  );
}

/** A minute less, since the service counts by its own clock. */
function endAfter(days: number): string {
  return new Date(Date.now() + days * 86_400_000 - 60_000).toISOString();
}
