import { z } from 'zod';
import { corsConfigurations } from './cors.ts';
import {
  backendDefaults,
  backends,
  healthProbe,
  internalUrlWeight,
  storedBackends,
} from './publishing-backends.ts';
import { clientAuthentication, clientAuthenticationDefault } from './publishing-clients.ts';
import { customHeaders, headerDefaults, robotsTxt, securityHeaders } from './publishing-headers.ts';
import { applicationLimits, limitDefaults, maintenanceMode } from './publishing-limits.ts';

/**
 * How an application is published: the `onPremisesPublishing` property of an application, under the names that
 * Microsoft Graph gives them, so that scripts written for Entra application proxy keep working.
 */

/**
 * Gives an address in the one form in which it is stored and compared, or null where it is none that can be published:
 * http or https, no credentials, no query, no fragment, a path that ends in `/`.
 */
export function normalizePublishedUrl(text: string): string | null {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return null;
  }
  if (url.username !== '' || url.password !== '' || /[?#\\]/.test(text) || url.hostname === '') {
    return null;
  }
  // A path with an encoded slash, dot or NUL has two readings, and the edge refuses requests for it (RFC 3986 §6.2.2).
  // Looked for in the text, since the URL parser resolves %2e%2e as if it were "..".
  if (/%(2f|5c|2e|00)/i.test(text)) {
    return null;
  }
  return url.pathname.endsWith('/') ? url.href : `${url.href}/`;
}

const publishedUrl = z
  .string()
  .max(2048)
  .refine(text => normalizePublishedUrl(text) !== null, {
    error:
      'must be an http or https address without user name, query, fragment, backslash or an encoded slash or dot, ' +
      'such as http://wiki.corp.example:8080/',
  });

export const internalUrl = publishedUrl.meta({
  description:
    'Where the application is in the private network, as the connector reaches it; a path publishes that path and what is below it.',
  examples: ['http://wiki.corp.example:8080/'],
});

export const externalUrl = publishedUrl
  .refine(text => text.toLowerCase().startsWith('https:'), { error: 'must begin with https://' })
  .meta({
    description: "Where people reach the application; the port is the service's public port.",
    examples: ['https://wiki.example.com/'],
  });

export const externalAuthenticationType = z.enum(['aadPreAuthentication', 'passthru']).meta({
  description:
    'aadPreAuthentication: people are signed in and authorised at the edge before one byte goes on. passthru: the backend decides alone.',
});

export const applicationServerTimeout = z
  .union([z.enum(['default', 'long']), z.int().min(1).max(86_400)])
  .meta({
    description:
      "How long the backend may take until its answer's first byte: default is 85 seconds, long is 180 seconds, a number is seconds.",
  });

const isTranslateResponseHeadersEnabled = z.boolean().nullable().meta({
  description:
    'Turn addresses in headers of answers outwards (Location, cookies, policies). null: as isTranslateHostHeaderEnabled says, which is how Entra application proxy knows it. Default null.',
});

const backendProtocol = z.enum(['http1', 'http2', 'h2c']).meta({
  description:
    'What backends are spoken to in: http1 is HTTP/1.1; http2 is HTTP/2 over TLS, for an internal URL with https; h2c is HTTP/2 in the clear, for one with http. gRPC needs one of the latter. Default http1.',
});

const linkTranslation = z
  .strictObject({
    isJsonLdEnabled: z.boolean().meta({
      description: 'Turn addresses in JSON-LD outwards, too; the page uses them itself. Default false.',
    }),
    inlineScriptUrls: z
      .array(internalUrl)
      .max(100)
      .meta({
        description:
          'Internal URLs of published applications that are turned outwards where a string of an inline script begins with them. Default none.',
        examples: [['http://wiki.corp.example:8080/']],
      }),
  })
  .meta({
    id: 'LinkTranslation',
    description: 'What isTranslateLinksInBodyEnabled covers beside links in HTML and CSS.',
  });

/** The settings with a value each, so with their defaults; what is not said when an application is published first. */
export const publishingDefaults = {
  externalAuthenticationType: 'aadPreAuthentication',
  applicationServerTimeout: 'default',
  isHttpOnlyCookieEnabled: true,
  isSecureCookieEnabled: true,
  isPersistentCookieEnabled: false,
  isTranslateHostHeaderEnabled: true,
  isTranslateResponseHeadersEnabled: null,
  isTranslateLinksInBodyEnabled: false,
  linkTranslation: { isJsonLdEnabled: false, inlineScriptUrls: [] },
  isBackendCertificateValidationEnabled: true,
  backendCertificateAuthorities: null,
  backendProtocol: 'http1',
  isSessionAffinityEnabled: false,
  alternateUrl: null,
  useAlternateUrlForTranslationAndRedirect: false,
  corsConfigurations: [],
  robotsTxt: 'disallowAll',
  clientAuthentication: clientAuthenticationDefault,
  ...backendDefaults,
  ...headerDefaults,
  ...limitDefaults,
} as const satisfies Partial<OnPremisesPublishing>;

