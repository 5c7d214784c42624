import { Field, makeStyles, tokens } from '@fluentui/react-components';

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

interface FileFieldProps {
  readonly label: string;
  readonly hint: string;
  /** What the dialog of the system offers first. */
  readonly accept: string;
  readonly isMultiple?: boolean;
  readonly error: string | undefined;
  readonly onChoose: (files: readonly File[]) => void;
}

/** A field for files of the reader's machine. */
export function FileField({ label, hint, accept, isMultiple = false, error, onChoose }: FileFieldProps) {
  const styles = useStyles();
  return (
    <Field label={label} hint={hint} validationMessage={error}>
      {({ 'aria-invalid': isInvalid, ...fieldProps }) => (
        <input
          {...fieldProps}
          type="file"
          className={styles.input}
          accept={accept}
          multiple={isMultiple}
          aria-invalid={isInvalid}
          onChange={event => onChoose([...(event.currentTarget.files ?? [])])}
        />
      )}
    </Field>
  );
}
