import type { Command } from 'commander';
import { addEnrolmentTokenCreate } from './enrolment-token/create.ts';
import { addEnrolmentTokenList } from './enrolment-token/list.ts';
import { addEnrolmentTokenRevoke } from './enrolment-token/revoke.ts';

export function addConnectorEnrolmentToken(parent: Command): void {
  const noun = parent
    .command('enrolment-token')
    .summary('manage the tokens with which machines register as connectors')
    .description(
      'Manages enrolment tokens, with which machines register as connectors without an administrator.',
    )
    .helpCommand(false);
  addEnrolmentTokenCreate(noun);
  addEnrolmentTokenList(noun);
  addEnrolmentTokenRevoke(noun);
}
