import { application } from '@postern/protocol/admin/applications';
import type { OnPremisesPublishing, OnPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import type { CustomHeaders, SecurityHeaders } from '@postern/protocol/admin/publishing-headers';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findApplication, requirePublishing } from '../../find-object.ts';
import { formatProperties } from '../../output.ts';

interface HeadersOptions {
  readonly setRequest?: Field[];
  readonly setResponse?: Field[];
  readonly removeRequest?: string[];
  readonly removeResponse?: string[];
  readonly unset?: string[];
  readonly clear?: boolean;
  readonly hsts?: number;
  readonly hstsSubdomains?: boolean;
  readonly blockSniffing?: boolean;
  readonly frames?: SecurityHeaders['frameOptions'];
  readonly referrerPolicy?: SecurityHeaders['referrerPolicy'] | 'none';
}

type Field = CustomHeaders['setRequestHeaders'][number];

export function addAppHeaders(app: Command): void {
  app
    .command('headers')
    .argument('<application>', 'name or id')
    .summary('show or change the headers that an application sets and removes')
    .description(
      'Without options it shows them. A value is text with claims in braces, such as {user.userPrincipalName}, {user.groups} ' +
        'or {request.id}; the page docs/publishing/headers.md lists them all. What is not named stays as it is.',
    )
    .option('--set-request <header...>', 'send "Name: value" to the backend', collectFields)
    .option('--set-response <header...>', 'send "Name: value" to the client', collectFields)
    .option('--remove-request <name...>', 'take this header out of what clients send')
    .option('--remove-response <name...>', 'take this header out of what the backend sends')
    .option('--unset <name...>', 'neither set nor remove this header any more, in either direction')
    .option('--clear', 'neither set nor remove any header any more')
    .option(
      '--hsts <seconds>',
      'let browsers use HTTPS alone for so long (a year is 31536000); 0 to send nothing',
      parseSeconds,
    )
    .option('--hsts-subdomains', 'HSTS for the names below, too')
    .option('--no-hsts-subdomains', 'HSTS for this host alone (default)')
    .option('--block-sniffing', 'send X-Content-Type-Options: nosniff')
    .option('--no-block-sniffing', 'do not send it (default)')
    .addOption(
      new Option(
        '--frames <who>',
        'who may show the application in a frame; any sends nothing (default)',
      ).choices(['any', 'sameOrigin', 'deny']),
    )
    .option('--referrer-policy <policy>', 'send Referrer-Policy; none sends nothing (default)')
    .action(async (nameOrId: string, options: HeadersOptions, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const found = await findApplication(admin, nameOrId);
      const before = requirePublishing(found);
      const update = toUpdate(options, before);
      const path = `applications/${found.id}`;
      if (update !== null) await admin.send('PATCH', path, { onPremisesPublishing: update });
      const after = update === null ? found : await admin.get(path, application);
      const publishing = requirePublishing(after);
      const { customHeaders, securityHeaders } = publishing;
      context.output.result({ customHeaders, securityHeaders }, formatHeaders(publishing));
    });
}

/** Null where nothing is to change. */
function toUpdate(options: HeadersOptions, before: OnPremisesPublishing): OnPremisesPublishingUpdate | null {
  const security = securityChange(options);
  const isCustom = ['setRequest', 'setResponse', 'removeRequest', 'removeResponse', 'unset', 'clear'].some(
    name => name in options,
  );
  if (!isCustom && Object.keys(security).length === 0) return null;
  return {
    ...(isCustom ? { customHeaders: customChange(options, before.customHeaders) } : {}),
    ...(Object.keys(security).length === 0 ? {} : { securityHeaders: security }),
  };
}

function customChange(options: HeadersOptions, before: CustomHeaders): CustomHeaders {
  const { setRequest = [], setResponse = [], removeRequest = [], removeResponse = [] } = options;
  const unset = new Set((options.unset ?? []).map(name => name.toLowerCase()));
  // A header is set, removed, or neither: whatever is said last of it counts.
  const keepFields = (list: readonly Field[], said: readonly string[]) =>
    options.clear ? [] : list.filter(({ name }) => !isNamed(name, said) && !unset.has(name.toLowerCase()));
  const keepNames = (list: readonly string[], said: readonly string[]) =>
    options.clear ? [] : list.filter(name => !isNamed(name, said) && !unset.has(name.toLowerCase()));
  const saidOfRequests = [...setRequest.map(field => field.name), ...removeRequest];
  const saidOfResponses = [...setResponse.map(field => field.name), ...removeResponse];
  return {
    setRequestHeaders: [...keepFields(before.setRequestHeaders, saidOfRequests), ...setRequest],
    removeRequestHeaders: [...keepNames(before.removeRequestHeaders, saidOfRequests), ...removeRequest],
    setResponseHeaders: [...keepFields(before.setResponseHeaders, saidOfResponses), ...setResponse],
    removeResponseHeaders: [...keepNames(before.removeResponseHeaders, saidOfResponses), ...removeResponse],
  };
}

function isNamed(name: string, said: readonly string[]): boolean {
  return said.some(one => one.toLowerCase() === name.toLowerCase());
}

function securityChange(options: HeadersOptions): Partial<SecurityHeaders> {
  const { hsts, hstsSubdomains, frames, referrerPolicy } = options;
  return {
    ...(hsts === undefined ? {} : { strictTransportSecurityMaxAge: hsts }),
    ...(hstsSubdomains === undefined ? {} : { strictTransportSecurityIncludeSubDomains: hstsSubdomains }),
    ...(options.blockSniffing === undefined ? {} : { noSniff: options.blockSniffing }),
    ...(frames === undefined ? {} : { frameOptions: frames }),
    ...(referrerPolicy === undefined
      ? {}
      : { referrerPolicy: referrerPolicy === 'none' ? '' : referrerPolicy }),
  };
}

function formatHeaders({ customHeaders, securityHeaders }: OnPremisesPublishing): string {
  const fields = (list: readonly Field[]) => list.map(({ name, value }) => `${name}: ${value}`).join(' | ');
  const { strictTransportSecurityMaxAge: maxAge, strictTransportSecurityIncludeSubDomains: subdomains } =
    securityHeaders;
  return formatProperties([
    ['To the backend', fields(customHeaders.setRequestHeaders)],
    ['Not from clients', customHeaders.removeRequestHeaders.join(', ')],
    ['To the client', fields(customHeaders.setResponseHeaders)],
    ['Not from the backend', customHeaders.removeResponseHeaders.join(', ')],
    ['HSTS', maxAge === 0 ? null : `${maxAge} seconds${subdomains ? ', with subdomains' : ''}`],
    ['Sniffing blocked', securityHeaders.noSniff ? 'yes' : 'no'],
    ['In frames', securityHeaders.frameOptions],
    ['Referrer policy', securityHeaders.referrerPolicy],
  ]);
}

function collectFields(text: string, before: Field[] = []): Field[] {
  const colon = text.indexOf(':');
  if (colon <= 0) {
    throw new InvalidArgumentError(
      'It is a name and a value, such as "X-Remote-User: {user.userPrincipalName}".',
    );
  }
  return [...before, { name: text.slice(0, colon).trim(), value: text.slice(colon + 1).trim() }];
}

function parseSeconds(text: string): number {
  if (!/^\d{1,8}$/.test(text)) throw new InvalidArgumentError('It is a number of seconds.');
  return Number(text);
}
