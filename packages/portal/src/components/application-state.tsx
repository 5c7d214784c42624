import type { Application } from '@postern/protocol/admin/applications';
import { activeConnectorsOf, type GroupWithMembers } from '../api/connector-groups.ts';
import { CheckIcon, CrossIcon, PauseIcon, WarningIcon } from './icons.tsx';
import { StateMark, type StateMarkProps } from './state-mark.tsx';

/** What an application is now, in one word. */
export type ApplicationStateName = 'published' | 'maintenance' | 'unreachable' | 'disabled' | 'unpublished';

/** @param group The connector group that carries the application; undefined while it is not known. */
export function stateOfApplication(
  { onPremisesPublishing: publishing }: Application,
  group: GroupWithMembers | undefined,
): ApplicationStateName {
  if (publishing === null) return 'unpublished';
  if (!publishing.isOnPremPublishingEnabled) return 'disabled';
  if (publishing.maintenanceMode.isEnabled) return 'maintenance';
  return group !== undefined && activeConnectorsOf(group).length === 0 ? 'unreachable' : 'published';
}

export const applicationStateWords: Readonly<Record<ApplicationStateName, string>> = {
  published: 'Published',
  maintenance: 'Maintenance',
  unreachable: 'No active connector',
  disabled: 'Disabled',
  unpublished: 'Not published',
};

const marks = {
  published: { StateIcon: CheckIcon, tone: 'good' },
  maintenance: { StateIcon: PauseIcon, tone: 'warning' },
  unreachable: { StateIcon: CrossIcon, tone: 'bad' },
  disabled: { StateIcon: PauseIcon, tone: 'quiet' },
  unpublished: { StateIcon: WarningIcon, tone: 'warning' },
} as const satisfies Record<ApplicationStateName, Omit<StateMarkProps, 'word'>>;

export function ApplicationState({ state }: { readonly state: ApplicationStateName }) {
  return <StateMark word={applicationStateWords[state]} {...marks[state]} />;
}
