import { type Application, application } from '@postern/protocol/admin/applications';
import { id } from '@postern/protocol/admin/collection';
import {
  type Connector,
  type ConnectorGroup,
  connector,
  connectorGroup,
} from '@postern/protocol/admin/connectors';
import { type Group, group, type User, user } from '@postern/protocol/admin/directory';
import type { OnPremisesPublishing } from '@postern/protocol/admin/publishing';
import { type ServicePrincipal, servicePrincipal } from '@postern/protocol/admin/service-principals';
import type { z } from 'zod';
import type { AdminClient, ListChoice } from './admin-client.ts';
import { CliError } from './cli-error.ts';

/** Where connectors and their groups are in the admin API. */
export const publishingPath = 'onPremisesPublishingProfiles/applicationProxy';

/** Lists of connectors then have those, too, that were not seen for long. */
export const withHidden = { includeHidden: 'true' };

export function findApplication(admin: AdminClient, nameOrId: string): Promise<Application> {
  return findOne(admin, nameOrId, {
    kind: 'application',
    path: 'applications',
    item: application,
    nameProperty: 'displayName',
    list: 'postern app list',
  });
}

/** How an application is published. @throws CliError `conflict` where it is not. */
export function requirePublishing({ displayName, onPremisesPublishing }: Application): OnPremisesPublishing {
  if (onPremisesPublishing !== null) return onPremisesPublishing;
  throw new CliError('conflict', `"${displayName}" is not published yet.`, {
    remedy: `\`postern app publish\` publishes it.`,
  });
}

export async function findServicePrincipal(
  admin: AdminClient,
  { appId, displayName }: Application,
): Promise<ServicePrincipal> {
  const [found] = await admin.list('servicePrincipals', servicePrincipal, {
    filter: `appId eq '${appId}'`,
  });
  if (found === undefined) {
    throw new CliError('notFound', `The application "${displayName}" has gone.`);
  }
  return found;
}

export function findConnector(admin: AdminClient, nameOrId: string): Promise<Connector> {
  return findOne(admin, nameOrId, {
    kind: 'connector',
    path: `${publishingPath}/connectors`,
    item: connector,
    nameProperty: 'machineName',
    list: 'postern connector list --all',
    more: withHidden,
  });
}

export function findConnectorGroup(admin: AdminClient, nameOrId: string): Promise<ConnectorGroup> {
  return findOne(admin, nameOrId, {
    kind: 'connector group',
    path: `${publishingPath}/connectorGroups`,
    item: connectorGroup,
    nameProperty: 'name',
    list: 'postern connector-group list',
  });
}

export function findUser(admin: AdminClient, nameOrId: string): Promise<User> {
  return findOne(admin, nameOrId, {
    kind: 'user',
    path: 'users',
    item: user,
    nameProperty: 'userPrincipalName',
    list: 'postern user list',
  });
}

export function findGroup(admin: AdminClient, nameOrId: string): Promise<Group> {
  return findOne(admin, nameOrId, {
    kind: 'group',
    path: 'groups',
    item: group,
    nameProperty: 'displayName',
    list: 'postern group list',
  });
}

/** A user or a group that an application is assigned to. */
export interface Principal {
  readonly id: string;
  readonly type: 'User' | 'Group';
  readonly name: string;
}

/**
 * Finds a user by sign-in name or a group by name; `user:NAME` and `group:NAME` say which is meant.
 *
 * @throws CliError `notFound`, or `conflict` where both have that name.
 */
export async function findPrincipal(admin: AdminClient, given: string): Promise<Principal> {
  const [, kind, name] = /^(user|group):(.+)$/.exec(given) ?? [undefined, undefined, given];
  const asUser = async () => userPrincipal(await findUser(admin, name));
  const asGroup = async () => groupPrincipal(await findGroup(admin, name));
  if (kind !== undefined) {
    return kind === 'user' ? asUser() : asGroup();
  }
  const found = (await Promise.all([orNothing(asUser()), orNothing(asGroup())])).filter(
    principal => principal !== undefined,
  );
  if (found.length === 2) {
    throw new CliError('conflict', `"${given}" is the name of a user and of a group.`, {
      remedy: `Say user:${given} or group:${given}.`,
    });
  }
  if (found.length === 0) {
    throw new CliError('notFound', `There is no user and no group "${given}".`, {
      remedy: '`postern user list` and `postern group list` show them all.',
    });
  }
  return found[0];
}

interface Kind<Item extends z.ZodType> {
  readonly kind: string;
  readonly path: string;
  readonly item: Item;
  readonly nameProperty: string;
  /** The command that lists them all. */
  readonly list: string;
  readonly more?: ListChoice['more'];
}

async function findOne<Item extends z.ZodType<{ id: string }>>(
  admin: AdminClient,
  nameOrId: string,
  { kind, path, item, nameProperty, list, more }: Kind<Item>,
): Promise<z.output<Item>> {
  if (id.safeParse(nameOrId).success) {
    return admin.get(`${path}/${nameOrId}`, item);
  }
  const filter = `${nameProperty} eq '${nameOrId.replaceAll("'", "''")}'`;
  const found = await admin.list(path, item, { filter, more });
  if (found.length === 0) {
    throw new CliError('notFound', `There is no ${kind} "${nameOrId}".`, {
      remedy: `\`${list}\` shows them all.`,
    });
  }
  if (found.length > 1) {
    throw new CliError('conflict', `${found.length} ${kind}s are called "${nameOrId}".`, {
      remedy: `Name one by its id: ${found.map(each => each.id).join(', ')}.`,
    });
  }
  return found[0];
}

async function orNothing(search: Promise<Principal>): Promise<Principal | undefined> {
  try {
    return await search;
  } catch (error) {
    if (error instanceof CliError && error.code === 'notFound') {
      return undefined;
    }
    throw error;
  }
}

function userPrincipal(found: User): Principal {
  return { id: found.id, type: 'User', name: found.userPrincipalName };
}

function groupPrincipal(found: Group): Principal {
  return { id: found.id, type: 'Group', name: found.displayName };
}
