import {
  type Application,
  application,
  instantiateResult,
  onPremisesTemplateId,
} from '@postern/protocol/admin/applications';
import { appRoleAssignment } from '@postern/protocol/admin/service-principals';
import type { Command } from 'commander';
import type { AdminClient } from '../../admin-client.ts';
import { CliError } from '../../cli-error.ts';
import { connectAdmin, contextOf } from '../../command-context.ts';
import {
  findApplication,
  findConnectorGroup,
  findPrincipal,
  findServicePrincipal,
  publishingPath,
} from '../../find-object.ts';
import type { Output } from '../../output.ts';
import {
  addPublishingOptions,
  type PublishingOptions,
  toPublishingUpdate,
} from '../../publishing-options.ts';
import { formatApplicationDetails, readApplicationDetails } from '../../show-application.ts';

interface PublishOptions extends PublishingOptions {
  readonly internalUrl: string;
  readonly group?: string;
  readonly assign?: string[];
  readonly everyone?: boolean;
}

export function addAppPublish(app: Command): void {
  const command = app
    .command('publish')
    .argument('<name>', 'name of the application')
    .summary('publish a web application, or change what was published under that name')
    .description(
      'Publishes a web application of the private network: creates it, configures it, binds it to a connector group and ' +
        'assigns it. Run again with the same name it changes what is there, so that scripts may repeat it.',
    )
    .requiredOption(
      '--internal-url <url>',
      'where the connector reaches it, such as http://wiki.corp.example:8080/',
    )
    .option(
      '--group <connector group>',
      'connector group that carries it (a new application starts in Default)',
    )
    .option('--assign <user or group...>', 'who may use it, by name or id')
    .option('--everyone', 'let every user in, assigned or not');
  addPublishingOptions(command).action(async (name: string, options: PublishOptions) => {
    const context = contextOf(command);
    const admin = await connectAdmin(context);
    const published = await publish(admin, name, options, context.output);
    const details = await readApplicationDetails(admin, published);
    context.output.result(details, formatApplicationDetails(details));
  });
}

async function publish(
  admin: AdminClient,
  name: string,
  options: PublishOptions,
  output: Output,
): Promise<Application> {
  // Everything that can be named wrongly is looked up before anything is changed.
  const group = options.group === undefined ? undefined : await findConnectorGroup(admin, options.group);
  const principals = await Promise.all((options.assign ?? []).map(given => findPrincipal(admin, given)));
  const existing = await findExisting(admin, name);

  const target = existing ?? (await create(admin, name));
  output.progress(existing === undefined ? `✔ created ${name}` : `✔ found ${name}`);
  try {
    await admin.send('PATCH', `applications/${target.id}`, {
      onPremisesPublishing: toPublishingUpdate(options),
    });
  } catch (error) {
    if (existing === undefined) {
      await admin.send('DELETE', `applications/${target.id}`);
      output.progress(`– removed ${name} again`);
    }
    throw error;
  }
  output.progress(`✔ published ${options.internalUrl}`);
  if (group !== undefined) {
    await admin.send(
      'PUT',
      `applications/${target.id}/connectorGroup/$ref`,
      admin.reference(`${publishingPath}/connectorGroups/${group.id}`),
    );
    output.progress(`✔ bound to connector group ${group.name}`);
  }
  const servicePrincipal = await findServicePrincipal(admin, target);
  const path = `servicePrincipals/${servicePrincipal.id}`;
  const assigned = new Set(
    (await admin.list(`${path}/appRoleAssignedTo`, appRoleAssignment)).map(each => each.principalId),
  );
  for (const principal of principals.filter(each => !assigned.has(each.id))) {
    await admin.post(
      `${path}/appRoleAssignedTo`,
      { principalId: principal.id, resourceId: servicePrincipal.id },
      appRoleAssignment,
    );
    output.progress(`✔ assigned to ${principal.name}`);
  }
  if (options.everyone) {
    await admin.send('PATCH', path, { appRoleAssignmentRequired: false });
    output.progress('✔ open to every user');
  }
  return admin.get(`applications/${target.id}`, application);
}

async function findExisting(admin: AdminClient, name: string): Promise<Application | undefined> {
  try {
    return await findApplication(admin, name);
  } catch (error) {
    if (error instanceof CliError && error.code === 'notFound') {
      return undefined;
    }
    throw error;
  }
}

async function create(admin: AdminClient, displayName: string): Promise<Application> {
  const made = await admin.post(
    `applicationTemplates/${onPremisesTemplateId}/instantiate`,
    { displayName },
    instantiateResult,
  );
  return made.application;
}
