import type { LookupAddress } from 'node:dns';
import { readFile } from 'node:fs/promises';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, connect as netConnect, type Socket } from 'node:net';
import { getCACertificates } from 'node:tls';
import { addressPatienceMs, answer, lookupName } from './lookup-name.ts';
import { NoProxyList } from './no-proxy.ts';
import {
  answerChallenge,
  type Challenge,
  chooseChallenge,
  haveSameAnswer,
  type ProxyCredentials,
  parseChallenges,
} from './proxy-authentication.ts';

export type OutboundErrorCode =
  | 'name_not_resolved'
  | 'unreachable'
  | 'timed_out'
  | 'proxy_unreachable'
  | 'proxy_untrusted'
  | 'proxy_refused'
  | 'proxy_authentication';

interface OutboundErrorFields {
  readonly message: string;
  readonly remedy: string;
  readonly proxy?: OutboundProxy | null;
  readonly status?: number;
  readonly schemes?: readonly string[];
}

/** Why an outbound connection could not be made. Message and remedy are for an administrator. */
export class OutboundError extends Error {
  /**
   * - `name_not_resolved`, `unreachable`, `timed_out`: of the host itself, without a proxy; `timed_out` also where a
   *   proxy took the connection and did not answer.
   * - `proxy_unreachable`: no connection with the proxy.
   * - `proxy_untrusted`: the proxy is spoken to over TLS, and its certificate is not accepted.
   * - `proxy_refused`: the proxy answered, and not with a connection; `status` says how.
   * - `proxy_authentication`: the proxy wants to know who asks (407), and was not satisfied.
   */
  readonly code: OutboundErrorCode;
  readonly remedy: string;
  /** The proxy that was asked; null without one. */
  readonly proxy: OutboundProxy | null;
  /** HTTP status of the proxy's answer; null where none came, or none that is HTTP. */
  readonly status: number | null;
  /** Authentication schemes that the proxy offered, as it wrote them; empty unless it answered 407. */
  readonly schemes: readonly string[];

  constructor(code: OutboundErrorCode, fields: OutboundErrorFields, options?: ErrorOptions) {
    super(fields.message, options);
    this.code = code;
    this.remedy = fields.remedy;
    this.proxy = fields.proxy ?? null;
    this.status = fields.status ?? null;
    this.schemes = fields.schemes ?? [];
  }
}

/** An HTTP proxy, without its password. */
export interface OutboundProxy {
  readonly host: string;
  readonly port: number;
  /** Whether it is spoken to over TLS. */
  readonly tls: boolean;
  /** Who asks; null where the proxy is not told. */
  readonly user: string | null;
  /** Where the setting stands: a file, an option, `HTTPS_PROXY`, … */
  readonly source: string;
}

export interface ConnectOptions {
  /** For name, connection and the proxy's answer together. Default 10 000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Passes by the proxy; the doctor compares the two ways. */
  readonly direct?: boolean;
}

export interface OutboundSettings {
  /** `http://[user@]host[:port]`, or `https://…` for TLS with the proxy; empty: none, whatever the environment says. */
  readonly proxy?: string | undefined;
  /** File with that user's password, read anew for each connection. */
  readonly proxyPasswordFile?: string | undefined;
  /** PEM file of the authority of an `https://` proxy, beside the public ones and those of the machine. */
  readonly proxyCaFile?: string | undefined;
  /** As the variable NO_PROXY (see NoProxyList), in its place. */
  readonly noProxy?: string | undefined;
  /** How these settings are called where they are written, for messages. Default: as the connector calls them. */
  readonly names?: SettingNames;
}

