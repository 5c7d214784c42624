import { Field, Input, makeStyles, Select, Switch, Textarea, tokens } from '@fluentui/react-components';
import { FileInput } from '../../components/file-field.tsx';
import type { Setting, Input as SettingInput } from './setting.ts';

const useStyles = makeStyles({
  // A long choice must not make its field wider than the page.
  field: { maxWidth: '560px', gridTemplateColumns: 'minmax(0, 1fr)' },
  short: { maxWidth: '280px' },
  seconds: { display: 'flex', flexWrap: 'wrap', gap: '8px' },
  number: { width: '140px' },
  block: { display: 'flex', flexDirection: 'column', gap: '8px', minWidth: 0 },
  whole: { width: '100%' },
  code: { fontFamily: tokens.fontFamilyMonospace, fontSize: '13px' },
});

interface SettingFieldProps {
  readonly setting: Setting;
  readonly input: SettingInput;
  readonly onChange: (input: SettingInput) => void;
  /** Why it cannot be as it is. */
  readonly error?: string;
  /** What else there is to know, such as that somebody else has changed it meanwhile. */
  readonly warning?: string;
  readonly isRequired?: boolean;
}

/** One setting, with the control that it asks for. */
export function SettingField(props: SettingFieldProps) {
  const { setting, input, onChange, error, warning, isRequired } = props;
  const styles = useStyles();
  const { control, label, help } = setting;
  if (control.kind === 'switch') {
    return (
      <Field
        className={styles.field}
        hint={help}
        validationState={stateOf(error, warning)}
        validationMessage={error ?? warning}
      >
        <Switch
          checked={input === true}
          label={label}
          onChange={(_event, { checked }) => onChange(checked)}
        />
      </Field>
    );
  }
  return (
    <Field
      className={styles.field}
      label={label}
      hint={help}
      required={isRequired}
      validationState={stateOf(error, warning)}
      validationMessage={error ?? warning}
    >
      {fieldProps => <Control {...fieldProps} control={control} text={String(input)} onChange={onChange} />}
    </Field>
  );
}

function stateOf(error: string | undefined, warning: string | undefined): 'error' | 'warning' | 'none' {
  if (error !== undefined) return 'error';
  return warning === undefined ? 'none' : 'warning';
}

interface ControlProps {
  readonly control: Exclude<Setting['control'], { kind: 'switch' }>;
  readonly text: string;
  readonly onChange: (text: string) => void;
}

/** What a field that is no switch has in it; further properties tie it to its label, its help and its error. */
function Control({ control, text, onChange, ...field }: ControlProps) {
  const styles = useStyles();
  switch (control.kind) {
    case 'text':
      return (
        <Input
          {...field}
          value={text}
          placeholder={control.placeholder}
          autoComplete="off"
          spellCheck={false}
          onChange={(_event, { value }) => onChange(value)}
        />
      );
    case 'choice':
      return (
        <Select {...field} value={text} onChange={(_event, { value }) => onChange(value)}>
          {control.options.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Select>
      );
    case 'optional-switch':
      return (
        <Select {...field} value={text} onChange={(_event, { value }) => onChange(value)}>
          <option value="">{control.whenNull}</option>
          <option value="true">{control.whenOn}</option>
          <option value="false">{control.whenOff}</option>
        </Select>
      );
    case 'number':
      return (
        <Input
          {...field}
          className={styles.short}
          inputMode="numeric"
          value={text}
          placeholder={control.whenEmpty}
          contentAfter={control.unit}
          onChange={(_event, { value }) => onChange(value)}
        />
      );
    case 'timeout':
      return <TimeoutControl {...field} control={control} text={text} onChange={onChange} />;
    case 'block':
      return (
        <div className={styles.block}>
          <Textarea
            {...field}
            className={styles.whole}
            textarea={{ className: styles.code }}
            value={text}
            placeholder={control.placeholder}
            resize="vertical"
            rows={Math.min(8, Math.max(2, text.split('\n').length))}
            spellCheck={false}
            onChange={(_event, { value }) => onChange(value)}
          />
          <FileInput
            aria-label="Add from files"
            accept={control.accept}
            isMultiple
            onChoose={files => void addFrom(files, text, onChange)}
          />
        </div>
      );
    case 'lines':
    case 'fields':
      return (
        <Textarea
          {...field}
          value={text}
          placeholder={control.placeholder}
          resize="vertical"
          rows={Math.min(8, Math.max(2, text.split('\n').length))}
          spellCheck={false}
          onChange={(_event, { value }) => onChange(value)}
        />
      );
    case 'json':
      return (
        <Textarea
          {...field}
          textarea={{ className: styles.code }}
          value={text}
          placeholder={control.example === undefined ? undefined : JSON.stringify(control.example, null, 2)}
          resize="vertical"
          rows={Math.min(16, Math.max(4, text.split('\n').length))}
          spellCheck={false}
          onChange={(_event, { value }) => onChange(value)}
        />
      );
  }
}

/** Puts what is in files behind what there is. */
async function addFrom(files: readonly File[], text: string, onChange: (text: string) => void) {
  const added = await Promise.all(files.map(async file => (await file.text()).trim()));
  onChange([text.trim(), ...added].filter(part => part !== '').join('\n'));
}

/** A choice of names; the last is a number of seconds of one's own, in a field that comes with it. */
function TimeoutControl({ control, text, onChange, ...field }: ControlProps) {
  const styles = useStyles();
  if (control.kind !== 'timeout') return null;
  const isOwn = !control.names.some(([name]) => name === text);
  return (
    <div className={styles.seconds}>
      <Select
        {...field}
        value={isOwn ? ownSeconds : text}
        onChange={(_event, { value }) => onChange(value === ownSeconds ? '300' : value)}
      >
        {control.names.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
        <option value={ownSeconds}>Another time</option>
      </Select>
      {isOwn && (
        <Input
          className={styles.number}
          aria-label="Seconds"
          inputMode="numeric"
          value={text}
          contentAfter="seconds"
          onChange={(_event, { value }) => onChange(value)}
        />
      )}
    </div>
  );
}

const ownSeconds = 'own';
