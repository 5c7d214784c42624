import { z } from 'zod';
import { displayName } from './applications.ts';

export const roleName = z.enum(['Global Administrator', 'Application Administrator']);
export type RoleName = z.infer<typeof roleName>;

/** Ids of the role templates, Microsoft's, so that scripts that name a role by its id keep working. */
export const roleTemplateIds: Readonly<Record<RoleName, string>> = {
  'Global Administrator': '62e90394-69f5-4237-9190-012177145e10',
  'Application Administrator': '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3',
};

export const directoryRole = z
  .object({ id: z.string(), displayName: z.string(), description: z.string() })
  .meta({ id: 'DirectoryRole' });
export type DirectoryRole = z.infer<typeof directoryRole>;

const mail = z.email().max(254).nullable();

export const userPrincipalName = z
  .string()
  .trim()
  .min(1)
  .max(254)
  .regex(/^[\p{L}\p{N}._%+'-]+(@[\p{L}\p{N}.-]+)?$/u, {
    error: "must be a name such as anna or anna@example.com: letters, digits and ._%+-' around at most one @",
  });

export const user = z
  .object({
    id: z.string(),
    userPrincipalName: z.string(),
    displayName: z.string(),
    mail: z.string().nullable(),
    accountEnabled: z.boolean(),
    createdDateTime: z.string(),
    hasPassword: z.boolean().meta({ description: 'false until the invitation has been used.' }),
  })
  .meta({ id: 'User' });
export type User = z.infer<typeof user>;

export const userCreate = z
  .strictObject({
    userPrincipalName,
    displayName,
    mail: mail.optional(),
    accountEnabled: z.boolean().default(true),
  })
  .meta({ id: 'UserCreate' });
export type UserCreate = z.infer<typeof userCreate>;

export const userUpdate = z
  .strictObject({ userPrincipalName, displayName, mail, accountEnabled: z.boolean() })
  .partial()
  .meta({ id: 'UserUpdate' });
export type UserUpdate = z.infer<typeof userUpdate>;

export const invitation = z
  .object({
    inviteRedeemUrl: z.string().meta({ description: 'Works once. It is shown now and never again.' }),
    expirationDateTime: z.string(),
  })
  .meta({ id: 'Invitation' });
export type Invitation = z.infer<typeof invitation>;

export const group = z
  .object({
    id: z.string(),
    displayName: z.string(),
    description: z.string().nullable(),
    createdDateTime: z.string(),
  })
  .meta({ id: 'Group' });
export type Group = z.infer<typeof group>;

const description = z.string().max(1024).nullable();

export const groupCreate = z
  .strictObject({ displayName, description: description.optional() })
  .meta({ id: 'GroupCreate' });
export type GroupCreate = z.infer<typeof groupCreate>;

export const groupUpdate = z.strictObject({ displayName, description }).partial().meta({ id: 'GroupUpdate' });
export type GroupUpdate = z.infer<typeof groupUpdate>;

/** What a user belongs to: groups and roles, told apart as Microsoft Graph does. */
export const directoryObject = z
  .object({
    '@odata.type': z.enum(['#microsoft.graph.group', '#microsoft.graph.directoryRole']),
    id: z.string(),
    displayName: z.string(),
  })
  .meta({ id: 'DirectoryObject' });
export type DirectoryObject = z.infer<typeof directoryObject>;

export const me = z
  .object({
    id: z.string(),
    userPrincipalName: z.string(),
    displayName: z.string(),
    mail: z.string().nullable(),
    roles: z.array(roleName),
  })
  .meta({ id: 'Me' });
export type Me = z.infer<typeof me>;
