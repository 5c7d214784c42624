import { Field, Input, Switch } from '@fluentui/react-components';
import { useState } from 'react';
import { messageFor } from '../../api/client.ts';
import { useAddDomain } from '../../api/domains.ts';
import { Confirmation } from '../../components/confirmation.tsx';

/** Adds a custom domain, and leads to its page, which says how it is proved. */
export function AddDomainForm({ onClose }: { readonly onClose: () => void }) {
  const add = useAddDomain();
  const [name, setName] = useState('');
  const [isAutomatic, setIsAutomatic] = useState(true);
  const wanted = name.trim();
  const message = messageFor(add.error, 'id');
  return (
    <Confirmation
      title="Add a custom domain"
      confirm="Add"
      isIncomplete={wanted === ''}
      isPending={add.isPending}
      error={message === undefined ? add.error : null}
      onConfirm={() =>
        add.mutate(
          { id: wanted, isAutomaticCertificateEnabled: isAutomatic },
          {
            // A new document rather than a new page: this one goes with the open modal and what it has hidden behind it.
            onSuccess: ({ id }) => location.assign(`/admin/domains/${encodeURIComponent(id)}`),
          },
        )
      }
      onClose={onClose}
    >
      <Field
        label="Domain"
        hint="Such as contoso.com: one proof is good for it and every name under it."
        required
        validationMessage={message}
      >
        <Input
          value={name}
          autoComplete="off"
          spellCheck={false}
          maxLength={253}
          onChange={(_event, { value }) => setName(value)}
        />
      </Field>
      <Field hint="By ACME, where the service is set up for it, for every published name that no uploaded certificate covers.">
        <Switch
          label="Get certificates automatically"
          checked={isAutomatic}
          onChange={(_event, { checked }) => setIsAutomatic(checked)}
        />
      </Field>
    </Confirmation>
  );
}
