import { Field, Input } from '@fluentui/react-components';
import { useState } from 'react';
import { Confirmation } from './confirmation.tsx';

interface RegionFormProps {
  /** Of which connector or group. */
  readonly name: string;
  readonly help: string;
  /** null for none. */
  readonly region: string | null;
  readonly isPending: boolean;
  readonly error: Error | null;
  readonly onConfirm: (region: string | null) => void;
  readonly onClose: () => void;
}

/** Asks for a region, in a modal; an empty one is none. */
export function RegionForm({ name, help, region, onConfirm, ...confirmation }: RegionFormProps) {
  const [value, setValue] = useState(region ?? '');
  const wanted = value.trim();
  return (
    <Confirmation
      {...confirmation}
      title={`Region of ${name}`}
      confirm="Save"
      isIncomplete={wanted === (region ?? '')}
      onConfirm={() => onConfirm(wanted === '' ? null : wanted)}
    >
      <Field label="Region" hint={help}>
        <Input value={value} maxLength={64} onChange={(_event, data) => setValue(data.value)} />
      </Field>
    </Confirmation>
  );
}
