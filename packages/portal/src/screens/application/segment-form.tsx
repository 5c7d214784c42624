import type { ApplicationSegment } from '@postern/protocol/admin/application-segments';
import { useState } from 'react';
import { isOvertaken, messageFor } from '../../api/client.ts';
import { useSaveSegment } from '../../api/segments.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { NotSaved } from '../../components/not-saved.tsx';
import type { ShownApplication } from './application-frame.tsx';
import type { Setting } from './setting.ts';
import { SettingField } from './setting-field.tsx';

interface SegmentFormProps {
  readonly shown: ShownApplication;
  /** Host of the application's external URL. */
  readonly wildcard: string;
  /** null to add one. */
  readonly segment: ApplicationSegment | null;
  readonly onClose: () => void;
}

/** Adds a segment, or changes one. */
export function SegmentForm({ shown, wildcard, segment, onClose }: SegmentFormProps) {
  const save = useSaveSegment(shown.application.id);
  const [externalUrl, setExternalUrl] = useState(segment?.externalUrl ?? '');
  const [internalUrl, setInternalUrl] = useState(segment?.internalUrl ?? '');
  const values = { externalUrl: externalUrl.trim(), internalUrl: internalUrl.trim() };
  const isBesideField = ['externalUrl', 'internalUrl'].some(
    name => messageFor(save.error, name) !== undefined,
  );
  return (
    <Confirmation
      title={segment === null ? 'Add a segment' : 'Change a segment'}
      confirm={segment === null ? 'Add' : 'Save'}
      isIncomplete={values.externalUrl === '' || values.internalUrl === ''}
      isPending={save.isPending}
      error={isBesideField || isOvertaken(save.error) ? null : save.error}
      onConfirm={() =>
        save.mutate({ id: segment?.id ?? null, values, tag: shown.tag }, { onSuccess: onClose })
      }
      onClose={onClose}
    >
      <SettingField
        setting={externalSetting(wildcard)}
        input={externalUrl}
        onChange={value => setExternalUrl(String(value))}
        error={messageFor(save.error, 'externalUrl')}
        isRequired
      />
      <SettingField
        setting={internalSetting}
        input={internalUrl}
        onChange={value => setInternalUrl(String(value))}
        error={messageFor(save.error, 'internalUrl')}
        isRequired
      />
      {isOvertaken(save.error) && <NotSaved error={save.error} />}
    </Confirmation>
  );
}

function externalSetting(wildcard: string): Setting {
  return {
    property: 'externalUrl',
    label: 'External URL',
    help: `Where people reach it, at a host under ${wildcard}. With a path, only that path and what is below it.`,
    control: { kind: 'text', placeholder: `https://api.${wildcard.slice(2)}/` },
  };
}

const internalSetting: Setting = {
  property: 'internalUrl',
  label: 'Internal URL',
  help: 'Where it is in the private network, as a connector of the group reaches it.',
  control: { kind: 'text', placeholder: 'http://api.corp.example:8080/' },
};