/** What an administrator calls the settings of a proxy. */
export interface SettingNames {
  /** Where they stand. */
  readonly source: string;
  readonly proxy: string;
  readonly passwordFile: string;
  readonly caFile: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const defaultTimeoutMs = 10_000;
/** The lower-case name wins, as with curl. */
const proxyVariables = ['https_proxy', 'HTTPS_PROXY'];
const noProxyVariables = ['no_proxy', 'NO_PROXY'];
const defaultProxyPort = { 'http:': 80, 'https:': 443 } as const;
const defaultNames: SettingNames = {
  source: 'Config/connector.json',
  proxy: 'outboundProxy',
  passwordFile: 'outboundProxyPasswordFile',
  caFile: 'outboundProxyCaFile',
};

/** What belongs to a proxy beside its address; each is read anew when it is needed. */
export interface ProxyParts {
  readonly readPassword?: () => Promise<string>;
  /** Authorities whose certificate an `https://` proxy may have, PEM. Default: the public ones and those of the machine. */
  readonly readAuthorities?: () => Promise<readonly string[]>;
  readonly names?: SettingNames;
}

/**
 * Makes connections as the settings of this machine want them: directly, or through an HTTP proxy with CONNECT
 * (RFC 9110 §9.3.6), which then carries bytes and sees none of what TLS protects. Names are resolved by the proxy.
 */
export class Outbound {
  readonly #proxy: OutboundProxy | null;
  readonly #readPassword: () => Promise<string>;
  readonly #readAuthorities: () => Promise<readonly string[]>;
  readonly #names: SettingNames;
  readonly #noProxy: NoProxyList;
  /** What the proxy asked last, so that later connections answer without being asked. */
  #challenge: Challenge | null = null;

  constructor(
    proxy: OutboundProxy | null = null,
    {
      readPassword = async () => '',
      readAuthorities = async () => machineAuthorities(),
      names = defaultNames,
    }: ProxyParts = {},
    noProxy: NoProxyList = new NoProxyList(''),
  ) {
    this.#proxy = proxy;
    this.#readPassword = readPassword;
    this.#readAuthorities = readAuthorities;
    this.#names = names;
    this.#noProxy = noProxy;
  }

  /** The proxy that connections to this host and port go through; null: none. */
  proxyFor(host: string, port: number): OutboundProxy | null {
    return this.#proxy === null || this.#noProxy.covers(host, port) ? null : this.#proxy;
  }

  /**
   * Gives a TCP connection with a host, over which nothing was sent or read yet.
   *
   * @throws OutboundError, or the signal's reason once it is aborted.
   */
  async connect(host: string, port: number, options: ConnectOptions = {}): Promise<Socket> {
    options.signal?.throwIfAborted();
    const proxy = options.direct ? null : this.proxyFor(host, port);
    const limits = limitsOf(options);
    try {
      if (proxy === null) return await connectDirectly(host, port, limits);
      return await this.#connectThrough(proxy, authority(host, port), limits);
    } finally {
      limits.dispose();
    }
  }

