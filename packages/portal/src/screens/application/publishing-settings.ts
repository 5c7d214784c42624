import type { Setting, SettingGroup } from './setting.ts';

export const internalUrl: Setting = {
  property: 'internalUrl',
  label: 'Internal URL',
  help: 'Where the application is in the private network, as a connector of its group reaches it. With a path, only that path and what is below it is published.',
  control: { kind: 'text', placeholder: 'http://wiki.corp.example:8080/' },
};

export const externalUrl: Setting = {
  property: 'externalUrl',
  label: 'External URL',
  help: 'Where people reach it. The same address inside and outside keeps every link working.',
  control: { kind: 'text' },
};

export const preAuthentication: Setting = {
  property: 'externalAuthenticationType',
  label: 'Pre-authentication',
  help: 'With it nobody reaches the application who is not signed in and may use it. Passthrough leaves all of that to the application.',
  control: {
    kind: 'choice',
    options: [
      ['aadPreAuthentication', 'People sign in first'],
      ['passthru', 'Passthrough: the application decides alone'],
    ],
  },
};

/** What makes an application reachable. */
export const addressSettings: SettingGroup = {
  title: 'Addresses',
  settings: [internalUrl, externalUrl, preAuthentication],
};

/** Further settings of `onPremisesPublishing`, in the order in which the page shows them. A new one is an entry here. */
export const publishingGroups: readonly SettingGroup[] = [
  {
    title: 'Maintenance',
    settings: [
      {
        property: 'maintenanceMode.isEnabled',
        label: 'Maintenance mode',
        help: 'People find a page that says that the application is being worked on.',
        control: { kind: 'switch' },
      },
      {
        property: 'maintenanceMode.message',
        label: 'What the page says',
        help: 'One line, such as when it will be back. Empty: that it is being worked on.',
        control: { kind: 'text' },
      },
      {
        property: 'maintenanceMode.retryAfterSeconds',
        label: 'Come back after',
        help: 'What programs are told in Retry-After.',
        control: { kind: 'number', unit: 'seconds' },
      },
      {
        property: 'maintenanceMode.exceptPrincipalIds',
        label: 'Not for these users and groups',
        help: 'Their ids, one a line: they reach the application all the same.',
        control: { kind: 'lines' },
      },
    ],
  },
  {
    title: 'Alternate URL',
    settings: [
      {
        property: 'alternateUrl',
        label: 'Alternate URL',
        help: 'A second address that people use, such as that of a traffic manager in front of several services. Empty: there is none.',
        control: { kind: 'text', isNullable: true },
      },
      {
        property: 'useAlternateUrlForTranslationAndRedirect',
        label: 'Keep people on the alternate URL',
        help: 'Addresses in answers are turned to the address that somebody came by.',
        control: { kind: 'switch' },
      },
    ],
  },
  {
    title: 'Cookies',
    lead: 'Cookies have Secure always: the session cookie could not be set without it.',
    settings: [
      {
        property: 'isHttpOnlyCookieEnabled',
        label: 'HttpOnly for the cookies of the application',
        help: 'Scripts of the page cannot read them. Applications whose scripts need their cookies do not work with it.',
        control: { kind: 'switch' },
      },
      {
        property: 'isPersistentCookieEnabled',
        label: 'Keep the session when the browser closes',
        help: 'For programs that open documents of the application outside the browser. Not for shared machines.',
        control: { kind: 'switch' },
      },
    ],
  },
  {
    title: 'Translation',
    settings: [
      {
        property: 'isTranslateHostHeaderEnabled',
        label: 'Translate URLs in headers',
        help: 'The application sees its internal host, and its redirects and cookie domains become external. Switch it off for applications that build addresses from the Host they are asked for.',
        control: { kind: 'switch' },
      },
      {
        property: 'isTranslateResponseHeadersEnabled',
        label: 'Headers of answers',
        help: 'Redirects, cookies and policies, where they are to be treated otherwise than those of requests.',
        control: {
          kind: 'optional-switch',
          whenNull: 'As the setting above says',
          whenOn: 'Translate them',
          whenOff: 'Leave them as they are',
        },
      },
      {
        property: 'isTranslateLinksInBodyEnabled',
        label: 'Translate URLs in pages',
        help: 'Links to internal URLs of published applications, in HTML and CSS of this one.',
        control: { kind: 'switch' },
      },
      {
        property: 'linkTranslation.isJsonLdEnabled',
        label: 'In JSON-LD, too',
        help: 'Only where pages are translated; the page itself uses these addresses.',
        control: { kind: 'switch' },
      },
      {
        property: 'linkTranslation.inlineScriptUrls',
        label: 'In inline scripts',
        help: 'Internal URLs, one a line: strings of inline scripts that begin with one of them are translated.',
        control: { kind: 'lines', placeholder: 'http://wiki.corp.example:8080/' },
      },
    ],
  },
  {
    title: 'Backend',
    settings: [
      {
        property: 'backendProtocol',
        label: 'Protocol of the backend',
        help: 'What the application is spoken to in. gRPC needs HTTP/2; WebSockets need HTTP/1.1.',
        control: {
          kind: 'choice',
          options: [
            ['http1', 'HTTP/1.1'],
            ['http2', 'HTTP/2 over TLS (https)'],
            ['h2c', 'HTTP/2 in the clear (http)'],
          ],
        },
      },
      {
        property: 'applicationServerTimeout',
        label: 'Backend application timeout',
        help: 'How long the application may take until its answer begins.',
        control: {
          kind: 'timeout',
          names: [
            ['default', '85 seconds'],
            ['long', '180 seconds'],
          ],
        },
      },
      {
        property: 'isBackendCertificateValidationEnabled',
        label: 'Validate the certificate of an https backend',
        help: 'Without it the connector talks to whoever answers at the address. Name the authority below instead, or trust it on the connector’s machine.',
        control: { kind: 'switch' },
      },
      {
        property: 'backendCertificateAuthorities',
        label: 'Authorities of the backend',
        help: 'Certificates (PEM) that connectors trust for this application beside those of their machine: your own CA, or the certificate of the backend itself. Empty: none.',
        control: { kind: 'block', placeholder: '-----BEGIN CERTIFICATE-----', accept: '.pem,.crt,.cer' },
      },
    ],
  },
  {
    title: 'Health of the backends',
    lead: 'Several backends and their weights are on the page Backends.',
    settings: [
      {
        property: 'healthProbe.isEnabled',
        label: 'Probe the health of every backend',
        help: 'The service asks each backend through each connector by itself. Without it, only the requests of people tell.',
        control: { kind: 'switch' },
      },
      {
        property: 'healthProbe.path',
        label: 'Path of the probe',
        help: 'As the backend knows it, whatever the path of the internal URL.',
        control: { kind: 'text', placeholder: '/healthz' },
      },
      {
        property: 'healthProbe.expectedStatuses',
        label: 'Statuses of a healthy backend',
        help: 'Statuses and ranges, one a line. No redirect is followed.',
        control: { kind: 'lines', placeholder: '200-399' },
      },
      {
        property: 'healthProbe.intervalSeconds',
        label: 'How often',
        help: 'Give or take a tenth.',
        control: { kind: 'number', unit: 'seconds' },
      },
      {
        property: 'healthProbe.timeoutSeconds',
        label: 'How long an answer may take',
        help: 'Connecting included.',
        control: { kind: 'number', unit: 'seconds' },
      },
      {
        property: 'healthProbe.unhealthyAfter',
        label: 'Passed over after',
        help: 'So many failures in a row.',
        control: { kind: 'number', unit: 'failures' },
      },
      {
        property: 'healthProbe.healthyAfter',
        label: 'Back after',
        help: 'So many successes in a row.',
        control: { kind: 'number', unit: 'successes' },
      },
    ],
  },
  {
    title: 'Connectors of the group',
    settings: [
      {
        property: 'isSessionAffinityEnabled',
        label: 'Keep sessions on one connector and one backend',
        help: 'Each session stays with one connector of the group, and one backend where there are several, while those can serve it. For applications that know people by the address they come from.',
        control: { kind: 'switch' },
      },
    ],
  },
  {
    title: 'Programs',
    lead: 'How git, scripts and other programs say who they are. People in browsers sign in. Credentials are on the page Programs.',
    settings: [
      {
        property: 'clientAuthentication.isBasicAllowed',
        label: 'HTTP Basic',
        help: 'Client id and secret of a credential of this application, or any name with an access token as the password.',
        control: { kind: 'switch' },
      },
      {
        property: 'clientAuthentication.isBearerAllowed',
        label: 'Access tokens',
        help: 'Those that the service gives out for this application: to people whom it is assigned to, and to programs with a credential.',
        control: { kind: 'switch' },
      },
      {
        property: 'clientAuthentication.isTokenPassedOn',
        label: 'Pass access tokens on',
        help: 'The application gets them, to verify or to read them.',
        control: { kind: 'switch' },
      },
    ],
  },
  {
    title: 'Headers',
    lead: 'One a line, as “Name: value”. Values may hold claims, such as {user.userPrincipalName} or {request.id}.',
    settings: [
      {
        property: 'customHeaders.setRequestHeaders',
        label: 'Set in requests',
        help: 'Sent to the application. What a client sends under these names never arrives.',
        control: { kind: 'fields', placeholder: 'X-Remote-User: {user.userPrincipalName}' },
      },
      {
        property: 'customHeaders.removeRequestHeaders',
        label: 'Remove from requests',
        help: 'Names, one a line.',
        control: { kind: 'lines' },
      },
      {
        property: 'customHeaders.setResponseHeaders',
        label: 'Set in answers',
        help: 'Sent to the browser, in place of what the application sends under these names.',
        control: { kind: 'fields', placeholder: 'X-Environment: production' },
      },
      {
        property: 'customHeaders.removeResponseHeaders',
        label: 'Remove from answers',
        help: 'Names, one a line.',
        control: { kind: 'lines', placeholder: 'X-Powered-By' },
      },
    ],
  },
  {
    title: 'Security headers and search engines',
    lead: 'Each is sent only where the application says nothing about the same matter.',
    settings: [
      {
        property: 'securityHeaders.strictTransportSecurityMaxAge',
        label: 'HTTPS alone (HSTS)',
        help: 'How long browsers use nothing else for this host; a year is 31536000. 0: not sent.',
        control: { kind: 'number', unit: 'seconds' },
      },
      {
        property: 'securityHeaders.strictTransportSecurityIncludeSubDomains',
        label: 'HSTS for names below this host, too',
        help: 'Every one of them has to have HTTPS.',
        control: { kind: 'switch' },
      },
      {
        property: 'securityHeaders.noSniff',
        label: 'No guessing of content types',
        help: 'X-Content-Type-Options: nosniff.',
        control: { kind: 'switch' },
      },
      {
        property: 'securityHeaders.frameOptions',
        label: 'Who may show it in a frame',
        help: 'frame-ancestors and X-Frame-Options.',
        control: {
          kind: 'choice',
          options: [
            ['any', 'Every site'],
            ['sameOrigin', 'The application itself'],
            ['deny', 'Nobody'],
          ],
        },
      },
      {
        property: 'securityHeaders.referrerPolicy',
        label: 'Referrer-Policy',
        help: 'What other sites learn of the address that somebody came from.',
        control: {
          kind: 'choice',
          options: [
            ['', 'Not sent'],
            ...[
              'no-referrer',
              'same-origin',
              'strict-origin',
              'strict-origin-when-cross-origin',
              'origin',
              'origin-when-cross-origin',
              'no-referrer-when-downgrade',
            ].map(policy => [policy, policy] as const),
          ],
        },
      },
      {
        property: 'robotsTxt',
        label: 'robots.txt',
        help: 'What search engines are told.',
        control: {
          kind: 'choice',
          options: [
            ['disallowAll', 'The service asks them to stay away'],
            ['fromApplication', 'The application answers'],
          ],
        },
      },
    ],
  },
  {
    title: 'Limits',
    lead: '0 is no limit. Beyond one, clients get 429 and are told when to come back. A client is one address; of IPv6, one /64.',
    settings: [
      ...(
        [
          ['requestsPerMinute', 'Requests a minute', 'Of all clients together.'],
          ['requestsPerMinutePerClient', 'Requests a minute and client', 'Of one client.'],
          ['openRequests', 'Requests at a time', 'Of all clients together, upgrades included.'],
          ['openRequestsPerClient', 'Requests at a time and client', 'Of one client, upgrades included.'],
          ['openUpgrades', 'WebSockets at a time', 'And other upgrades, of all clients together.'],
          ['openUpgradesPerClient', 'WebSockets at a time and client', 'And other upgrades, of one client.'],
        ] as const
      ).map(
        ([name, label, help]): Setting => ({
          property: `limits.${name}`,
          label,
          help,
          control: { kind: 'number', unit: '' },
        }),
      ),
      {
        property: 'limits.allowedNetworks',
        label: 'Allowed addresses',
        help: 'Addresses and networks that may use the application, one a line. Empty: everybody.',
        control: { kind: 'lines', placeholder: '10.0.0.0/8' },
      },
      {
        property: 'limits.deniedNetworks',
        label: 'Denied addresses',
        help: 'Addresses and networks that may not, allowed or not.',
        control: { kind: 'lines', placeholder: '192.0.2.7' },
      },
    ],
  },
];

/** What has no field here: it says something, has one value alone, or has a page of its own. */
const withoutField: ReadonlySet<string> = new Set([
  'isOnPremPublishingEnabled',
  'isSecureCookieEnabled',
  'corsConfigurations',
  'backends',
  'internalUrlWeight',
]);

/**
 * A group for what the service has and the lists above do not, so that nothing is out of reach where the two are of
 * different versions.
 */
export function otherSettings(publishing: object): SettingGroup {
  const listed = new Set(
    [addressSettings, ...publishingGroups].flatMap(({ settings }) =>
      settings.flatMap(({ property }) => [property, property.split('.', 1)[0]]),
    ),
  );
  return {
    title: 'Other settings',
    settings: Object.entries(publishing)
      .filter(([property]) => !listed.has(property) && !withoutField.has(property))
      .map(
        ([property, value]): Setting => ({
          property,
          label: property,
          help: 'As the admin API writes it.',
          control: typeof value === 'boolean' ? { kind: 'switch' } : { kind: 'json' },
        }),
      ),
  };
}
