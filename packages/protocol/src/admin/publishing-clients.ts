import { z } from 'zod';

/** How programs, as opposed to people in browsers, say who they are to an application. */
export const clientAuthentication = z
  .strictObject({
    isBasicAllowed: z.boolean().meta({
      description:
        'Programs may send HTTP Basic: a credential of this application, or any user name with an access token as the password. Default true.',
    }),
    isBearerAllowed: z.boolean().meta({
      description:
        "Programs may send an access token of the service's OpenID Provider: one of a person to whom the application is assigned, or one got with a credential of this application. Default true.",
    }),
    isTokenPassedOn: z.boolean().meta({
      description:
        'The application gets the access token, to verify it or to read its claims; otherwise it stays with the service. Default false.',
    }),
  })
  .meta({ id: 'ClientAuthentication' });
export type ClientAuthentication = z.infer<typeof clientAuthentication>;

export const clientAuthenticationDefault = {
  isBasicAllowed: true,
  isBearerAllowed: true,
  isTokenPassedOn: false,
} as const satisfies ClientAuthentication;
