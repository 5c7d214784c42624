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
  readonly verifyBackend?: boolean;
  readonly secureCookies?: boolean;
  readonly httpOnlyCookies?: boolean;
  readonly persistentCookie?: boolean;
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
    .option('--translate-host', 'send the internal host as Host and translate redirects (default)')
    .option('--no-translate-host', 'send the external host as Host')
    .option('--verify-backend', 'verify the TLS certificate of an https backend (default)')
    .option('--no-verify-backend', 'do not verify it')
    .option('--secure-cookies', "add Secure to the backend's cookies (default)")
    .option('--no-secure-cookies', "leave the backend's cookies as they are")
    .option('--http-only-cookies', "add HttpOnly to the backend's cookies")
    .option('--no-http-only-cookies', "leave the backend's cookies as they are (default)")
    .option('--persistent-cookie', 'keep the sign-in when the browser closes')
    .option('--no-persistent-cookie', 'end the sign-in when the browser closes (default)');
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
    isBackendCertificateValidationEnabled: options.verifyBackend,
    isSecureCookieEnabled: options.secureCookies,
    isHttpOnlyCookieEnabled: options.httpOnlyCookies,
    isPersistentCookieEnabled: options.persistentCookie,
  };
  return Object.fromEntries(Object.entries(update).filter(([, value]) => value !== undefined));
}

function parseTimeout(text: string): 'default' | 'long' | number {
  if (text === 'default' || text === 'long') {
    return text;
  }
  if (!/^\d{1,5}$/.test(text) || Number(text) === 0) {
    throw new InvalidArgumentError('default, long or a number of seconds');
  }
  return Number(text);
}
