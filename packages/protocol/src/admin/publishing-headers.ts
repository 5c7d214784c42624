import { z } from 'zod';
import { parseHeaderTemplate } from './header-template.ts';

/** Header fields that an application adds and removes, and the presets for browsers. Names of ours: Entra has none of them. */

const maxFields = 50;
const maxValueLength = 4_096;

/** Why a request field can be neither set nor removed; names in lower case. */
const relayRequestFields: Readonly<Record<string, string>> = {
  host: 'the relay writes it; isTranslateHostHeaderEnabled chooses between the internal and the external host',
  ...framing([
    'connection',
    'keep-alive',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    'content-length',
    'expect',
  ]),
  ...framing(['proxy-connection', 'proxy-authorization', 'http2-settings']),
  ...handshake(),
  cookie: 'it carries the session, which the relay takes out of it',
  'x-request-id': 'the relay writes it',
  'cdn-loop': 'the relay knows its own requests by it',
  ...connectionFacts(['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']),
};

/** Why a response field can be neither set nor removed; names in lower case. */
const relayResponseFields: Readonly<Record<string, string>> = {
  ...framing(['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'content-length']),
  ...framing(['proxy-connection', 'proxy-authenticate', 'proxy-authentication-info', 'http2-settings']),
  ...handshake(),
  ...content(['content-encoding', 'content-range', 'content-type']),
  'set-cookie': 'cookies have settings of their own: isHttpOnlyCookieEnabled',
  'alt-svc': 'it would send browsers to a port that the service does not have',
};

const ownPrefix = 'x-postern-';

const requestFieldName = fieldName(relayRequestFields, 'X-Remote-User');
const responseFieldName = fieldName(relayResponseFields, 'X-Powered-By');

const fieldValue = z
  .string()
  .max(maxValueLength)
  // Printable ASCII, so that no value can end its line, whoever writes it: RFC 9110 §5.5.
  .regex(/^([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?$/, {
    error: 'must be printable ASCII without a space at either end, such as "{user.userPrincipalName}"',
  })
  .superRefine((value, context) => {
    const parsed = parseHeaderTemplate(value);
    if ('problem' in parsed) context.addIssue({ code: 'custom', message: parsed.problem });
  })
  .meta({
    description:
      'Text with claims in braces: {user.userPrincipalName}, {user.displayName}, {user.mail}, {user.id}, {user.groups}, ' +
      '{application.id}, {request.id}, {client.address}; {{ and }} for braces. A field whose claim is empty is not sent.',
    examples: ['{user.userPrincipalName}'],
  });

function fieldList(name: ReturnType<typeof fieldName>, description: string) {
  return z
    .array(z.strictObject({ name, value: fieldValue }))
    .max(maxFields)
    .refine(list => hasNoRepetition(list.map(one => one.name)), { error: 'names a header twice' })
    .meta({ description });
}

function nameList(name: ReturnType<typeof fieldName>, description: string) {
  return z
    .array(name)
    .max(maxFields)
    .refine(hasNoRepetition, { error: 'names a header twice' })
    .meta({ description });
}

/** Headers that an application sets and removes. */
export const customHeaders = z
  .strictObject({
    setRequestHeaders: fieldList(
      requestFieldName,
      'Sent to the backend. What a client sends under these names, with - or with _, never arrives.',
    ),
    removeRequestHeaders: nameList(requestFieldName, 'Taken out of what clients send.'),
    setResponseHeaders: fieldList(
      responseFieldName,
      'Sent to the client, in place of what the backend sends under these names.',
    ),
    removeResponseHeaders: nameList(responseFieldName, 'Taken out of what the backend sends.'),
  })
  .meta({ id: 'CustomHeaders' });
export type CustomHeaders = z.infer<typeof customHeaders>;

/**
 * Fields that tell browsers to be stricter. Each is sent only where the backend says nothing about the same matter, so
 * that it never weakens, and never contradicts, what the application has decided for itself.
 */
export const securityHeaders = z
  .strictObject({
    strictTransportSecurityMaxAge: z.int().min(0).max(63_072_000).meta({
      description:
        'Seconds for which browsers use HTTPS alone for this host (HSTS). 0: not sent. A year is 31536000. Default 0.',
    }),
    strictTransportSecurityIncludeSubDomains: z
      .boolean()
      .meta({ description: 'HSTS covers the names below this host, too. Default false.' }),
    noSniff: z.boolean().meta({ description: 'X-Content-Type-Options: nosniff. Default false.' }),
    frameOptions: z.enum(['any', 'sameOrigin', 'deny']).meta({
      description:
        'Who may show the application in a frame: CSP frame-ancestors with X-Frame-Options. any: nothing is sent. Default any.',
    }),
    referrerPolicy: z
      .enum([
        '',
        'no-referrer',
        'no-referrer-when-downgrade',
        'origin',
        'origin-when-cross-origin',
        'same-origin',
        'strict-origin',
        'strict-origin-when-cross-origin',
      ])
      .meta({ description: 'Referrer-Policy. Empty: not sent. Default empty.' }),
  })
  .meta({ id: 'SecurityHeaders' });
export type SecurityHeaders = z.infer<typeof securityHeaders>;

export const robotsTxt = z.enum(['disallowAll', 'fromApplication']).meta({
  description:
    'disallowAll: the service answers /robots.txt and asks search engines to stay away. fromApplication: the backend answers. Default disallowAll.',
});

/** No header set or removed, no preset on. */
export const headerDefaults: {
  readonly customHeaders: CustomHeaders;
  readonly securityHeaders: SecurityHeaders;
} = {
  customHeaders: {
    setRequestHeaders: [],
    removeRequestHeaders: [],
    setResponseHeaders: [],
    removeResponseHeaders: [],
  },
  securityHeaders: {
    strictTransportSecurityMaxAge: 0,
    strictTransportSecurityIncludeSubDomains: false,
    noSniff: false,
    frameOptions: 'any',
    referrerPolicy: '',
  },
};

function fieldName(reserved: Readonly<Record<string, string>>, example: string) {
  return z
    .string()
    .min(1)
    .max(64)
    .superRefine((name, context) => {
      const reason = whyNot(name, reserved);
      if (reason === null) return;
      context.addIssue({ code: 'custom', message: `cannot be ${name}: ${reason}; an example is ${example}` });
    })
    .meta({ examples: [example] });
}

function whyNot(name: string, reserved: Readonly<Record<string, string>>): string | null {
  if (!/^[A-Za-z0-9-]+$/.test(name)) {
    return 'a name has letters, digits and hyphens (backends read _ as -, so a name with _ is no name of its own)';
  }
  const lower = name.toLowerCase();
  if (lower.startsWith(ownPrefix)) return 'names that begin with X-Postern- are the service’s own';
  return Object.hasOwn(reserved, lower) ? reserved[lower]! : null;
}

function hasNoRepetition(names: readonly string[]): boolean {
  return new Set(names.map(name => name.toLowerCase())).size === names.length;
}

function framing(names: readonly string[]): Record<string, string> {
  return reason(names, 'it frames the message or belongs to one connection, which is the relay’s business');
}

function connectionFacts(names: readonly string[]): Record<string, string> {
  return reason(names, 'the relay says there where the request came from');
}

function content(names: readonly string[]): Record<string, string> {
  return reason(names, 'it describes the content that the backend sends');
}

function handshake(): Record<string, string> {
  const names = ['key', 'version', 'accept', 'protocol', 'extensions'].map(name => `sec-websocket-${name}`);
  return reason(names, 'it belongs to the handshake of a WebSocket');
}

function reason(names: readonly string[], why: string): Record<string, string> {
  return Object.fromEntries(names.map(name => [name, why]));
}
