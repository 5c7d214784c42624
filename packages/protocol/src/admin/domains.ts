import { z } from 'zod';

/** Custom domains, under the names of Microsoft Graph where it has them: the id of a domain is its name. */

const domainName = z.string().min(1).max(253);
const automatic = z.boolean().meta({
  description:
    'Certificates for names under it are got by ACME, where the service is configured for that and none was uploaded. Default true.',
});

export const domain = z
  .object({
    id: z.string().meta({ description: 'The name, in lower case and punycode.' }),
    isVerified: z.boolean(),
    verificationMethod: z.enum(['txt', 'parent', 'acme']).nullable().meta({
      description:
        'txt: by its TXT record. parent: a domain above it was verified. acme: an ACME server has issued for it, which proves this very name and none below it.',
    }),
    verifiedDateTime: z.string().nullable(),
    isAutomaticCertificateEnabled: automatic,
    createdDateTime: z.string(),
  })
  .meta({ id: 'Domain' });
export type Domain = z.infer<typeof domain>;

export const domainCreate = z
  .strictObject({ id: domainName, isAutomaticCertificateEnabled: automatic.default(true) })
  .meta({ id: 'DomainCreate', examples: [{ id: 'apps.contoso.com' }] });

export const domainUpdate = z
  .strictObject({ isAutomaticCertificateEnabled: automatic })
  .meta({ id: 'DomainUpdate' });

/** A record that somebody has to create at their name servers. */
export const domainDnsRecord = z
  .object({
    id: z.string(),
    recordType: z.enum(['Txt', 'CName', 'A', 'Aaaa']),
    label: z.string().meta({ description: 'The whole name of the record.' }),
    ttl: z.int().meta({ description: 'In seconds; a proposal.' }),
    isOptional: z.boolean(),
    text: z.string().optional().meta({ description: 'Of a Txt record.' }),
    canonicalName: z.string().optional().meta({ description: 'Of a CName record.' }),
    ipAddress: z.string().optional().meta({ description: 'Of an A or Aaaa record.' }),
  })
  .meta({ id: 'DomainDnsRecord' });
export type DomainDnsRecord = z.infer<typeof domainDnsRecord>;

/** What was found about one host. */
export const domainFinding = z
  .object({
    host: z.string(),
    check: z.enum(['dns', 'certificate']),
    status: z.enum(['ok', 'warning', 'failed']),
    detail: z.string(),
    remedy: z.string().nullable(),
  })
  .meta({ id: 'DomainFinding' });
export type DomainFinding = z.infer<typeof domainFinding>;

export const domainCheck = z.object({ value: z.array(domainFinding) }).meta({ id: 'DomainCheck' });
