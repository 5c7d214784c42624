import { type ExpressionBuilder, type Kysely, sql } from 'kysely';
import type { Database } from './schema.ts';

/** An application that has an external URL, as sign-in and My Apps need it. */
export interface PublishedApplication {
  readonly id: string;
  readonly displayName: string;
  /** Lower case, ends in `/`. */
  readonly externalUrl: string;
  readonly homePageUrl: string | null;
  readonly connectorGroupId: string;
  /** Settings of the publishing, as JSON. */
  readonly publishingJson: string | null;
}

/** Gives an enabled application with an external URL. */
export async function findPublishedApplication(
  db: Kysely<Database>,
  id: string,
): Promise<PublishedApplication | undefined> {
  return await published(db).where('id', '=', id).executeTakeFirst();
}

/**
 * Gives the enabled applications of a host.
 *
 * @param origins The ways to write the host's origin, without a slash at the end.
 */
export async function findApplicationsOfHost(
  db: Kysely<Database>,
  origins: readonly string[],
): Promise<readonly PublishedApplication[]> {
  return await published(db)
    .where(where =>
      // A range, not a pattern: `_` and `%` mean themselves, and the unique index is used. `0` follows `/` in ASCII.
      where.or(
        origins.map(origin =>
          where.and([where('externalUrl', '>=', `${origin}/`), where('externalUrl', '<', `${origin}0`)]),
        ),
      ),
    )
    .execute();
}

/** Gives the enabled, visible applications that a person may use, by name. */
export async function listApplicationsOfPerson(
  db: Kysely<Database>,
  userId: string,
): Promise<readonly PublishedApplication[]> {
  return await published(db)
    .where('visibleToUsers', '=', 1)
    .where(isUsableBy(userId))
    .orderBy('displayName')
    .execute();
}

/** Id or name of an application. */
export type ApplicationName = { readonly id: string } | { readonly displayName: string };

/** Gives the enabled application of a name that a person may use, shown in My Apps or not. */
export async function findApplicationOfPerson(
  db: Kysely<Database>,
  userId: string,
  name: ApplicationName,
): Promise<PublishedApplication | undefined> {
  const [column, value] =
    'id' in name ? (['id', name.id] as const) : (['displayName', name.displayName] as const);
  return await published(db).where(column, '=', value).where(isUsableBy(userId)).executeTakeFirst();
}

/**
 * Gives the enabled applications whose alternate URL is at a host.
 *
 * @param origin `https://<host>`.
 */
export async function findApplicationsOfAlternateHost(
  db: Kysely<Database>,
  origin: string,
): Promise<readonly PublishedApplication[]> {
  const alternateUrl = sql<string>`json_extract(publishingJson, '$.alternateUrl')`;
  return await published(db)
    .where(alternateUrl, '>=', `${origin}/`)
    .where(alternateUrl, '<', `${origin}0`)
    .execute();
}

/** Open to everybody, or assigned to the person or to a group of theirs. */
function isUsableBy(userId: string) {
  return (where: ExpressionBuilder<Database, 'application'>) =>
    where.or([
      where('assignmentRequired', '=', 0),
      where(
        'servicePrincipalId',
        'in',
        where
          .selectFrom('appRoleAssignment')
          .select('resourceId')
          .where(assignment =>
            assignment.or([
              assignment('principalId', '=', userId),
              assignment(
                'principalId',
                'in',
                assignment.selectFrom('userGroupMember').select('groupId').where('userId', '=', userId),
              ),
            ]),
          ),
      ),
    ]);
}

function published(db: Kysely<Database>) {
  return db
    .selectFrom('application')
    .select(['id', 'displayName', 'homePageUrl', 'connectorGroupId', 'publishingJson'])
    .select(expression => expression.ref('externalUrl').$notNull().as('externalUrl'))
    .where('externalUrl', 'is not', null)
    .where('accountEnabled', '=', 1);
}
