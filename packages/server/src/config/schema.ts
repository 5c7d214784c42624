import { isIP } from 'node:net';
import path from 'node:path';
import { z } from 'zod';

/** An address to listen on. An IPv6 host is written without brackets here, with them in the file: `[::1]:8443`. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What an option says about itself beside its type; the manual and every error message are made from this. */
export interface OptionMeta {
  readonly description: string;
  /** Unit of a number, for example `ms`. */
  readonly unit?: string;
  /** What 0, an empty text or an empty list means, where it means something of its own. */
  readonly zero?: string;
  /** What may be given, where the type does not say it. */
  readonly allowed?: string;
  /** How the manual shows a default that depends on another option. */
  readonly shownDefault?: string;
}

function option<T extends z.ZodType>(schema: T, meta: OptionMeta): T {
  return schema.meta({ ...meta });
}

const hostName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
const fieldName = /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/;

const port = () => z.int().min(1).max(65_535);
const count = (min: number, max = 1_000_000) => z.int().min(min).max(max);
const milliseconds = (min: number, max = 7 * 24 * 3_600_000) => z.int().min(min).max(max);
const absolutePath = () => z.string().refine(value => path.isAbsolute(value));

const endpointText = 'host:port, for example 127.0.0.1:8443 or [::1]:8443';
const endpoint = z.string().transform((value, context): Endpoint => {
  const parsed = parseEndpoint(value);
  if (parsed) return parsed;
  context.addIssue({ code: 'custom', message: endpointText, input: value });
  return z.NEVER;
});

const cidr = z
  .string()
  .refine(isCidr)
  .meta({ allowed: 'a network such as 10.0.0.0/8 or fd00::/8, or one address' });

const headerName = () => z.union([z.literal(''), z.string().regex(fieldName)]);
const headerAllowed = 'a field name of letters, digits and hyphens, or empty';

const optionalPath = () => z.union([z.literal(''), absolutePath()]);
const printable = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .regex(/^\P{Cc}*$/u);
const mailAddress = () => z.string().regex(/^[^\s@<>,;]{1,64}@[^\s@<>,;]{1,255}$/);

const webhook = z.strictObject({
  url: option(z.string().refine(isWebhookUrl), {
    description:
      'Where alerts are posted to. Redirections are not followed. It may be in a private network: whoever writes this file decides.',
    allowed: 'an address that begins with https:// or http://, without user and password',
  }),
  secretFile: option(absolutePath(), {
    description:
      'File with the secret that signs what is posted (HMAC-SHA256 in the field postern-signature), on one line.',
    allowed: 'an absolute path',
  }),
  caFile: option(optionalPath().default(''), {
    description: 'PEM file of the authority that issued the receiver’s certificate.',
    zero: 'the authorities that Node knows',
    allowed: 'an absolute path',
  }),
});

const certificateFiles = z.strictObject({
  certificateFile: option(absolutePath(), {
    description: 'PEM file with the certificate, followed by its chain.',
    allowed: 'an absolute path',
  }),
  keyFile: option(absolutePath(), {
    description: 'PEM file with the private key of that certificate.',
    allowed: 'an absolute path',
  }),
});

const region = z.strictObject({
  name: option(z.string().min(1).max(60), {
    description: 'What the table calls it.',
    allowed: 'a text such as Frankfurt',
  }),
  host: option(z.string().toLowerCase().regex(hostName), {
    description: 'Its portcheck host.',
    allowed: 'a host name such as portcheck.eu.example.com',
  }),
  httpsPort: option(port().default(443), { description: 'Its public port for HTTPS.' }),
  httpPort: option(port().default(80), { description: 'Its public port for plain HTTP.' }),
});

