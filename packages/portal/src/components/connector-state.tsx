import type { Connector } from '@postern/protocol/admin/connectors';
import { CheckIcon, CrossIcon, PauseIcon, WarningIcon } from './icons.tsx';
import { StateMark, type StateMarkProps } from './state-mark.tsx';

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

const marks = {
  active: { StateIcon: CheckIcon, tone: 'good' },
  inactive: { StateIcon: PauseIcon, tone: 'quiet' },
  expired: { StateIcon: WarningIcon, tone: 'warning' },
  revoked: { StateIcon: CrossIcon, tone: 'bad' },
} as const satisfies Record<ConnectorStateName, Omit<StateMarkProps, 'word'>>;

export function ConnectorState({ state }: { readonly state: ConnectorStateName }) {
  return <StateMark word={stateWords[state]} {...marks[state]} />;
}
