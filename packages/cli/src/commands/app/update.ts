import { application } from '@postern/protocol/admin/applications';
import { hideAppTag } from '@postern/protocol/admin/service-principals';
import { type Command, Option } from 'commander';
import { CliError } from '../../cli-error.ts';
import { connectAdmin, contextOf } from '../../command-context.ts';
import {
  findApplication,
  findConnectorGroup,
  findServicePrincipal,
  publishingPath,
} from '../../find-object.ts';
import {
  addPublishingOptions,
  type PublishingOptions,
  toPublishingUpdate,
} from '../../publishing-options.ts';
import { formatApplicationDetails, readApplicationDetails } from '../../show-application.ts';

interface UpdateOptions extends PublishingOptions {
  readonly name?: string;
  readonly homePage?: string;
  readonly group?: string;
  readonly everyone?: boolean;
  readonly assignedOnly?: boolean;
  readonly enable?: boolean;
  readonly disable?: boolean;
  readonly show?: boolean;
  readonly hide?: boolean;
}

export function addAppUpdate(app: Command): void {
  const command = app
    .command('update')
    .argument('<application>', 'name or id')
    .summary('change an application')
    .description('Changes what is named and leaves everything else as it is.')
    .option('--name <name>', 'new name')
    .option('--internal-url <url>', 'where the connector reaches it')
    .option('--group <connector group>', 'connector group that carries it')
    .option('--home-page <url>', 'where its tile leads; empty for the external URL')
    .addOption(new Option('--everyone', 'let every user in, assigned or not').conflicts('assignedOnly'))
    .option('--assigned-only', 'let only assigned users and groups in')
    .addOption(new Option('--enable', 'let people in again').conflicts('disable'))
    .option('--disable', 'let nobody in')
    .addOption(new Option('--show', 'show it in My Apps').conflicts('hide'))
    .option('--hide', 'leave it out of My Apps');
  addPublishingOptions(command).action(async (nameOrId: string, options: UpdateOptions) => {
    const context = contextOf(command);
    const admin = await connectAdmin(context);
    const found = await findApplication(admin, nameOrId);
    const group = options.group === undefined ? undefined : await findConnectorGroup(admin, options.group);
    const servicePrincipal = await findServicePrincipal(admin, found);
    const path = `applications/${found.id}`;

    const changes = [
      ...change('PATCH', path, applicationChange(options)),
      ...change('PATCH', path, nested('onPremisesPublishing', toPublishingUpdate(options))),
      ...change(
        'PUT',
        `${path}/connectorGroup/$ref`,
        group && admin.reference(`${publishingPath}/connectorGroups/${group.id}`),
      ),
      ...change(
        'PATCH',
        `servicePrincipals/${servicePrincipal.id}`,
        servicePrincipalChange(options, servicePrincipal.tags),
      ),
    ];
    if (changes.length === 0) {
      throw new CliError('usage', 'Nothing to change was named.', {
        remedy: '`postern app update --help` shows what can be.',
      });
    }
    for (const { method, path: changed, body } of changes) {
      await admin.send(method, changed, body);
    }
    const details = await readApplicationDetails(admin, await admin.get(path, application));
    context.output.result(details, formatApplicationDetails(details));
  });
}

interface Change {
  readonly method: 'PATCH' | 'PUT';
  readonly path: string;
  readonly body: object;
}

function change(method: Change['method'], path: string, body: object | undefined): Change[] {
  return body === undefined || Object.keys(body).length === 0 ? [] : [{ method, path, body }];
}

function nested(name: string, body: object): object {
  return Object.keys(body).length === 0 ? {} : { [name]: body };
}

function applicationChange({ name, homePage }: UpdateOptions): object {
  return {
    ...(name === undefined ? {} : { displayName: name }),
    ...(homePage === undefined ? {} : { web: { homePageUrl: homePage === '' ? null : homePage } }),
  };
}

function servicePrincipalChange(options: UpdateOptions, tags: readonly string[]): object {
  const shown = tags.filter(tag => tag !== hideAppTag);
  return {
    ...(options.everyone ? { appRoleAssignmentRequired: false } : {}),
    ...(options.assignedOnly ? { appRoleAssignmentRequired: true } : {}),
    ...(options.enable ? { accountEnabled: true } : {}),
    ...(options.disable ? { accountEnabled: false } : {}),
    ...(options.show ? { tags: shown } : {}),
    ...(options.hide ? { tags: [...shown, hideAppTag] } : {}),
  };
}