  async #connectThrough(proxy: OutboundProxy, target: string, limits: Limits): Promise<Socket> {
    const authorities = proxy.tls ? await this.#authorities(proxy) : null;
    let challenge = this.#challenge;
    let isFresh = false;
    // Without an answer, with a remembered one whose nonce may have expired, with a fresh one that is stale already.
    for (let attempt = 1; ; attempt++) {
      const credentials = proxy.user === null ? null : await this.#credentials(proxy, proxy.user);
      const authorization =
        challenge &&
        credentials &&
        answerChallenge(challenge, credentials, { method: 'CONNECT', uri: target });
      const { response, socket, head } = await requestTunnel(
        { proxy, target, authorization, authorities, names: this.#names },
        limits,
      );
      const status = response.statusCode!;
      if (status >= 200 && status < 300) {
        this.#challenge = challenge;
        socket.setNoDelay(true);
        if (head.length > 0) socket.unshift(head);
        return socket;
      }
      socket.destroy();
      if (status !== 407) throw refused(proxy, target, response);
      const offered = parseChallenges(response.headersDistinct['proxy-authenticate'] ?? []);
      const chosen = chooseChallenge(offered);
      if (chosen === null || credentials === null) throw notAuthenticated(proxy, offered, this.#names);
      const isHopeless =
        (isFresh && !chosen.isStale) || (challenge !== null && haveSameAnswer(challenge, chosen));
      if (isHopeless || attempt === 3) {
        this.#challenge = null;
        throw wrongCredentials(proxy, offered);
      }
      challenge = chosen;
      isFresh = true;
    }
  }

  async #credentials(proxy: OutboundProxy, user: string): Promise<ProxyCredentials> {
    try {
      return { user, password: await this.#readPassword() };
    } catch (cause) {
      throw new OutboundError(
        'proxy_authentication',
        {
          proxy,
          message: `The password for the proxy ${describeProxy(proxy)} cannot be read: ${messageOf(cause)}`,
          remedy: `Let the user that this program runs as read the file that ${this.#names.passwordFile} names.`,
        },
        { cause },
      );
    }
  }

  async #authorities(proxy: OutboundProxy): Promise<readonly string[]> {
    try {
      return await this.#readAuthorities();
    } catch (cause) {
      const message = `The authority of the proxy ${describeProxy(proxy)} cannot be read: ${messageOf(cause)}`;
      const remedy = `Name a PEM file with ${this.#names.caFile} that the user of this program can read.`;
      throw new OutboundError('proxy_untrusted', { proxy, message, remedy }, { cause });
    }
  }
}

/**
 * Reads where connections have to go through: the settings of this machine first, and for what they leave open the
 * variables `https_proxy`, `HTTPS_PROXY`, `no_proxy` and `NO_PROXY`; the lower-case name wins, as with curl.
 *
 * @throws RangeError saying what cannot be used, and what can.
 */
export function outboundFrom(settings: OutboundSettings, environment: Environment): Outbound {
  const { names = defaultNames } = settings;
  const noProxy = new NoProxyList(settings.noProxy ?? firstOf(environment, noProxyVariables)?.value ?? '');
  const given =
    settings.proxy === undefined
      ? firstOf(environment, proxyVariables)
      : { name: names.source, value: settings.proxy };
  if (given === undefined || given.value === '') return new Outbound(null, undefined, noProxy);
  const { proxy, password } = parseProxy(given.value, given.name);
  const { proxyPasswordFile, proxyCaFile } = settings;
  if (settings.proxy !== undefined && password !== '') {
    throw new RangeError(
      `${given.name}: the proxy's address must not hold a password. Put the password into a file of its own and name it with ${names.passwordFile}.`,
    );
  }
  const readPassword =
    proxyPasswordFile === undefined
      ? async () => password
      : async () => (await readFile(proxyPasswordFile, 'utf8')).replace(/\r?\n$/, '');
  const readAuthorities = async () => [
    ...machineAuthorities(),
    ...(proxyCaFile === undefined ? [] : [await readFile(proxyCaFile, 'utf8')]),
  ];
  return new Outbound(proxy, { readPassword, readAuthorities, names }, noProxy);
}

/** A proxy of the environment, written as a setting is: its address without the password, and the password beside it. */
export interface EnvironmentProxy {
  readonly proxy: string;
  /** Empty where none is given. */
  readonly password: string;
  /** What is reached directly; undefined where no variable says. */
  readonly noProxy: string | undefined;
}

/**
 * The proxy that the variables of the environment name, for whoever will not have these variables.
 *
 * @returns null where they name none.
 * @throws RangeError as {@link outboundFrom} does.
 */
export function readEnvironmentProxy(environment: Environment): EnvironmentProxy | null {
  const given = firstOf(environment, proxyVariables);
  if (given === undefined) return null;
  const { proxy, password } = parseProxy(given.value, given.name);
  const user = proxy.user === null ? '' : `${encodeURIComponent(proxy.user)}@`;
  return {
    proxy: `${proxy.tls ? 'https' : 'http'}://${user}${authority(proxy.host, proxy.port)}`,
    password,
    noProxy: firstOf(environment, noProxyVariables)?.value,
  };
}

function machineAuthorities(): readonly string[] {
  return [...getCACertificates('default'), ...getCACertificates('system')];
}

function firstOf(
  environment: Environment,
  names: readonly string[],
): { name: string; value: string } | undefined {
  for (const name of names) {
    const value = environment[name];
    if (value !== undefined && value !== '') return { name, value };
  }
  return undefined;
}

function parseProxy(text: string, source: string): { proxy: OutboundProxy; password: string } {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  // The text may hold a password, so that no message quotes it.
  if (/\.pac$|^pac\+|\/wpad\.dat$/i.test(text) || (url !== null && /\.(pac|dat)$/i.test(url.pathname))) {
    throw new RangeError(
      `${source} names a configuration script (PAC), which is not supported. Look in the script for "PROXY host:port" and give that as http://host:port.`,
    );
  }
  if (url === null || url.hostname === '' || (url.pathname !== '' && url.pathname !== '/')) {
    throw new RangeError(
      `${source} names no proxy. Give it as http://host:port, with user@ before the host if needed.`,
    );
  }
  const { protocol } = url;
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new RangeError(
      `${source} names a proxy of the kind ${protocol}//, which is not supported. Give an HTTP proxy as http://host:port, or as https://host:port where it is spoken to over TLS.`,
    );
  }
  const user = decode(url.username, source);
  return {
    proxy: {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? defaultProxyPort[protocol] : Number(url.port),
      tls: protocol === 'https:',
      user: user === '' ? null : user,
      source,
    },
    password: decode(url.password, source),
  };
}

