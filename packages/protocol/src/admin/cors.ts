import { z } from 'zod';

/** Rules for cross-origin requests: `corsConfiguration_v2` of Microsoft Graph, under the names that it has there. */

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

const origin = z
  .string()
  .max(512)
  .refine(isOrigin, {
    error:
      'must be an origin as browsers send it: scheme, host in lower case and a port where it is not the usual one, without a ' +
      'path, such as https://shop.example.com; "*" would let every site in, so each is named',
  });

const method = z
  .string()
  .max(64)
  .regex(token, { error: 'must be a method such as GET, or * for every method' })
  .refine(text => text === text.toUpperCase(), { error: 'must be in upper case, such as PUT' });

const header = z
  .string()
  .max(256)
  .refine(text => text === '*' || (token.test(text) && !text.slice(0, -1).includes('*')), {
    error:
      'must be the name of a field such as X-Total, a beginning of names such as X-My-*, or * for every field',
  });

export const corsConfiguration = z
  .strictObject({
    resource: z
      .string()
      .max(1024)
      .regex(/^\/[^?#\\;%\s]*$/, {
        error:
          'must be a path below the external URL that begins with "/", such as /api, or / for everything',
      })
      .refine(text => !/\/\/|\/\.{1,2}(\/|$)/.test(text), { error: 'must not contain "//", "/./" or "/../"' })
      .default('/')
      .meta({
        description:
          'Path below the external URL that the rule is for, and all that is below it. / is everything.',
      }),
    allowedOrigins: z
      .array(origin)
      .min(1)
      .max(100)
      .meta({
        description: 'Whose pages may read answers; compared exactly, upper and lower case included.',
        examples: [['https://shop.example.com']],
      }),
    allowedMethods: z
      .array(method)
      .max(32)
      .default(['GET', 'HEAD', 'POST'])
      .meta({ description: 'Methods that those pages may use; * is every method.' }),
    allowedHeaders: z.array(header).max(100).default([]).meta({
      description:
        'Request fields that those pages may set; a name that ends in * stands for all that begin so.',
    }),
    maxAgeInSeconds: z.int().min(0).max(86_400).default(600).meta({
      description:
        'How long a browser may keep the answer to a preflight request. 0: not at all. Default 600.',
    }),
  })
  .meta({ id: 'CorsConfiguration' });
export type CorsConfiguration = z.infer<typeof corsConfiguration>;

export const corsConfigurations = z.array(corsConfiguration).max(100).meta({
  description: "Rules for requests of other origins' pages; preflight requests are answered at the edge.",
});

/** An origin in the one form in which browsers send it (RFC 6454 §6.2). */
function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    (url.protocol === 'https:' || url.protocol === 'http:') &&
    url.origin === text &&
    !text.includes('*')
  );
}
