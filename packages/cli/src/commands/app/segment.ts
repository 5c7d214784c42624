import type { Command } from 'commander';
import { addSegmentAdd } from './segment/add.ts';
import { addSegmentList } from './segment/list.ts';
import { addSegmentRemove } from './segment/remove.ts';
import { addSegmentUpdate } from './segment/update.ts';

export function addAppSegment(parent: Command): void {
  const noun = parent
    .command('segment')
    .summary('manage the segments of a complex application')
    .description(
      'Manages the segments of a complex application: hosts and paths under its wildcard that have backends of their own, under one ' +
        'assignment and one sign-in. From the first segment on nothing else is published under the wildcard.',
    )
    .helpCommand(false);
  addSegmentList(noun);
  addSegmentAdd(noun);
  addSegmentUpdate(noun);
  addSegmentRemove(noun);
}
