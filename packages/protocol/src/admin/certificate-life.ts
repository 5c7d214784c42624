import { z } from 'zod';

/** What every certificate says of itself and of its end; properties of several resources. */
export const certificateLife = {
  thumbprint: z.string().meta({ description: 'SHA-1 of the certificate, upper-case hex.' }),
  startDateTime: z.string(),
  expirationDateTime: z.string(),
  expiresInDays: z.int().meta({ description: 'Begun days until it expires; 0 or less once that is past.' }),
  expiryWarning: z.int().nullable().meta({
    description:
      'The warning that was reached: 30, 14, 7 or 1 days before the end, 0 when it has expired; null while there is nothing to warn of.',
  }),
};
