import { z } from 'zod';
import { certificateLife } from './certificate-life.ts';

/** Certificates for public names. Private keys go in and never come out. */

/** Longest file that is taken; a chain of certificates is far below. */
const maxFileLength = 120_000;
const password = z.string().max(1_024).optional();

export const publicCertificate = z
  .object({
    id: z.string(),
    source: z.enum(['uploaded', 'automatic']),
    names: z.array(z.string()).meta({ description: 'DNS names of the certificate.' }),
    servedNames: z.array(z.string()).meta({
      description: 'Those that it is used for: names under domains that have been verified.',
    }),
    hosts: z.array(z.string()).meta({ description: 'Published hosts that get this certificate now.' }),
    subjectName: z.string(),
    issuerName: z.string(),
    ...certificateLife,
    renewDateTime: z.string().nullable().meta({ description: 'When the service renews it by itself.' }),
    createdDateTime: z.string(),
  })
  .meta({ id: 'PublicCertificate' });
export type PublicCertificate = z.infer<typeof publicCertificate>;

export const publicCertificateUpload = z
  .union([
    z.strictObject({
      pfx: z.base64().min(1).max(maxFileLength).meta({ description: 'A PFX file (PKCS #12), base64.' }),
      password,
    }),
    z.strictObject({
      certificate: z
        .string()
        .min(1)
        .max(maxFileLength)
        .meta({ description: 'The certificate and its chain, PEM, in any order.' }),
      privateKey: z
        .string()
        .max(maxFileLength)
        .optional()
        .meta({ description: 'PEM; it may as well stand among the certificates.' }),
      password,
    }),
  ])
  .meta({ id: 'PublicCertificateUpload' });

/** A certificate that the service gets by itself. */
export const automaticCertificate = z
  .object({
    id: z.string().meta({ description: 'Its names, with commas.' }),
    names: z.array(z.string()),
    status: z.enum(['waiting', 'issued', 'failing']).meta({
      description:
        'waiting: it has not been tried yet. failing: the last attempt failed; an earlier certificate may still be good.',
    }),
    certificateId: z.string().nullable(),
    expirationDateTime: z.string().nullable(),
    renewDateTime: z.string().nullable(),
    failures: z.int().meta({ description: 'Attempts in a row that failed.' }),
    lastAttemptDateTime: z.string().nullable(),
    nextAttemptDateTime: z.string().nullable(),
    error: z.object({ message: z.string(), remedy: z.string() }).nullable(),
  })
  .meta({ id: 'AutomaticCertificate' });
export type AutomaticCertificateDescription = z.infer<typeof automaticCertificate>;
