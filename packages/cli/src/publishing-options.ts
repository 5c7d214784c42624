import { readFileSync } from 'node:fs';
import type { OnPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import { type Command, InvalidArgumentError, Option } from 'commander';

/** Options of `app publish` and `app update` that are settings of the publishing itself. */
export interface PublishingOptions {
  readonly internalUrl?: string;
  readonly externalUrl?: string;
  readonly passthrough?: boolean;
  readonly preAuthentication?: boolean;
  readonly timeout?: 'default' | 'long' | number;
  readonly translateHost?: boolean;
  readonly translateHeaders?: boolean;
  readonly translateLinks?: boolean;
  readonly translateJsonLd?: boolean;
  readonly translateInScripts?: string[];
  readonly alternateUrl?: string;
  readonly keepAlternateUrl?: boolean;
  readonly verifyBackend?: boolean;
  readonly backendCa?: string | null;
  readonly backendProtocol?: OnPremisesPublishingUpdate['backendProtocol'];
  readonly sessionAffinity?: boolean;
  readonly httpOnlyCookies?: boolean;
  readonly persistentCookie?: boolean;
  readonly robots?: 'disallowAll' | 'fromApplication';
  readonly acceptBasic?: boolean;
  readonly acceptTokens?: boolean;
  readonly passOnTokens?: boolean;
}

export function addPublishingOptions(command: Command): Command {
  return command
    .option('--external-url <url>', 'where people reach it, such as https://wiki.example.com/')
    .addOption(
      new Option('--passthrough', 'let the backend decide alone; nobody is signed in at the edge').conflicts(
        'preAuthentication',
      ),
    )
    .option('--pre-authentication', 'sign people in and authorise them at the edge (default)')
    .option(
      '--timeout <seconds>',
      "how long the backend may take until its answer's first byte: default (85), long (180) or seconds",
      parseTimeout,
    )
    .option('--translate-host', 'send the internal host as Host and translate headers (default)')
    .option('--no-translate-host', 'send the external host as Host, and leave headers of answers as they are')
    .option('--translate-headers', 'translate addresses in headers of answers, whichever host is sent')
    .option('--no-translate-headers', 'leave them as they are, whichever host is sent')
    .option('--translate-links', 'translate links in HTML and CSS')
    .option('--no-translate-links', 'leave links in pages as they are (default)')
    .option('--translate-json-ld', 'with --translate-links: in JSON-LD, too')
    .option('--no-translate-json-ld', 'not in JSON-LD (default)')
    .option(
      '--translate-in-scripts <url...>',
      'with --translate-links: in strings of inline scripts that begin with these internal URLs; "" for none',
    )
    .option('--alternate-url <url>', 'a second address that people use; empty for none')
    .option('--keep-alternate-url', 'who came by the alternate URL stays on it')
    .option('--no-keep-alternate-url', 'addresses in answers lead to the external URL (default)')
    .option('--verify-backend', 'verify the TLS certificate of an https backend (default)')
    .option('--no-verify-backend', 'do not verify it')
    .option(
      '--backend-ca <file>',
      'PEM file with certificates to trust for an https backend beside those of the connector machine; "" for none',
      readCertificates,
    )
    .addOption(
      new Option(
        '--backend-protocol <protocol>',
        'what backends are spoken to in: HTTP/1.1 (default), HTTP/2 over TLS, or HTTP/2 in the clear; gRPC needs one of the latter',
      ).choices(['http1', 'http2', 'h2c']),
    )
    .option('--session-affinity', 'keep each session with one connector of the group while that can serve it')
    .option('--no-session-affinity', 'give each request to the less busy connector (default)')
    .option('--http-only-cookies', "add HttpOnly to the backend's cookies (default)")
    .option('--no-http-only-cookies', "leave the backend's cookies without it")
    .option('--persistent-cookie', 'keep the sign-in when the browser closes')
    .option('--no-persistent-cookie', 'end the sign-in when the browser closes (default)')
    .option(
      '--accept-basic',
      'let programs in with HTTP Basic: a credential, or a token as password (default)',
    )
    .option('--no-accept-basic', 'take no HTTP Basic for the service; what the backend asks for passes')
    .option('--accept-tokens', 'let programs in with access tokens of the service (default)')
    .option('--no-accept-tokens', 'take none')
    .option('--pass-on-tokens', 'the backend gets the access token')
    .option('--no-pass-on-tokens', 'it stays with the service (default)')
    .addOption(
      new Option(
        '--robots <answer>',
        'what search engines get at /robots.txt: that they may look at nothing (default), or what the backend says',
      ).choices(['disallowAll', 'fromApplication']),
    );
}

function readCertificates(file: string): string | null {
  if (file === '') return null;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

/** The change that the options ask for: only what was said, so that everything else stays as it is. */
export function toPublishingUpdate(options: PublishingOptions): OnPremisesPublishingUpdate {
  const authentication = options.passthrough
    ? 'passthru'
    : options.preAuthentication
      ? 'aadPreAuthentication'
      : undefined;
  const update: OnPremisesPublishingUpdate = {
    internalUrl: options.internalUrl,
    externalUrl: options.externalUrl,
    externalAuthenticationType: authentication,
    applicationServerTimeout: options.timeout,
    isTranslateHostHeaderEnabled: options.translateHost,
    isTranslateResponseHeadersEnabled: options.translateHeaders,
    isTranslateLinksInBodyEnabled: options.translateLinks,
    linkTranslation: linkTranslationOf(options),
    alternateUrl: options.alternateUrl === '' ? null : options.alternateUrl,
    useAlternateUrlForTranslationAndRedirect: options.keepAlternateUrl,
    isBackendCertificateValidationEnabled: options.verifyBackend,
    backendCertificateAuthorities: options.backendCa,
    backendProtocol: options.backendProtocol,
    isSessionAffinityEnabled: options.sessionAffinity,
    isHttpOnlyCookieEnabled: options.httpOnlyCookies,
    isPersistentCookieEnabled: options.persistentCookie,
    robotsTxt: options.robots,
    clientAuthentication: clientAuthenticationOf(options),
  };
  return Object.fromEntries(Object.entries(update).filter(([, value]) => value !== undefined));
}

function linkTranslationOf({
  translateJsonLd,
  translateInScripts,
}: PublishingOptions): OnPremisesPublishingUpdate['linkTranslation'] {
  if (translateJsonLd === undefined && translateInScripts === undefined) return undefined;
  return {
    ...(translateJsonLd === undefined ? {} : { isJsonLdEnabled: translateJsonLd }),
    ...(translateInScripts === undefined
      ? {}
      : { inlineScriptUrls: translateInScripts.filter(url => url !== '') }),
  };
}

function clientAuthenticationOf({
  acceptBasic,
  acceptTokens,
  passOnTokens,
}: PublishingOptions): OnPremisesPublishingUpdate['clientAuthentication'] {
  const said = { isBasicAllowed: acceptBasic, isBearerAllowed: acceptTokens, isTokenPassedOn: passOnTokens };
  const update = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
  return Object.keys(update).length === 0 ? undefined : update;
}

function parseTimeout(text: string): 'default' | 'long' | number {
  if (text === 'default' || text === 'long') {
    return text;
  }
  if (!/^\d{1,5}$/.test(text) || Number(text) === 0) {
    throw new InvalidArgumentError('It is default, long or a number of seconds.');
  }
  return Number(text);
}
