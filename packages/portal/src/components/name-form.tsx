import { Field, Input } from '@fluentui/react-components';
import { useState } from 'react';
import { Confirmation } from './confirmation.tsx';

interface NameFormProps {
  readonly title: string;
  readonly help: string;
  readonly confirm: string;
  /** The name that it has. */
  readonly name?: string;
  readonly isPending: boolean;
  readonly error: Error | null;
  readonly onConfirm: (name: string) => void;
  readonly onClose: () => void;
}

/** Asks for a name, in a modal. */
export function NameForm({ name = '', help, onConfirm, ...confirmation }: NameFormProps) {
  const [value, setValue] = useState(name);
  const wanted = value.trim();
  return (
    <Confirmation
      {...confirmation}
      isIncomplete={wanted === '' || wanted === name}
      onConfirm={() => onConfirm(wanted)}
    >
      <Field label="Name" hint={help} required>
        <Input value={value} maxLength={256} onChange={(_event, data) => setValue(data.value)} />
      </Field>
    </Confirmation>
  );
}