function decode(text: string, source: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RangeError(`${source}: write % as %25 in the proxy's user and password.`);
  }
}

/** The end of patience, from the clock or from the caller. */
interface Limits {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly isTimedOut: () => boolean;
  dispose(): void;
}

function limitsOf({ timeoutMs = defaultTimeoutMs, signal }: ConnectOptions): Limits {
  const controller = new AbortController();
  let isTimedOut = false;
  const timer = setTimeout(() => {
    isTimedOut = true;
    controller.abort();
  }, timeoutMs);
  const onAbort = () => controller.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    timeoutMs,
    isTimedOut: () => isTimedOut,
    dispose() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    },
  };
}

async function connectDirectly(host: string, port: number, limits: Limits): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  let socket: Socket | undefined;
  const onAbort = () => reject(limits.isTimedOut() ? timedOut(host, port, limits) : limits.signal.reason);
  const onError = (error: Error) => reject(explainDirect(host, port, error));
  const onConnect = () => resolve(socket!);
  const onResolved = (error: Error | null, addresses: readonly LookupAddress[]) => {
    if (error !== null) return onError(error);
    if (limits.signal.aborted) return;
    socket = netConnect({
      host,
      port,
      noDelay: true,
      lookup: (_, options, callback) => answer(addresses, options, callback),
      // The last of them, too, has its turn within the limit.
      autoSelectFamilyAttemptTimeout: Math.min(
        addressPatienceMs,
        Math.ceil(limits.timeoutMs / addresses.length),
      ),
    });
    socket.once('error', onError);
    socket.once('connect', onConnect);
  };
  limits.signal.addEventListener('abort', onAbort, { once: true });
  lookupName(host, { all: true }, (error, addresses) => onResolved(error, addresses as LookupAddress[]));
  try {
    return await promise;
  } catch (error) {
    // The error that destroying may bring is nobody's.
    socket?.on('error', () => {});
    socket?.destroy();
    throw error;
  } finally {
    limits.signal.removeEventListener('abort', onAbort);
    socket?.off('error', onError);
    socket?.off('connect', onConnect);
  }
}

interface TunnelAnswer {
  readonly response: IncomingMessage;
  readonly socket: Socket;
  /** What came after the answer's head. */
  readonly head: Buffer;
}

interface TunnelRequest {
  readonly proxy: OutboundProxy;
  /** `host:port` */
  readonly target: string;
  readonly authorization: string | null;
  /** Whose certificate the proxy has to have; null where it is not spoken to over TLS. */
  readonly authorities: readonly string[] | null;
  readonly names: SettingNames;
}

/** Sends one CONNECT on a connection of its own and gives what the proxy answers, whatever its status. */
async function requestTunnel(
  { proxy, target, authorization, authorities, names }: TunnelRequest,
  limits: Limits,
): Promise<TunnelAnswer> {
  const common = {
    host: proxy.host,
    port: proxy.port,
    method: 'CONNECT',
    path: target,
    agent: false,
    lookup: lookupName,
    autoSelectFamilyAttemptTimeout: addressPatienceMs,
    headers: { host: target, ...(authorization !== null && { 'proxy-authorization': authorization }) },
  } as const;
  const request =
    authorities === null
      ? httpRequest(common)
      : httpsRequest({
          ...common,
          ca: [...authorities],
          minVersion: 'TLSv1.2',
          // Node would take the Host field's name, which is that of the service (RFC 6066 §3: an address is none).
          servername: isIP(proxy.host) === 0 ? proxy.host : '',
        });
  const { promise, resolve, reject } = Promise.withResolvers<TunnelAnswer>();
  const connection = watchConnection(request, proxy.tls ? 'secureConnect' : 'connect');
  const onAbort = () =>
    reject(limits.isTimedOut() ? proxyTimedOut(proxy, connection.isOpen(), limits) : limits.signal.reason);
  if (limits.signal.aborted) onAbort();
  limits.signal.addEventListener('abort', onAbort, { once: true });
  request.once('connect', (response, socket, head) => resolve({ response, socket, head }));
  // An error after the answer belongs to whoever got the connection, and this to nobody.
  request.on('error', error => reject(explainProxy(proxy, names, connection.isOpen(), error)));
  // Node would add "Connection: close", which some proxies apply to what follows.
  request.removeHeader('connection');
  request.end();
  try {
    return await promise;
  } catch (error) {
    request.destroy();
    throw error;
  } finally {
    limits.signal.removeEventListener('abort', onAbort);
  }
}

