import { z } from 'zod';
import { id } from './collection.ts';

/** The app role of every assignment: access, no more and no less. */
export const defaultAppRoleId = '00000000-0000-0000-0000-000000000000';

/** The tag of a service principal whose application is left out of My Apps. */
export const hideAppTag = 'HideApp';

/** The tags that tell an application behind a connector from others; always present. */
export const onPremisesTags = [
  'WindowsAzureActiveDirectoryIntegratedApp',
  'WindowsAzureActiveDirectoryOnPremApp',
] as const;

export const servicePrincipal = z
  .object({
    id: z.string(),
    appId: z.string(),
    displayName: z.string(),
    accountEnabled: z.boolean(),
    appRoleAssignmentRequired: z.boolean(),
    homepage: z.string().nullable(),
    tags: z.array(z.string()),
  })
  .meta({ id: 'ServicePrincipal' });
export type ServicePrincipal = z.infer<typeof servicePrincipal>;

export const servicePrincipalUpdate = z
  .strictObject({
    accountEnabled: z.boolean().meta({ description: 'false blocks everybody.' }),
    appRoleAssignmentRequired: z
      .boolean()
      .meta({ description: 'false lets every enabled user in, assigned or not.' }),
    tags: z
      .array(z.enum([hideAppTag, ...onPremisesTags]))
      .max(8)
      .meta({ description: 'HideApp leaves the application out of My Apps.' }),
  })
  .partial()
  .meta({ id: 'ServicePrincipalUpdate' });
export type ServicePrincipalUpdate = z.infer<typeof servicePrincipalUpdate>;

export const appRoleAssignment = z
  .object({
    id: z.string(),
    appRoleId: z.string(),
    createdDateTime: z.string(),
    principalDisplayName: z.string(),
    principalId: z.string(),
    principalType: z.enum(['User', 'Group']),
    resourceDisplayName: z.string(),
    resourceId: z.string(),
  })
  .meta({ id: 'AppRoleAssignment' });
export type AppRoleAssignment = z.infer<typeof appRoleAssignment>;

export const appRoleAssignmentCreate = z
  .strictObject({
    principalId: id.meta({ description: 'Id of a user or a group.' }),
    resourceId: id.meta({ description: 'Id of the service principal; must be the one of the path.' }),
    appRoleId: z.literal(defaultAppRoleId).default(defaultAppRoleId),
  })
  .meta({ id: 'AppRoleAssignmentCreate' });
export type AppRoleAssignmentCreate = z.infer<typeof appRoleAssignmentCreate>;
