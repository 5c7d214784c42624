import { Field, makeStyles, tokens } from '@fluentui/react-components';
import type { ComponentProps } from 'react';

const useStyles = makeStyles({
  input: {
    font: 'inherit',
    maxWidth: '100%',
    color: tokens.colorNeutralForeground2,
    ':focus-visible': { outline: `2px solid ${tokens.colorStrokeFocus2}`, outlineOffset: '2px' },
    '::file-selector-button': {
      font: 'inherit',
      fontWeight: 600,
      marginRight: '12px',
      padding: '5px 12px',
      cursor: 'pointer',
      color: tokens.colorNeutralForeground1,
      backgroundColor: tokens.colorNeutralBackground1,
      border: `1px solid ${tokens.colorNeutralStroke1}`,
      borderRadius: tokens.borderRadiusMedium,
    },
    '::file-selector-button:hover': { backgroundColor: tokens.colorNeutralBackground1Hover },
  },
});

interface FileInputProps {
  /** What the dialog of the system offers first. */
  readonly accept: string;
  readonly isMultiple?: boolean;
  readonly onChoose: (files: readonly File[]) => void;
}

interface FileFieldProps extends FileInputProps {
  readonly label: string;
  readonly hint: string;
  readonly error: string | undefined;
}

/** A field for files of the reader's machine. */
export function FileField({ label, hint, error, ...input }: FileFieldProps) {
  return (
    <Field label={label} hint={hint} validationMessage={error}>
      {fieldProps => <FileInput {...fieldProps} {...input} />}
    </Field>
  );
}

/** The same without a label of its own; further properties tie it to one. */
export function FileInput({
  accept,
  isMultiple = false,
  onChoose,
  ...field
}: FileInputProps & ComponentProps<'input'>) {
  const styles = useStyles();
  return (
    <input
      {...field}
      type="file"
      className={styles.input}
      accept={accept}
      multiple={isMultiple}
      onChange={event => onChoose([...(event.currentTarget.files ?? [])])}
    />
  );
}