/** Whether the proxy can be spoken to: connected, and with TLS its handshake is over. */
function watchConnection(request: ClientRequest, event: 'connect' | 'secureConnect'): { isOpen(): boolean } {
  let isOpen = false;
  request.once('socket', socket =>
    socket.once(event, () => {
      isOpen = true;
    }),
  );
  return { isOpen: () => isOpen };
}

function explainDirect(host: string, port: number, error: Error): OutboundError {
  const where = authority(host, port);
  if (isNameError(error)) {
    const message = `The name ${host} cannot be resolved on this machine (${codeOf(error)}).`;
    const remedy = `Check the spelling, and that this machine's name servers know ${host}. Where only a proxy may resolve such names, set outboundProxy or HTTPS_PROXY.`;
    return new OutboundError('name_not_resolved', { message, remedy }, { cause: error });
  }
  const message = `${where} cannot be reached: ${messageOf(error)}.`;
  return new OutboundError('unreachable', { message, remedy: openPort(where) }, { cause: error });
}

function timedOut(host: string, port: number, { timeoutMs }: Limits): OutboundError {
  const where = authority(host, port);
  const message = `${where} did not accept a connection within ${timeoutMs / 1000} s.`;
  return new OutboundError('timed_out', { message, remedy: openPort(where) });
}

function openPort(where: string): string {
  return `Let this machine make outbound TCP connections to ${where}, or through a proxy (outboundProxy or HTTPS_PROXY).`;
}

function explainProxy(
  proxy: OutboundProxy,
  names: SettingNames,
  isOpen: boolean,
  error: Error,
): OutboundError {
  const name = describeProxy(proxy);
  if (!isOpen && proxy.tls && isCertificateError(error)) {
    const message = `The certificate of the proxy ${name} (from ${proxy.source}) is not accepted: ${messageOf(error)}.`;
    const remedy = `Name the PEM file of the authority that issued it with ${names.caFile}, or add it to those of this machine; the proxy's address has to have a name of its certificate.`;
    return new OutboundError('proxy_untrusted', { proxy, message, remedy }, { cause: error });
  }
  if (!isOpen && isTlsError(error)) {
    const message = `The proxy ${name} (from ${proxy.source}) does not speak TLS there: ${codeOf(error)}.`;
    const remedy = 'Give its address with http:// where it is not spoken to over TLS, or correct the port.';
    return new OutboundError('proxy_unreachable', { proxy, message, remedy }, { cause: error });
  }
  if (!isOpen) {
    const why = isNameError(error)
      ? `its name cannot be resolved on this machine (${codeOf(error)})`
      : messageOf(error);
    const message = `The proxy ${name} (from ${proxy.source}) cannot be reached: ${why}.`;
    return new OutboundError('proxy_unreachable', { proxy, message, remedy: checkProxy }, { cause: error });
  }
  const isTooLong = codeOf(error) === 'HPE_HEADER_OVERFLOW';
  const isNotHttp = codeOf(error).startsWith('HPE_');
  const what = isTooLong
    ? 'answered with a head that is too long'
    : isNotHttp
      ? 'answered with something that is not HTTP'
      : 'closed the connection without an answer';
  const message = `The proxy ${name} (from ${proxy.source}) ${what}.`;
  const remedy = `Check that ${name} is an HTTP proxy, not a SOCKS proxy or a web server, and look into its log.`;
  return new OutboundError('proxy_refused', { proxy, message, remedy }, { cause: error });
}