const dnsWebhook = z
  .strictObject({
    url: option(z.union([z.literal(''), z.string().refine(isWebhookUrl)]).default(''), {
      description:
        'Where the records of dns-01 are asked for: a POST with action (create or delete), name, type (TXT), value and ttl as JSON, signed as alerts are. It answers with 2xx when the record is made. Redirections are not followed.',
      zero: 'no dns-01',
      allowed: 'an address that begins with https:// or http://, without user and password',
    }),
    secretFile: option(optionalPath().default(''), {
      description:
        'File with the secret that signs what is posted (HMAC-SHA256 in the field postern-signature), on one line.',
      shownDefault: 'none; needed with url',
      allowed: 'an absolute path',
    }),
    caFile: option(optionalPath().default(''), {
      description: 'PEM file of the authority that issued the receiver’s certificate.',
      zero: 'the authorities that Node knows',
      allowed: 'an absolute path',
    }),
    propagationTimeoutMs: option(milliseconds(1_000, 3_600_000).default(120_000), {
      description: 'How long a record may take until the name servers (domains.nameServers) show it.',
      unit: 'ms',
    }),
  })
  .prefault({});

const acme = z
  .strictObject({
    directoryUrl: option(
      z
        .union([z.literal(''), z.string().refine(value => isWebhookUrl(value) && value.startsWith('https:'))])
        .default(''),
      {
        description:
          'Directory of the ACME server that certificates come from, such as https://acme-v02.api.letsencrypt.org/directory.',
        zero: 'no automatic certificates',
        allowed: 'an address that begins with https://',
      },
    ),
    termsAgreed: option(z.boolean().default(false), {
      description:
        'You have read the terms of service that the directory names, and agree to them. Needed with directoryUrl.',
    }),
    email: option(z.union([z.literal(''), mailAddress()]).default(''), {
      description: 'Where the authority may write to about your account.',
      zero: 'it is told no address',
      allowed: 'an address such as it@example.com',
    }),
    caFile: option(optionalPath().default(''), {
      description:
        'PEM file of the authority that issued the ACME server’s own certificate, beside those that Node knows; for an authority of your own.',
      zero: 'none beside them',
      allowed: 'an absolute path',
    }),
    challenges: option(
      z
        .array(z.enum(['http-01', 'tls-alpn-01', 'dns-01']))
        .min(1)
        .max(3)
        .default(['http-01', 'tls-alpn-01']),
      {
        description:
          'Ways in which names are proved, the preferred one first: http-01 on port 80, tls-alpn-01 on port 443, dns-01 through dnsWebhook. Wildcards need dns-01; with it one certificate covers a domain and what is one label below it.',
        allowed: 'a list of http-01, tls-alpn-01, dns-01',
      },
    ),
    externalAccountKeyId: option(printable(256).default(''), {
      description:
        'Key id of the account that you have with the authority already (external account binding).',
      zero: 'no such account',
      allowed: 'a text of at most 256 characters',
    }),
    externalAccountKeyFile: option(optionalPath().default(''), {
      description: 'File with the MAC key that belongs to it, base64url, on one line.',
      zero: 'no such account',
      allowed: 'an absolute path',
    }),
    dnsWebhook: option(dnsWebhook, { description: 'A program of yours that makes DNS records, for dns-01.' }),
  })
  .prefault({});

