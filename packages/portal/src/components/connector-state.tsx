import type { Connector } from '@postern/protocol/admin/connectors';
import { CheckIcon, CrossIcon, PauseIcon, WarningIcon } from './icons.tsx';
import { StateMark, type StateMarkProps } from './state-mark.tsx';

/** What a connector is now, in one word. */
type ConnectorStatus = Connector['status'];

export const stateWords: Readonly<Record<ConnectorStatus, string>> = {
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
} as const satisfies Record<ConnectorStatus, Omit<StateMarkProps, 'word'>>;

export function ConnectorState({ state }: { readonly state: ConnectorStatus }) {
  return <StateMark word={stateWords[state]} {...marks[state]} />;
}
