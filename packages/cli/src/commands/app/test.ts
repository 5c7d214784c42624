import { type ApplicationTestRequest, applicationTest } from '@postern/protocol/admin/application-test';
import type { Command } from 'commander';
import { connectAdmin, contextOf, outboundOf, selectService } from '../../command-context.ts';
import { findApplication } from '../../find-object.ts';
import { walkOutside } from '../../path-outside.ts';
import { hostAuthorities } from '../../service-fetch.ts';
import { formatPath, type PathTestResult } from '../../show-path.ts';

interface TestOptions {
  readonly path?: string;
  readonly host?: string;
}

export function addAppTest(app: Command): void {
  app
    .command('test')
    .argument('<application>', 'name or id')
    .summary('walk the whole way to an application, and say what is in the way')
    .description(
      'Walks from this machine to the service, and lets the service send a request in your name through tunnel and connector to the application, on the way that all requests take. Tells of each station how long it took, and of what is wrong what to do. Redirects are named, not followed. The exit code is 1 where something does not work.',
    )
    .option('--path <path>', 'what to ask for, such as /status (default: the external URL)')
    .option('--host <host>', 'of a wildcard application: which host to ask for')
    .action(async (nameOrId: string, options: TestOptions, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id } = await findApplication(admin, nameOrId);
      const wanted: ApplicationTestRequest = {
        ...(options.path === undefined ? {} : { path: options.path }),
        ...(options.host === undefined ? {} : { host: options.host }),
      };
      const inside = await admin.post(`applications/${id}/test`, wanted, applicationTest);
      const { service, caFile } = selectService(context, await context.credentials.read());
      const outside = await walkOutside(new URL(inside.url), {
        service,
        authorities: hostAuthorities(caFile),
        outbound: outboundOf(context),
        now: () => performance.now(),
        clock: Date.now,
      });
      const hasFailed = inside.outcome === 'failed' || outside.some(({ state }) => state === 'failed');
      const result: PathTestResult = {
        application: inside.displayName,
        url: inside.url,
        outcome: hasFailed ? 'failed' : 'passed',
        outside,
        inside,
      };
      const { stdout } = process;
      const isColoured = stdout.isTTY && stdout.hasColors();
      context.output.result(result, formatPath(result, stdout.columns, isColoured));
      if (hasFailed) process.exitCode = 1;
    });
}
