import { application } from '@postern/protocol/admin/applications';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { probe, shortStatus } from '../../show-application-status.ts';

export function addAppList(app: Command): void {
  app
    .command('list')
    .summary('list the applications')
    .option('--probe', 'send a request to each one first, so that its status is of this moment')
    .action(async ({ probe: isProbed }: { probe?: boolean }, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      if (isProbed) {
        const published = await admin.list('applications', application);
        await probe(
          admin,
          published.filter(one => one.onPremisesPublishing !== null).map(({ id }) => id),
        );
      }
      const applications = await admin.list('applications', application);
      context.output.table(
        applications,
        applications,
        [
          { title: 'NAME', value: each => each.displayName, flexible: true },
          { title: 'STATUS', value: shortStatus },
          {
            title: 'EXTERNAL URL',
            value: each => each.onPremisesPublishing?.externalUrl ?? '–',
            flexible: true,
          },
          {
            title: 'INTERNAL URL',
            value: each => each.onPremisesPublishing?.internalUrl ?? '–',
            flexible: true,
          },
          {
            title: 'SIGN-IN',
            value: ({ onPremisesPublishing: publishing }) =>
              publishing === null ? '–' : signInOf(publishing.externalAuthenticationType),
          },
        ],
        'No application is published yet. `postern app publish NAME --internal-url URL` publishes one.',
      );
    });
}

/** Shorter than where one application is shown: addresses need the room. */
function signInOf(type: 'aadPreAuthentication' | 'passthru'): string {
  return type === 'passthru' ? 'passthrough' : 'required';
}