/** What `PATCH applications/{id}` takes in `onPremisesPublishing`; what is left out stays as it is. */
export const onPremisesPublishingUpdate = z
  .strictObject({
    externalUrl,
    internalUrl,
    externalAuthenticationType,
    applicationServerTimeout,
    isHttpOnlyCookieEnabled: z.boolean().meta({
      description:
        "Add HttpOnly to the backend's cookies, but for those against forgery (xsrf or csrf in their names), which scripts have to read. Default true.",
    }),
    isSecureCookieEnabled: z
      .boolean()
      .refine(isEnabled => isEnabled, {
        error:
          "cannot be switched off: the session cookie's name begins with __Host-, and browsers take such a cookie with Secure only; leave it true",
      })
      .meta({
        description: 'Cookies have Secure: the session cookie and those of the backend. Always true.',
      }),
    isPersistentCookieEnabled: z.boolean().meta({
      description: 'Keep the session cookie when the browser closes, until the session ends. Default false.',
    }),
    isTranslateHostHeaderEnabled: z.boolean().meta({
      description:
        'Send the internal host as Host and turn addresses in headers of requests inwards; turn addresses in headers of answers outwards, unless isTranslateResponseHeadersEnabled says otherwise. Default true.',
    }),
    isTranslateResponseHeadersEnabled,
    isTranslateLinksInBodyEnabled: z.boolean().meta({
      description:
        'Turn links to published internal URLs in HTML and CSS outwards, in all pages of this application. Default false.',
    }),
    linkTranslation: linkTranslation.partial(),
    isBackendCertificateValidationEnabled: z.boolean().meta({
      description: 'The connector validates the TLS certificate of an https backend. Default true.',
    }),
    backendCertificateAuthorities: z.string().max(32_768).nullable().meta({
      description:
        'PEM of certificates, at most ten, that connectors trust for https backends of this application beside those of their machine: a CA, or the certificate of the backend itself. Default null.',
    }),
    backendProtocol,
    isSessionAffinityEnabled: z.boolean().meta({
      description:
        'Each session stays with one connector of the group, and with one backend where there are several, while that one can serve it, and so does each address without a session. Default false.',
    }),
    internalUrlWeight,
    backends,
    healthProbe: healthProbe.partial(),
    alternateUrl: externalUrl.nullable().meta({
      description:
        'A second address that people use, such as that of a traffic manager in front of several services; it needs a certificate and a DNS record like the external URL. Default null.',
    }),
    useAlternateUrlForTranslationAndRedirect: z.boolean().meta({
      description:
        'People who came by the alternate URL stay on it: addresses in answers are turned to it, not to the external URL. Default false.',
    }),
    corsConfigurations,
    robotsTxt,
    clientAuthentication: clientAuthentication.partial(),
    customHeaders: customHeaders.partial(),
    securityHeaders: securityHeaders.partial(),
    limits: applicationLimits.partial(),
    maintenanceMode: maintenanceMode.partial(),
    verifiedCustomDomainKeyCredential: z
      .looseObject({
        type: z.literal('X509CertAndPassword').optional(),
        value: z.base64().min(1).max(120_000),
      })
      .meta({
        description:
          'A PFX file with the certificate for the host of the external URL, base64. It serves every application under its names. Write only.',
      }),
    verifiedCustomDomainPasswordCredential: z
      .looseObject({ value: z.string().max(1_024) })
      .meta({ description: 'The password of that PFX file. Write only.' }),
  })
  .partial()
  .meta({ id: 'OnPremisesPublishingUpdate' });
export type OnPremisesPublishingUpdate = z.infer<typeof onPremisesPublishingUpdate>;

/** An application's publishing as it is stored and read. */
export const onPremisesPublishing = z
  .object({
    externalUrl: z.string(),
    internalUrl: z.string(),
    externalAuthenticationType,
    applicationServerTimeout,
    isHttpOnlyCookieEnabled: z.boolean(),
    isSecureCookieEnabled: z.boolean(),
    isPersistentCookieEnabled: z.boolean(),
    isTranslateHostHeaderEnabled: z.boolean(),
    isTranslateResponseHeadersEnabled,
    isTranslateLinksInBodyEnabled: z.boolean(),
    linkTranslation,
    isBackendCertificateValidationEnabled: z.boolean(),
    backendCertificateAuthorities: z.string().nullable(),
    backendProtocol,
    isSessionAffinityEnabled: z.boolean(),
    internalUrlWeight,
    backends: storedBackends,
    healthProbe,
    alternateUrl: z.string().nullable(),
    useAlternateUrlForTranslationAndRedirect: z.boolean(),
    corsConfigurations,
    robotsTxt,
    clientAuthentication,
    customHeaders,
    securityHeaders,
    limits: applicationLimits,
    maintenanceMode,
    verifiedCustomDomainCertificatesMetadata: z
      .object({
        thumbprint: z.string(),
        subjectName: z.string(),
        issuerName: z.string(),
        issueDate: z.string(),
        expiryDate: z.string(),
      })
      .nullable()
      .optional()
      .meta({
        description:
          'Read-only: the certificate of the store that the host of the external URL gets; null for none. Shown where the publishing is asked for alone.',
      }),
    isOnPremPublishingEnabled: z
      .boolean()
      .meta({ description: 'Read-only: the application is published and enabled.' }),
  })
  .meta({ id: 'OnPremisesPublishing' });
export type OnPremisesPublishing = z.infer<typeof onPremisesPublishing>;

/** Milliseconds that a backend may take until its first answer byte. */
export function backendTimeoutMs(timeout: z.infer<typeof applicationServerTimeout>): number {
  if (timeout === 'default') {
    return 85_000;
  }
  if (timeout === 'long') {
    return 180_000;
  }
  return timeout * 1000;
}
