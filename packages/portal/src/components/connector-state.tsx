import { makeStyles, mergeClasses, tokens } from '@fluentui/react-components';
import type { Connector } from '@postern/protocol/admin/connectors';
import { CheckIcon, CrossIcon, PauseIcon, WarningIcon } from './icons.tsx';

/** What a connector is now, in one word. */
export type ConnectorStateName = 'active' | 'inactive' | 'expired' | 'revoked';

/** The state that a list shows: a revoked connector is revoked before it is anything else. */
export function stateOf(connector: Connector): ConnectorStateName {
  return connector.revokedDateTime === null ? connector.status : 'revoked';
}

export const stateWords: Readonly<Record<ConnectorStateName, string>> = {
  active: 'Active',
  inactive: 'Inactive',
  expired: 'Expired',
  revoked: 'Revoked',
};

const icons = {
  active: CheckIcon,
  inactive: PauseIcon,
  expired: WarningIcon,
  revoked: CrossIcon,
} as const satisfies Record<ConnectorStateName, unknown>;

const useStyles = makeStyles({
  state: {
    display: 'inline-flex',
    alignItems: 'center',
    gap: '6px',
    whiteSpace: 'nowrap',
    verticalAlign: 'text-bottom',
    fontWeight: 600,
  },
  active: { color: tokens.colorPaletteGreenForeground1 },
  inactive: { color: tokens.colorNeutralForeground3 },
  expired: { color: tokens.colorPaletteMarigoldForeground1 },
  revoked: { color: tokens.colorPaletteRedForeground1 },
});

/** A mark and a word: no state is told by its colour alone. */
export function ConnectorState({ state }: { readonly state: ConnectorStateName }) {
  const styles = useStyles();
  const StateIcon = icons[state];
  return (
    <span className={mergeClasses(styles.state, styles[state])}>
      <StateIcon />
      {stateWords[state]}
    </span>
  );
}
