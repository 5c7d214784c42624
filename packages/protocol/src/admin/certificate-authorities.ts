import { z } from 'zod';

/**
 * `registration` issues the connectors' trust certificates; `service` issues the certificate that connectors see at
 * `connect.<domain>`; `local` issues that of the public names, where `certificates.local` is chosen.
 */
export const certificateAuthorityName = z.enum(['registration', 'service', 'local']);

export const certificateAuthority = z
  .object({
    name: certificateAuthorityName,
    state: z.enum(['announced', 'signing', 'former']).meta({
      description:
        'announced: trusted, and does not sign yet. signing: issues certificates. former: signs nothing any more, and is trusted until retirementDateTime.',
    }),
    subject: z.string(),
    sha256: z.string().meta({ description: 'SHA-256 of the certificate, upper-case hex.' }),
    startDateTime: z.string(),
    expirationDateTime: z.string(),
    retirementDateTime: z.string().nullable(),
    signingDateTime: z.string().nullable().meta({
      description: 'When it signs: of an announced local one, which people have to trust by then.',
    }),
    waitsForCount: z.int().meta({
      description:
        'Connectors that have to connect before it signs, since they would not know their service again; those that are revoked or expired do not count.',
    }),
    waitsFor: z
      .array(z.object({ id: z.string(), machineName: z.string(), lastSeenDateTime: z.string().nullable() }))
      .meta({ description: 'The first hundred of them.' }),
  })
  .meta({ id: 'CertificateAuthority' });
export type CertificateAuthority = z.infer<typeof certificateAuthority>;
