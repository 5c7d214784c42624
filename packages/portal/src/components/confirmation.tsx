import {
  Button,
  DialogActions,
  DialogBody,
  DialogContent,
  DialogTitle,
  makeStyles,
  mergeClasses,
  tokens,
} from '@fluentui/react-components';
import type { FormEvent, KeyboardEvent, ReactNode } from 'react';
import { Failure } from './failure.tsx';

const useStyles = makeStyles({
  content: { display: 'flex', flexDirection: 'column', gap: '16px', paddingBottom: '8px' },
  actions: {
    gridColumnStart: '1',
    gridColumnEnd: '-1',
    display: 'flex',
    flexWrap: 'wrap',
    justifyContent: 'flex-end',
    width: '100%',
    '@media (max-width: 480px)': { flexDirection: 'column', flexWrap: 'nowrap', alignItems: 'stretch' },
  },
  // In one line where there is room; the name of what it is done to may need several.
  confirm: { maxWidth: '100%', overflowWrap: 'anywhere' },
  danger: {
    backgroundColor: tokens.colorPaletteRedForeground1,
    color: tokens.colorNeutralBackground1,
    ':hover': { backgroundColor: tokens.colorPaletteRedForeground1, color: tokens.colorNeutralBackground1 },
    ':hover:active': {
      backgroundColor: tokens.colorPaletteRedForeground1,
      color: tokens.colorNeutralBackground1,
    },
  },
});

interface ConfirmationProps {
  readonly title: string;
  /** What will happen, and to whom; or the fields of a form. */
  readonly children: ReactNode;
  /** The verb and what it is done to: "Revoke nuc-3". */
  readonly confirm: string;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
  readonly isPending: boolean;
  /** What went wrong when it was confirmed. */
  readonly error: Error | null;
  /** Whether it takes something away that does not come back. */
  readonly isDangerous?: boolean;
  /** Whether what is filled in cannot be sent yet. */
  readonly isIncomplete?: boolean;
}

/** Asks before something is done, stays while it is done, and says why it was not: what a modal has in it. */
export function Confirmation(props: ConfirmationProps) {
  const { title, children, confirm, onConfirm, onClose, isPending, error, isIncomplete, isDangerous } = props;
  const styles = useStyles();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isPending && !isIncomplete) onConfirm();
  };
  return (
    <form onSubmit={submit} onKeyDown={ignoreHeldEnter}>
      <DialogBody>
        <DialogTitle>{title}</DialogTitle>
        <DialogContent className={styles.content}>
          {children}
          {error !== null && <Failure error={error} />}
        </DialogContent>
        <DialogActions className={styles.actions}>
          <Button
            type="submit"
            className={mergeClasses(styles.confirm, isDangerous && styles.danger)}
            appearance="primary"
            disabled={isIncomplete}
            disabledFocusable={isPending}
          >
            {isPending ? 'Working …' : confirm}
          </Button>
          <Button disabledFocusable={isPending} onClick={onClose}>
            Cancel
          </Button>
        </DialogActions>
      </DialogBody>
    </form>
  );
}

/** The key that has opened the modal may still be down when its button gets the focus: that is no answer. */
function ignoreHeldEnter(event: KeyboardEvent<HTMLFormElement>) {
  if (event.key === 'Enter' && event.repeat && event.target instanceof HTMLButtonElement)
    event.preventDefault();
}