/** Every option of the service, described once: the manual, `config check` and the environment names follow from it. */
export const configSchema = z.strictObject({
  domain: option(z.string().toLowerCase().regex(hostName), {
    description:
      'The service’s own domain. It answers at login.<domain>, portal.<domain>, connect.<domain> and portcheck.<domain>; applications are published at other names under it, or at names of their own.',
    allowed: 'a host name such as access.example.com, without scheme and port',
  }),
  region: option(printable(64).default(''), {
    description:
      'Where this node is. Of a connector group without a region of its own the connectors of this region are preferred.',
    zero: 'none is preferred',
    allowed: 'a name of at most 64 characters, such as eu-north',
  }),
  publicPort: option(port().default(443), {
    description:
      'The port that people’s browsers and connectors use. It differs from the listening port where a firewall forwards.',
  }),
  listen: option(
    z
      .strictObject({
        https: option(z.array(endpoint).min(1).default(everyAddress(443)), {
          description: 'Addresses for browsers and connectors.',
          allowed: `a list of ${endpointText}`,
        }),
        http: option(z.array(endpoint).default(everyAddress(80)), {
          description: 'Addresses for plain HTTP, which redirects to HTTPS.',
          zero: 'no plain HTTP',
          allowed: `a list of ${endpointText}`,
        }),
        private: option(z.array(endpoint).default([{ host: '127.0.0.1', port: 9440 }]), {
          description: 'Addresses for metrics and health. Never reachable from outside.',
          zero: 'no metrics and no health answer',
          allowed: `a list of ${endpointText}`,
        }),
      })
      .prefault({}),
    { description: 'Where the service listens.' },
  ),
  dataDir: option(absolutePath().default('/var/lib/postern'), {
    description: 'Folder of the database, the keys and their copies.',
    allowed: 'an absolute path',
  }),
  runDir: option(z.union([z.literal(''), absolutePath()]).default(''), {
    description: 'Folder of the sockets between the relay and the control process.',
    zero: '<dataDir>/run',
    shownDefault: '<dataDir>/run',
    allowed: 'an absolute path of at most 90 bytes',
  }),
  certificates: option(
    z
      .strictObject({
        local: option(z.boolean().default(false), {
          description:
            'Let the service issue its own certificates from its local CA, whose certificate every browser must trust. Meant for trying out.',
        }),
        files: option(z.array(certificateFiles).default([]), {
          description:
            'Certificates for the service’s public names, reloaded when the files change. Together they must cover login, portal, connect and portcheck.<domain> and every application’s host.',
          allowed: 'a list of certificateFile and keyFile',
        }),
        acme: option(acme, {
          description:
            'Certificates that the service gets and renews by itself, for its own names and for published ones, wherever no other certificate covers them.',
        }),
      })
      .prefault({}),
    { description: 'Where the public certificates come from.' },
  ),
  domains: option(
    z
      .strictObject({
        nameServers: option(z.array(z.string().refine(isNameServer)).max(10).default([]), {
          description:
            'Name servers that are asked about custom domains: for the records that prove them, and where they lead. Name public ones where your own answer differently inside.',
          zero: 'those of this machine',
          allowed: 'a list of addresses such as 192.0.2.53 or [2001:db8::53]:5353',
        }),
      })
      .prefault({}),
    { description: 'Custom domains.' },
  ),
  trustedProxies: option(z.array(cidr).default([]), {
    description: 'Proxies in front of the service whose X-Forwarded-For is believed.',
    zero: 'nobody is believed',
    allowed: 'a list of networks such as 10.0.0.0/8 or single addresses',
  }),
  log: option(
    z
      .strictObject({
        level: option(z.enum(['error', 'warn', 'info', 'debug']).default('info'), {
          description: 'The least severe level that is logged.',
        }),
        accessLog: option(z.boolean().default(false), {
          description:
            'Log every request: request id, application, user, method, status, bytes and time. Paths and queries are not logged.',
        }),
      })
      .prefault({}),
    { description: 'Logging, as JSON lines on standard output.' },
  ),
  limits: option(
    z
      .strictObject({
        maxHeadBytes: option(count(4_096, 1_048_576).default(65_536), {
          description: 'Longest head of a request or an answer, start line included.',
          unit: 'bytes',
        }),
        maxHeaderFields: option(count(16, 2_000).default(100), {
          description: 'Most fields in one head.',
        }),
        headTimeoutMs: option(milliseconds(1_000, 600_000).default(20_000), {
          description: 'How long a client may take to send one head, measured from its first byte.',
          unit: 'ms',
        }),
        clientIdleTimeoutMs: option(milliseconds(1_000, 3_600_000).default(75_000), {
          description: 'How long a connection without a request stays open.',
          unit: 'ms',
        }),
        bodyIdleTimeoutMs: option(milliseconds(0, 3_600_000).default(60_000), {
          description: 'How long a request body may pause while the service is ready to read it.',
          unit: 'ms',
          zero: 'no limit',
        }),
        clientStallTimeoutMs: option(milliseconds(0, 3_600_000).default(60_000), {
          description:
            'How long a client may take nothing of an answer, or of a WebSocket, that waits for it. Over HTTP/2 one that has been silent for so long in the middle of a request or a WebSocket is asked whether it is there (PING), and has as long again to say so.',
          unit: 'ms',
          zero: 'no limit',
        }),
        maxConnections: option(count(1).default(20_000), {
          description: 'Most open connections from browsers; further ones are closed at once.',
        }),
        maxWaitingRequestsPerGroup: option(count(0).default(1_000), {
          description: 'Most requests that wait for a connector of one group to come back.',
          zero: 'nobody waits',
        }),
        waitForConnectorMs: option(milliseconds(0, 600_000).default(10_000), {
          description: 'How long a request waits for a connector of its group before it fails with 503.',
          unit: 'ms',
          zero: 'no waiting',
        }),
        maxRetryBodyBytes: option(count(0, 1_048_576).default(65_536), {
          description:
            'How much of a request’s body is kept, so that the request can be sent again through another tunnel when it was certainly not sent.',
          unit: 'bytes',
          zero: 'only requests without a body are sent again',
        }),
        feedGraceMs: option(milliseconds(0, 24 * 3_600_000).default(60_000), {
          description:
            'How long the relay goes on admitting signed-in people while the control process is away; then it refuses them.',
          unit: 'ms',
          zero: 'refuse at once',
        }),
        maxTunnelsPerConnector: option(count(1, 100_000).default(64), {
          description: 'Most tunnels that one connector may hold; further ones are refused as busy.',
        }),
        windowBudgetBytes: option(z.int().min(16_777_216).max(17_179_869_184).default(268_435_456), {
          description: 'Most bytes that all tunnel windows of this node may hold together.',
          unit: 'bytes',
        }),
      })
      .prefault({}),
    { description: 'Bounds on what clients, connectors and backends may use.' },
  ),
  protection: option(
    z
      .strictObject({
        maxRequestsPerMinutePerClient: option(count(0, 100_000_000).default(0), {
          description:
            'Most requests a minute of one client address (IPv6: one /64), whatever they ask for; as many may come at once. Beyond, 429 with Retry-After. A whole office may be behind one address.',
          zero: 'no limit',
        }),
        maxOpenRequestsPerClient: option(count(0).default(5_000), {
          description:
            'Most requests of one client address that are under way at a time, WebSockets included. Beyond, 429.',
          zero: 'no limit',
        }),
        maxOpenUpgradesPerClient: option(count(0).default(2_500), {
          description: 'Most WebSockets and other upgrades of one client address. Beyond, 429.',
          zero: 'no limit',
        }),
        maxOpenUpgrades: option(count(0).default(10_000), {
          description: 'Most WebSockets and other upgrades of everybody together. Beyond, 429.',
          zero: 'no limit',
        }),
        allowedNetworks: option(z.array(cidr).default([]), {
          description:
            'Whose requests are answered. Behind trusted proxies the address that they say counts. Tunnels of connectors are not asked, but their registration is.',
          zero: 'everybody’s',
          allowed: 'a list of networks such as 10.0.0.0/8 or single addresses',
        }),
        deniedNetworks: option(z.array(cidr).default([]), {
          description: 'Whose requests are refused with 403, allowed or not.',
          zero: 'nobody’s',
          allowed: 'a list of networks such as 10.0.0.0/8 or single addresses',
        }),
      })
      .prefault({}),
    {
      description:
        'What one client may use of the whole service. Each application has limits of its own beside these: `postern app limits`.',
    },
  ),
  portCheck: option(
    z
      .strictObject({
        regions: option(z.array(region).max(50).default([]), {
          description:
            'Services whose ports the page at portcheck.<domain> tests from the visitor’s browser, in the order of its table.',
          zero: 'this service alone',
          allowed: 'a list of name and host, with httpsPort and httpPort where they are not 443 and 80',
        }),
      })
      .prefault({}),
    {
      description:
        'The port check page, which shows before anything is installed what a firewall has to let out.',
    },
  ),
  connectors: option(
    z
      .strictObject({
        certificateLifetimeDays: option(count(2, 3_650).default(180), {
          description:
            'How long a connector’s trust certificate is valid from its issue on. It is renewed after two thirds of that.',
          unit: 'days',
        }),
        inactiveAfterDays: option(count(0, 3_650).default(10), {
          description:
            'After how many days without a sign of life a connector is left out of lists. It keeps its id, group and certificate, and is back as soon as it connects.',
          unit: 'days',
          zero: 'never',
        }),
      })
      .prefault({}),
    { description: 'Connectors and their certificates.' },
  ),
  drainMs: option(milliseconds(0, 3_600_000).default(30_000), {
    description: 'How long requests in flight may take to finish after SIGTERM.',
    unit: 'ms',
    zero: 'end at once',
  }),
  sessions: option(
    z
      .strictObject({
        edgeLifetimeMs: option(milliseconds(60_000, 30 * 24 * 3_600_000).default(8 * 3_600_000), {
          description: 'How long a sign-in to one application lasts before it is renewed silently.',
          unit: 'ms',
        }),
        loginLifetimeMs: option(milliseconds(60_000, 90 * 24 * 3_600_000).default(24 * 3_600_000), {
          description: 'How long after typing a password nobody is asked again, whatever the application.',
          unit: 'ms',
        }),
      })
      .prefault({}),
    { description: 'How long sign-ins last.' },
  ),
  identityHeaders: option(
    z
      .strictObject({
        user: option(headerName().default('X-Forwarded-User'), {
          description: 'Carries the user principal name to backends of pre-authenticated applications.',
          zero: 'not sent',
          allowed: headerAllowed,
        }),
        email: option(headerName().default('X-Forwarded-Email'), {
          description: 'Carries the mail address, where the account has one.',
          zero: 'not sent',
          allowed: headerAllowed,
        }),
        displayName: option(headerName().default('X-Forwarded-Name'), {
          description: 'Carries the display name, percent-encoded where it is not plain ASCII.',
          zero: 'not sent',
          allowed: headerAllowed,
        }),
        userId: option(headerName().default('X-Forwarded-User-Id'), {
          description: 'Carries the account’s id, which never changes.',
          zero: 'not sent',
          allowed: headerAllowed,
        }),
      })
      .prefault({}),
    {
      description:
        'Fields that tell backends who is asking. What a client sends under these names is dropped.',
    },
  ),
  signIn: option(
    z
      .strictObject({
        maxFailuresPerAccount: option(count(3, 1_000).default(10), {
          description: 'Wrong passwords for one account within the window before it has to wait.',
        }),
        maxFailuresPerAddress: option(count(3, 100_000).default(100), {
          description:
            'Wrong passwords from one address (IPv6: one /64) within the window before it has to wait.',
        }),
        failureWindowMs: option(milliseconds(1_000, 24 * 3_600_000).default(15 * 60_000), {
          description: 'The window in which failures are counted, and the longest wait.',
          unit: 'ms',
        }),
        minPasswordLength: option(count(8, 64).default(12), {
          description: 'Shortest password that may be chosen.',
          unit: 'characters',
        }),
        invitationLifetimeMs: option(milliseconds(60_000, 30 * 24 * 3_600_000).default(72 * 3_600_000), {
          description: 'How long an invitation or set-up link can be used.',
          unit: 'ms',
        }),
      })
      .prefault({}),
    { description: 'The sign-in page.' },
  ),
  mail: option(
    z
      .strictObject({
        host: option(z.union([z.literal(''), z.string().toLowerCase().regex(hostName)]).default(''), {
          description:
            'Mail server (SMTP) that takes alerts, such as those before a trust certificate expires.',
          zero: 'no mail is sent',
          allowed: 'a host name or an IPv4 address',
        }),
        port: option(port().default(587), {
          description: 'Its port: usually 587 with starttls, 465 with tls, 25 without.',
        }),
        tls: option(z.enum(['starttls', 'tls', 'none']).default('starttls'), {
          description:
            'starttls: the connection must become TLS before anything is said; tls: it is from its beginning; none: everything goes in the clear, and no password may be configured.',
        }),
        user: option(printable(256).default(''), {
          description: 'Name to sign in with at the mail server.',
          zero: 'no sign-in',
          allowed: 'a text of at most 256 characters',
        }),
        passwordFile: option(optionalPath().default(''), {
          description: 'File with the password of that user, on one line.',
          zero: 'no sign-in',
          allowed: 'an absolute path',
        }),
        caFile: option(optionalPath().default(''), {
          description: 'PEM file of the authority that issued the mail server’s certificate.',
          zero: 'the authorities that Node knows',
          allowed: 'an absolute path',
        }),
        from: option(z.union([z.literal(''), mailAddress()]).default(''), {
          description: 'Sender of alerts.',
          shownDefault: 'none; needed with mail.host',
          allowed: 'an address such as postern@example.com',
        }),
        to: option(z.array(mailAddress()).max(50).default([]), {
          description: 'Who gets alerts.',
          shownDefault: 'nobody; needed with mail.host',
          allowed: 'a list of addresses such as it@example.com',
        }),
      })
      .prefault({}),
    { description: 'Alerts by mail. `postern alert test` tries it.' },
  ),
  outboundProxy: option(
    z
      .strictObject({
        url: option(printable(2_048).default(''), {
          description:
            'HTTP proxy (CONNECT) for what the service itself calls: the mail server, webhooks, certificate authorities.',
          zero: 'the variables https_proxy and HTTPS_PROXY of the service decide; without them there is none',
          allowed:
            'an address such as http://user@proxy.example.com:3128, without a password, or with https:// where the proxy is spoken to over TLS',
        }),
        passwordFile: option(optionalPath().default(''), {
          description: 'File with that user’s password, on one line, read anew for each connection.',
          zero: 'no password',
          allowed: 'an absolute path',
        }),
        caFile: option(optionalPath().default(''), {
          description:
            'PEM file of the authority that issued the certificate of an https:// proxy, beside those that Node and this machine know.',
          zero: 'none beside them',
          allowed: 'an absolute path',
        }),
        noProxy: option(printable(8_192).default(''), {
          description:
            'Hosts to reach directly, with commas between them: *, a name and all below it (corp.example), addresses and networks (10.0.0.0/8), each name or address with a port behind it if that matters. Loopback always is.',
          zero: 'the variables no_proxy and NO_PROXY of the service decide',
          allowed: 'a text such as corp.example, 10.0.0.0/8',
        }),
      })
      .prefault({}),
    { description: 'The way out for the service’s own calls. Connectors have a setting of their own.' },
  ),
  webhooks: option(z.array(webhook).max(20).default([]), {
    description: 'Alerts posted as JSON, each to every one of these. `postern alert test` tries them.',
    zero: 'none',
    allowed: 'a list of url and secretFile',
  }),
});

