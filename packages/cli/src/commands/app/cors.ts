import type { Command } from 'commander';
import { addCorsList } from './cors/list.ts';
import { addCorsRemove } from './cors/remove.ts';
import { addCorsSet } from './cors/set.ts';

export function addAppCors(parent: Command): void {
  const noun = parent
    .command('cors')
    .summary('say which other sites may use an application by script')
    .description(
      "Manages the rules for requests of other origins' pages (CORS). With rules the service answers preflight requests, without asking " +
        'anybody to sign in, and says in answers who may read them. Without rules the backend decides.',
    )
    .helpCommand(false);
  addCorsList(noun);
  addCorsSet(noun);
  addCorsRemove(noun);
}
