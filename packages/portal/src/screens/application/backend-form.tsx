import { Field, Input, Switch } from '@fluentui/react-components';
import type { OnPremisesPublishing, OnPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import { useState } from 'react';
import { useChangeApplication } from '../../api/applications.ts';
import { isOvertaken, messageFor } from '../../api/client.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { NotSaved } from '../../components/not-saved.tsx';
import type { ShownApplication } from './application-frame.tsx';

interface BackendFormProps {
  readonly shown: ShownApplication;
  readonly publishing: OnPremisesPublishing;
  /** Where it is in the list of further backends; -1 is the internal URL, one behind the end a new one. */
  readonly index: number;
  readonly onClose: () => void;
}

/** Adds a backend, or changes one; of the internal URL the weight alone. */
export function BackendForm({ shown, publishing, index, onClose }: BackendFormProps) {
  const change = useChangeApplication(shown);
  const { backends, internalUrl, internalUrlWeight } = publishing;
  const before = backends[index];
  const isInternal = index < 0;
  const [isNew] = useState(!isInternal && before === undefined);
  const [url, setUrl] = useState(before?.url ?? '');
  const [weight, setWeight] = useState(String(isInternal ? internalUrlWeight : (before?.weight ?? 1)));
  const [isBackup, setIsBackup] = useState(before?.isBackup ?? false);
  const isWeightValid = /^\d{1,4}$/.test(weight) && Number(weight) >= 1 && Number(weight) <= mostWeight;

  const submit = () => {
    const backend = { url: url.trim(), weight: Number(weight), isBackup };
    const values: OnPremisesPublishingUpdate = isInternal
      ? { internalUrlWeight: Number(weight) }
      : { backends: [...backends.slice(0, index), backend, ...backends.slice(index + 1)] };
    change.mutate({ wanted: { part: 'publishing', values }, tag: shown.tag }, { onSuccess: onClose });
  };
  // Beside the address whatever is said of the list: only the service can tell what it is about.
  const urlMessage = messageFor(change.error, `backends.${index}`) ?? messageFor(change.error, 'backends');
  return (
    <Confirmation
      title={isNew ? 'Add a backend' : 'Change a backend'}
      confirm={isNew ? 'Add' : 'Save'}
      isIncomplete={!isWeightValid || (!isInternal && url.trim() === '')}
      isPending={change.isPending}
      error={urlMessage !== undefined || isOvertaken(change.error) ? null : change.error}
      onConfirm={submit}
      onClose={onClose}
    >
      {isInternal ? (
        <p>{internalUrl}, the internal URL. Its address is changed under Settings.</p>
      ) : (
        <Field
          label="Address"
          hint="Scheme, host and port, as the connectors reach it. It is asked for the host and the path of the internal URL."
          required
          validationMessage={urlMessage}
        >
          <Input
            value={url}
            placeholder="http://wiki-2.corp.example:8080/"
            spellCheck={false}
            autoComplete="off"
            onChange={(_event, { value }) => setUrl(value)}
          />
        </Field>
      )}
      <Field
        label="Weight"
        hint="How many requests it gets in proportion to the weights of the others."
        validationMessage={isWeightValid ? undefined : 'A whole number from 1 to 1,000.'}
      >
        <Input inputMode="numeric" value={weight} onChange={(_event, { value }) => setWeight(value.trim())} />
      </Field>
      {!isInternal && (
        <Field hint="It gets requests only while no other backend is healthy.">
          <Switch
            label="Backup"
            checked={isBackup}
            onChange={(_event, { checked }) => setIsBackup(checked)}
          />
        </Field>
      )}
      {isOvertaken(change.error) && <NotSaved error={change.error} />}
    </Confirmation>
  );
}

const mostWeight = 1_000;