/** The whole configuration, defaults filled in, `runDir` resolved. */
export type Config = z.output<typeof configSchema>;

/** What a configuration file may say. */
export type ConfigInput = z.input<typeof configSchema>;

/**
 * Reads `host:port`, `[v6]:port` or `port` (every address).
 *
 * @returns undefined where the text is none of these.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const portNumber = Number(match[3]);
  if (portNumber > 65_535) return undefined;
  if (match[1] !== undefined) return isIP(match[1]) === 6 ? { host: match[1], port: portNumber } : undefined;
  const host = match[2].toLowerCase();
  return isIP(host) === 4 || (hostName.test(host) && !/^[\d.]+$/.test(host))
    ? { host, port: portNumber }
    : undefined;
}

/** The text form that {@link parseEndpoint} reads. */
export function formatEndpoint({ host, port: portNumber }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${portNumber}` : `${host}:${portNumber}`;
}

// One dual-stack listener would be enough on most machines, but not where bindv6only is set; the listener of the
// relay opens the second with `ipv6Only`, so that both always work.
function everyAddress(portNumber: number): Endpoint[] {
  return [
    { host: '::', port: portNumber },
    { host: '0.0.0.0', port: portNumber },
  ];
}

function isWebhookUrl(value: string): boolean {
  const url = URL.parse(value);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return false;
  return url.username === '' && url.password === '' && url.hash === '';
}

function isNameServer(value: string): boolean {
  if (isIP(value) !== 0) return true;
  const endpoint = parseEndpoint(value);
  return endpoint !== undefined && endpoint.port > 0 && isIP(endpoint.host) !== 0;
}

function isCidr(value: string): boolean {
  const [address, bits, ...rest] = value.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}
