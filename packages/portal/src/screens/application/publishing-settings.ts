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

/** Settings of `onPremisesPublishing`, in the order in which the page shows them. */
export const publishingGroups: readonly SettingGroup[] = [
  {
    title: 'Addresses',
    settings: [internalUrl, externalUrl, preAuthentication],
  },
  {
    title: 'Cookies',
    lead: 'What happens to the cookies on their way to the browser.',
    settings: [
      {
        property: 'isHttpOnlyCookieEnabled',
        label: 'HttpOnly for the cookies of the application',
        help: 'Scripts of the page cannot read them. Applications whose scripts need their cookies do not work with it.',
        control: { kind: 'switch' },
      },
      {
        property: 'isSecureCookieEnabled',
        label: 'Secure for the cookies of the application',
        help: 'Browsers send them over https alone.',
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
    ],
  },
  {
    title: 'Backend',
    settings: [
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
        help: 'Without it the connector talks to whoever answers at the address. Trust the CA on the connector’s machine instead, where you can.',
        control: { kind: 'switch' },
      },
    ],
  },
];

/** Settings that this page cannot change: they say something, or are refused. */
const withoutField: ReadonlySet<string> = new Set([
  'isOnPremPublishingEnabled',
  'isTranslateLinksInBodyEnabled',
]);

/**
 * A group for what the service has and this list does not, so that nothing is out of reach where the two are of different
 * versions; null where nothing is.
 */
export function otherSettings(publishing: object): SettingGroup | null {
  const listed = new Set(
    publishingGroups.flatMap(({ settings }) => settings.map(({ property }) => property)),
  );
  const settings = Object.entries(publishing)
    .filter(([property]) => !listed.has(property) && !withoutField.has(property))
    .map(
      ([property, value]): Setting => ({
        property,
        label: property,
        help: 'As the admin API writes it.',
        control: typeof value === 'boolean' ? { kind: 'switch' } : { kind: 'json' },
      }),
    );
  return settings.length === 0 ? null : { title: 'Other settings', settings };
}
