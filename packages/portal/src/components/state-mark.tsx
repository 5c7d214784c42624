import { makeStyles, mergeClasses, tokens } from '@fluentui/react-components';
import type { CheckIcon } from './icons.tsx';

const useStyles = makeStyles({
  state: {
    display: 'inline-flex',
    alignItems: 'center',
    gap: '6px',
    whiteSpace: 'nowrap',
    verticalAlign: 'text-bottom',
    fontWeight: 600,
  },
  good: { color: tokens.colorPaletteGreenForeground1 },
  quiet: { color: tokens.colorNeutralForeground3 },
  warning: { color: tokens.colorPaletteMarigoldForeground1 },
  bad: { color: tokens.colorPaletteRedForeground1 },
});

/** How a state is told. */
export interface StateMarkProps {
  readonly word: string;
  readonly StateIcon: typeof CheckIcon;
  readonly tone: 'good' | 'quiet' | 'warning' | 'bad';
}

/** A mark and a word: no state is told by its colour alone. */
export function StateMark({ word, StateIcon, tone }: StateMarkProps) {
  const styles = useStyles();
  return (
    <span className={mergeClasses(styles.state, styles[tone])}>
      <StateIcon />
      {word}
    </span>
  );
}
