import type { Domain } from '@postern/protocol/admin/domains';
import { CheckIcon, WarningIcon } from './icons.tsx';
import { StateMark } from './state-mark.tsx';

export function DomainState({ domain: { isVerified } }: { readonly domain: Domain }) {
  return isVerified ? (
    <StateMark word="Verified" StateIcon={CheckIcon} tone="good" />
  ) : (
    <StateMark word="Not verified" StateIcon={WarningIcon} tone="warning" />
  );
}