function proxyTimedOut(proxy: OutboundProxy, isOpen: boolean, { timeoutMs }: Limits): OutboundError {
  const name = describeProxy(proxy);
  const within = `within ${timeoutMs / 1000} s`;
  if (!isOpen) {
    const message = `The proxy ${name} (from ${proxy.source}) did not accept a connection ${within}.`;
    return new OutboundError('proxy_unreachable', { proxy, message, remedy: checkProxy });
  }
  const message = `The proxy ${name} (from ${proxy.source}) accepted a connection and did not answer ${within}.`;
  const remedy =
    'Look into the proxy’s log: it may wait for a name server, or for a service that it cannot reach.';
  return new OutboundError('timed_out', { proxy, message, remedy });
}

const checkProxy =
  'Check the proxy’s name and port, that it runs, and that this machine may connect to it. Without a proxy, take the setting away.';

function refused(
  proxy: OutboundProxy,
  target: string,
  { statusCode, statusMessage = '' }: IncomingMessage,
): OutboundError {
  const status = statusCode!;
  const said = `${status} ${statusMessage.slice(0, 100)}`.trim();
  const message = `The proxy ${describeProxy(proxy)} (from ${proxy.source}) refused the connection to ${target}: ${said}.`;
  return new OutboundError('proxy_refused', {
    proxy,
    message,
    status,
    remedy: remedyForStatus(status, target),
  });
}

function remedyForStatus(status: number, target: string): string {
  // The proxy tried and failed; 501 says that it knows no CONNECT.
  if (status >= 500 && status !== 501) {
    return `The proxy itself could not reach ${target}: let it resolve that name and connect to it. Its log says which failed.`;
  }
  const port = target.slice(target.lastIndexOf(':') + 1);
  const portRule =
    port === '443' ? '' : ` Many proxies allow CONNECT to port 443 only: allow port ${port}, too.`;
  return `Let the proxy allow the method CONNECT to ${target}.${portRule}`;
}

function notAuthenticated(
  proxy: OutboundProxy,
  offered: readonly Challenge[],
  names: SettingNames,
): OutboundError {
  const schemes = offered.map(one => one.scheme);
  const offers = schemes.length === 0 ? 'names no scheme for it' : `offers ${schemes.join(', ')}`;
  const message = `The proxy ${describeProxy(proxy)} (from ${proxy.source}) wants authentication (407) and ${offers}.`;
  const remedy = chooseChallenge(offered) === null ? useOtherWay(names) : setUser(names);
  return new OutboundError('proxy_authentication', { proxy, message, remedy, status: 407, schemes });
}

function wrongCredentials(proxy: OutboundProxy, offered: readonly Challenge[]): OutboundError {
  const name = describeProxy(proxy);
  return new OutboundError('proxy_authentication', {
    proxy,
    status: 407,
    schemes: offered.map(one => one.scheme),
    message: `The proxy ${name} (from ${proxy.source}) did not accept the password of ${proxy.user} (407).`,
    remedy: 'Check user and password, and with the proxy’s administrator whether the account is locked.',
  });
}

function setUser({ proxy, passwordFile }: SettingNames): string {
  return `Give the proxy’s address with its user, as http://user@host:port in ${proxy}, and the password in the file that ${passwordFile} names.`;
}

function useOtherWay({ proxy }: SettingNames): string {
  return `Basic and Digest are supported. For NTLM, Negotiate or Kerberos: let the proxy pass this machine without authentication, let it offer Basic or Digest, too, or run a small proxy on this machine that signs in to it (cntlm, px) and name that one in ${proxy}.`;
}

/** `host:port`, as CONNECT writes it: an address of IPv6 in brackets. */
export function authority(host: string, port: number): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** A proxy in words; never with its password. */
function describeProxy({ host, port }: OutboundProxy): string {
  return authority(host, port);
}

function isNameError(error: Error): boolean {
  return ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL'].includes(codeOf(error));
}

// Node's names of what is wrong with a chain or a name; OpenSSL's all begin with ERR_SSL or ERR_OSSL.
function isCertificateError(error: Error): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|CRL/.test(codeOf(error)) && !isTlsError(error);
}

function isTlsError(error: Error): boolean {
  return /^ERR_O?SSL/.test(codeOf(error)) || codeOf(error) === 'EPROTO';
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}

/** What an error says, the errors that it gathers included. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Where several addresses were tried, the message is empty and the errors are listed.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error.message;
}
