import { z } from 'zod';
import { displayName } from './applications.ts';
import { id } from './collection.ts';

/**
 * Credentials of programs that use one application: `passwordCredential` and `keyCredential` of Microsoft Graph, under the
 * names that they have there.
 */

const day = 86_400;
/** How long a credential works where nobody says otherwise, in seconds: a year. */
export const defaultCredentialLifetimeSeconds = 365 * day;
/** The longest that one may work, in seconds: two years. */
export const maxCredentialLifetimeSeconds = 2 * 365 * day;

export const passwordCredential = z
  .object({
    keyId: z.string().meta({ description: 'Id of this secret; what removePassword takes.' }),
    clientId: z.string().meta({
      description:
        'Who the program is: the user name of HTTP Basic. Secrets that follow one another share it.',
    }),
    displayName: z.string().nullable(),
    hint: z.string().meta({ description: 'The first three characters of the secret.' }),
    startDateTime: z.string(),
    endDateTime: z.string(),
    lastUsedDateTime: z
      .string()
      .nullable()
      .meta({ description: 'To about a minute; null until the first use.' }),
  })
  .meta({ id: 'PasswordCredential' });
export type PasswordCredential = z.infer<typeof passwordCredential>;

export const addPasswordRequest = z
  .strictObject({
    passwordCredential: z
      .strictObject({
        displayName: displayName.optional().meta({ description: 'What it is for, for people to read.' }),
        endDateTime: z.iso.datetime({ offset: true }).optional().meta({
          description: 'When it stops working, at most two years from now. Default: in a year.',
        }),
        clientId: id.optional().meta({
          description:
            'A client of this application that gets a further secret, to change secrets without changing who the program is. Default: a new client.',
        }),
      })
      .default({}),
  })
  .meta({ id: 'AddPasswordRequest' });
export type AddPasswordRequest = z.infer<typeof addPasswordRequest>;

export const addedPassword = passwordCredential
  .extend({
    secretText: z.string().meta({ description: 'It is shown now and never again.' }),
  })
  .meta({ id: 'AddedPassword' });

export const keyCredential = z
  .object({
    keyId: z.string().meta({ description: 'Id of this credential; what removeKey takes.' }),
    clientId: z
      .string()
      .meta({ description: 'Who the program is. Credentials that follow one another share it.' }),
    displayName: z.string().nullable(),
    type: z.literal('AsymmetricX509Cert'),
    usage: z.literal('Verify'),
    sha256: z.string().meta({ description: 'SHA-256 of the certificate, upper-case hex.' }),
    startDateTime: z.string().meta({ description: 'When it was added.' }),
    endDateTime: z.string().meta({ description: 'When the certificate expires.' }),
    lastUsedDateTime: z
      .string()
      .nullable()
      .meta({ description: 'To about a minute; null until the first use.' }),
  })
  .meta({ id: 'KeyCredential' });
export type KeyCredential = z.infer<typeof keyCredential>;

export const addKeyRequest = z
  .strictObject({
    keyCredential: z.strictObject({
      key: z.string().max(100_000).meta({
        description:
          'The certificate that the program presents, as PEM: that one, without those that have signed it, and without its private key.',
      }),
      displayName: displayName.optional().meta({ description: 'What it is for, for people to read.' }),
      clientId: id.optional().meta({
        description:
          'A client of this application that gets a further credential, to change certificates without changing who the program is. Default: a new client.',
      }),
      type: z.literal('AsymmetricX509Cert').optional(),
      usage: z.literal('Verify').optional(),
    }),
  })
  .meta({ id: 'AddKeyRequest' });

export const removeKeyRequest = z.strictObject({ keyId: id }).meta({ id: 'RemoveKeyRequest' });

export const removePasswordRequest = z.strictObject({ keyId: id }).meta({ id: 'RemovePasswordRequest' });
