import { Button, makeStyles, mergeClasses, tokens } from '@fluentui/react-components';
import { type FormEvent, useState } from 'react';
import { isOvertaken, messageFor } from '../../api/client.ts';
import { Failure } from '../../components/failure.tsx';
import { Notice } from '../../components/notice.tsx';
import { Section } from '../../components/section.tsx';
import { type Input, inputOf, readInput, type Setting, type SettingGroup, valueAt } from './setting.ts';
import { SettingField } from './setting-field.tsx';

/** Values as they were read, with the version that they are of. */
export interface SettingValues {
  readonly values: object;
  readonly tag: string;
}

interface SettingsFormProps {
  readonly group: SettingGroup;
  /** As they are now. */
  readonly current: SettingValues;
  /** Reads them again. */
  readonly onReload: () => Promise<SettingValues>;
  /** Sends what has changed, by property, to the version of a tag; what is current is up to date when it resolves. */
  readonly onSave: (values: Record<string, unknown>, tag: string) => Promise<void>;
}

/** What somebody has begun to change: from which values, and what the changed fields hold. */
interface Draft extends SettingValues {
  readonly inputs: Readonly<Record<string, Input>>;
  /** What somebody else has changed since it was begun. */
  readonly overtaken: readonly string[];
}

const useStyles = makeStyles({
  form: {
    display: 'grid',
    gridTemplateColumns: 'repeat(auto-fill, minmax(min(380px, 100%), 1fr))',
    alignItems: 'start',
    gap: '20px 32px',
  },
  whole: { gridColumn: '1 / -1' },
  lead: { color: tokens.colorNeutralForeground3, maxWidth: '72ch' },
  actions: { gridColumn: '1 / -1', display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: '12px' },
  // Its line is there all the time, so that what it says is read out; empty it takes no room.
  idle: { position: 'absolute' },
  says: { color: tokens.colorNeutralForeground3 },
});

/**
 * The settings of a group, saved together. What is being changed keeps standing while the values behind it are read again
 * and again; a change by somebody else is never undone unseen.
 */
export function SettingsForm({ group, current, onReload, onSave }: SettingsFormProps) {
  const styles = useStyles();
  const [draft, setDraft] = useState<Draft | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [state, setState] = useState<'idle' | 'saving' | 'saved'>('idle');
  const base = draft ?? current;
  const changed = changedIn(group.settings, draft);
  const unreadable = changed.filter(({ read }) => 'error' in read);

  const edit = (setting: Setting, input: Input) => {
    const began = draft ?? { ...current, inputs: {}, overtaken: [] };
    setDraft({ ...began, inputs: { ...began.inputs, [setting.property]: input } });
    setState('idle');
    setError(null);
  };
  const discard = () => {
    setDraft(null);
    setError(null);
  };
  const save = async (event: FormEvent) => {
    event.preventDefault();
    if (state === 'saving' || changed.length === 0 || unreadable.length > 0) return;
    setState('saving');
    setError(null);
    try {
      await onSave(
        Object.fromEntries(
          changed.flatMap(({ setting, read }) => ('value' in read ? [[setting.property, read.value]] : [])),
        ),
        base.tag,
      );
      setDraft(null);
      setState('saved');
    } catch (refusal) {
      setError(refusal instanceof Error ? refusal : new Error(String(refusal)));
      setState('idle');
    }
  };
  const reload = async () => {
    if (draft === null) return;
    try {
      const fresh = await onReload();
      const overtaken = group.settings
        .filter(setting => inputOfBase(setting, fresh) !== inputOfBase(setting, draft))
        .map(({ property }) => property);
      setDraft({ ...fresh, inputs: draft.inputs, overtaken });
      setError(null);
    } catch (refusal) {
      setError(refusal instanceof Error ? refusal : new Error(String(refusal)));
    }
  };

  const isIdle = changed.length === 0 && state !== 'saved';
  const besideFields = group.settings.some(setting => messageFor(error, setting.property) !== undefined);
  return (
    <Section title={group.title} id={sectionIdOf(group)}>
      <form className={styles.form} onSubmit={event => void save(event)}>
        {group.lead !== undefined && <p className={mergeClasses(styles.whole, styles.lead)}>{group.lead}</p>}
        {group.settings.map(setting => {
          const read = changed.find(one => one.setting === setting)?.read;
          return (
            <SettingField
              key={setting.property}
              setting={setting}
              input={draft?.inputs[setting.property] ?? inputOfBase(setting, base)}
              onChange={input => edit(setting, input)}
              error={read !== undefined && 'error' in read ? read.error : messageFor(error, setting.property)}
              warning={draft?.overtaken.includes(setting.property) ? wordsFor(setting, base) : undefined}
            />
          );
        })}
        {isOvertaken(error) && (
          <div className={styles.whole}>
            <Notice
              intent="warning"
              actions={
                <Button size="small" onClick={() => void reload()}>
                  Show what is there now
                </Button>
              }
            >
              Somebody else has changed this application since you opened the page. Nothing was saved.
            </Notice>
          </div>
        )}
        {error !== null && !isOvertaken(error) && !besideFields && (
          <div className={styles.whole}>
            <Failure error={error} what="It was not saved." />
          </div>
        )}
        <div className={mergeClasses(styles.actions, isIdle && styles.idle)}>
          {changed.length > 0 && (
            <>
              <Button
                type="submit"
                appearance="primary"
                disabled={unreadable.length > 0}
                disabledFocusable={state === 'saving'}
              >
                {state === 'saving' ? 'Saving …' : 'Save'}
              </Button>
              <Button disabledFocusable={state === 'saving'} onClick={discard}>
                Discard
              </Button>
            </>
          )}
          <span role="status" className={styles.says}>
            {changed.length > 0 &&
              `Changes ${changed.map(({ setting }) => setting.label).join(', ')}, for everybody, within two seconds.`}
            {changed.length === 0 && state === 'saved' && 'Saved. It is in effect for the next request.'}
          </span>
        </div>
      </form>
    </Section>
  );
}

/** Where a group of settings is on its page. */
export function sectionIdOf({ title }: SettingGroup): string {
  return title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}

interface Changed {
  readonly setting: Setting;
  readonly read: ReturnType<typeof readInput>;
}

/** The settings whose fields hold something else than what there was. */
function changedIn(settings: readonly Setting[], draft: Draft | null): Changed[] {
  if (draft === null) return [];
  return settings.flatMap(setting => {
    const input = draft.inputs[setting.property];
    if (input === undefined || input === inputOfBase(setting, draft)) return [];
    return [{ setting, read: readInput(setting, input) }];
  });
}

function inputOfBase(setting: Setting, { values }: SettingValues): Input {
  return inputOf(setting, valueAt(values, setting.property));
}

function wordsFor(setting: Setting, base: SettingValues): string {
  const input = inputOfBase(setting, base);
  const words = typeof input === 'boolean' ? (input ? 'on' : 'off') : `“${input}”`;
  return `Somebody else has set it to ${words} meanwhile.`;
}
