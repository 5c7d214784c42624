import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction, connect as netConnect, type OnReadOpts, type Socket } from 'node:net';
import {
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
  connect as tlsConnect,
} from 'node:tls';
import { addressPatienceMs, answer, isLoopbackName, lookupName } from '@postern/outbound/lookup-name';
import { authority, type Outbound, OutboundError, type OutboundProxy } from '@postern/outbound/outbound';
import type { BackendConfiguration } from '@postern/protocol/tunnel/messages';
import type { OpenDetail, OpenFailure } from '@postern/protocol/tunnel/preamble';
import type { AllowList } from './allow-list.ts';

/** An idle WebSocket must not be forgotten by a firewall between here and its backend. */
const keepAliveMs = 60_000;

/** Why a backend could not be connected to. */
export class DialError extends Error {
  readonly code: OpenFailure;
  readonly detail: OpenDetail;

  constructor(code: OpenFailure, message: string, detail: OpenDetail, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.detail = { ...detail, error: message };
  }
}

export interface Dialling {
  /** The connection is not wanted any more; not to be called once it is open. */
  cancel(): void;
  /** Resolves when the connection (with `tls`, its handshake) is there; rejects with a DialError. */
  readonly opened: Promise<{ readonly socket: Socket; readonly detail: OpenDetail }>;
}

/** @param isBorrowed The bytes are only valid during the call. */
export type OnBytes = (bytes: Buffer, isBorrowed: boolean) => boolean;

export interface DialOptions {
  readonly allow: AllowList;
  /** Names the proxy that leads to backends, where there is one. */
  readonly outbound: Outbound;
  /** Takes what the backend sends, once the connection is open. False: no more until `socket.resume()`. */
  readonly onBytes: OnBytes;
  /** For name, connection and handshake together. */
  readonly timeoutMs: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** Connects to a backend that the service has configured, if this connector's own allow-list permits it, too. */
export function dial(backend: BackendConfiguration, options: DialOptions): Dialling {
  const { host, port } = backend;
  const { allow } = options;
  const anyAddress = allow.allowsHost(host, port);
  if (isIP(host) !== 0 && !anyAddress && !allow.allowsAddress(host)) {
    return { cancel() {}, opened: Promise.reject(notAllowed(backend, host)) };
  }
  const proxy = options.outbound.proxyFor(host, port);
  if (proxy !== null) return dialThrough(proxy, backend, options);
  const attempt = new Attempt(backend, options.now());
  const common = {
    host,
    port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
    lookup: restrict(backend, anyAddress ? null : allow),
    autoSelectFamilyAttemptTimeout: addressPatienceMs,
  };
  const socket = backend.tls
    ? tlsConnect({ ...common, ...tlsOptions(backend) })
    : netConnect({ ...common, onread: readInto(readBuffer, options.onBytes) });
  // TLS sockets have no `onread`.
  if (backend.tls) socket.on('data', bytes => void (options.onBytes(bytes, false) || socket.pause()));
  return { cancel: () => void socket.destroy(), opened: attempt.wait(socket, options) };
}

// The proxy finds out the address, so that only the host can be compared with the allow-list.
function dialThrough(proxy: OutboundProxy, backend: BackendConfiguration, options: DialOptions): Dialling {
  const { host, port } = backend;
  const { allow } = options;
  if (isIP(host) === 0 && !allow.allowsHost(host, port) && !allow.allowsAnyName) {
    return { cancel() {}, opened: Promise.reject(notAllowed(backend, 'resolved by a proxy')) };
  }
  const cancelled = new AbortController();
  return {
    cancel: () => cancelled.abort(),
    opened: openThrough(proxy, backend, options, cancelled.signal),
  };
}

async function openThrough(
  proxy: OutboundProxy,
  backend: BackendConfiguration,
  options: DialOptions,
  signal: AbortSignal,
): Dialling['opened'] {
  const { outbound, timeoutMs, now, onBytes } = options;
  const attempt = new Attempt(backend, now());
  let socket: Socket;
  try {
    socket = await outbound.connect(backend.host, backend.port, { timeoutMs, signal });
    socket.setKeepAlive(true, keepAliveMs);
  } catch (error) {
    throw explainProxied(backend, error);
  }
  attempt.connectedThrough(proxy, now());
  // Without the host, an address would not be compared with the certificate, but the name of the proxy.
  if (backend.tls) socket = tlsConnect({ socket, host: backend.host, ...tlsOptions(backend) });
  socket.on('data', bytes => void (onBytes(bytes, false) || socket.pause()));
  if (backend.tls) {
    const onAbort = () => socket.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    return attempt.wait(socket, options);
  }
  socket.on('error', () => {});
  return { socket, detail: attempt.detail(socket, now()) };
}

function explainProxied(backend: BackendConfiguration, error: unknown): DialError {
  const said = error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
  const isTimeout = error instanceof OutboundError && error.code === 'timed_out';
  const code = isTimeout ? 'connection_timed_out' : 'unreachable';
  return new DialError(code, `${describe(backend)}: ${said}`, {}, { cause: error });
}

// All plain sockets read into one buffer: between the read and the callback there is nobody else. A buffer for each
// read, as streams make it, is garbage that grows the process by tens of megabytes during a long download, and one for
// each socket would be held by idle ones, too. The size is that of a tunnel's frame.
const readBuffer = Buffer.allocUnsafeSlow(16 * 1024);

function readInto(buffer: Buffer, onBytes: OnBytes): OnReadOpts {
  return { buffer, callback: length => onBytes(buffer.subarray(0, length), true) };
}

/** One attempt with the times that its stages took. */
class Attempt {
  readonly #backend: BackendConfiguration;
  readonly #startedAt: number;
  #resolvedAt: number;
  #connectedAt = 0;
  #address: string | undefined;

  constructor(backend: BackendConfiguration, startedAt: number) {
    this.#backend = backend;
    this.#startedAt = startedAt;
    this.#resolvedAt = startedAt;
  }

  wait(socket: Socket, { timeoutMs, now }: DialOptions): Dialling['opened'] {
    const { tls } = this.#backend;
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<Dialling['opened']>>();
    // Through a proxy, part of the time is over.
    const leftMs = this.#startedAt + timeoutMs - now();
    const timer = setTimeout(() => fail(this.#timedOut(timeoutMs, now())), leftMs);
    const fail = (error: Error) => {
      socket.destroy();
      reject(error instanceof DialError ? error : this.#explain(error, now()));
    };
    const onError = (error: Error) => fail(error);
    const onClose = () => fail(new Error('the connection was closed before it was open'));
    const settle = () => {
      clearTimeout(timer);
      socket.off('error', onError);
      socket.off('close', onClose);
      // An error after this belongs to whoever got the socket; one that nobody waits for must not end the process.
      socket.on('error', () => {});
    };
    promise.then(settle, settle);
    socket.on('error', onError);
    socket.once('close', onClose);
    socket.on('lookup', (error: Error | null) => {
      if (error === null) this.#resolvedAt = now();
    });
    socket.once('connect', () => {
      this.#connectedAt = now();
      this.#address = `${socket.remoteFamily === 'IPv6' ? `[${socket.remoteAddress}]` : socket.remoteAddress}:${socket.remotePort}`;
    });
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      const detail = this.detail(socket, now());
      if (tls && this.#backend.http2 && detail.alpn !== 'h2') fail(this.#withoutHttp2(now()));
      else resolve({ socket, detail });
    });
    return promise;
  }

  connectedThrough(proxy: OutboundProxy, at: number): void {
    this.#connectedAt = at;
    this.#address = `proxy ${authority(proxy.host, proxy.port)}`;
  }

  detail(socket: Socket, at: number): OpenDetail {
    const alpn = this.#backend.tls ? (socket as TLSSocket).alpnProtocol : false;
    return {
      ...this.#known(),
      connectMs: round(this.#connectedAt - this.#resolvedAt),
      ...(this.#backend.tls && { tlsMs: round(at - this.#connectedAt) }),
      ...(typeof alpn === 'string' && { alpn }),
    };
  }

  #known(): OpenDetail {
    return {
      ...(this.#address !== undefined && { address: this.#address }),
      dnsMs: round(this.#resolvedAt - this.#startedAt),
    };
  }

  /** The same where it failed: the stage that it failed in took until now. */
  #knownUntil(at: number): OpenDetail {
    const { host } = this.#backend;
    const isConnected = this.#connectedAt > 0;
    const isAsked = isIP(host) === 0 && !isLoopbackName(host);
    if (isAsked && !isConnected && this.#resolvedAt === this.#startedAt) {
      return { dnsMs: round(at - this.#startedAt) };
    }
    return {
      ...this.#known(),
      connectMs: round((isConnected ? this.#connectedAt : at) - this.#resolvedAt),
      ...(isConnected && this.#backend.tls && { tlsMs: round(at - this.#connectedAt) }),
    };
  }

  #timedOut(timeoutMs: number, at: number): DialError {
    const stage = this.#connectedAt === 0 ? 'accepted no connection' : 'did not finish the TLS handshake';
    const message = `${describe(this.#backend)} ${stage} within ${timeoutMs / 1000} s`;
    return new DialError('connection_timed_out', message, this.#knownUntil(at));
  }

  #withoutHttp2(at: number, cause?: Error): DialError {
    const message = `${describe(this.#backend)} does not choose HTTP/2 (h2) in the TLS handshake`;
    return new DialError('no_http2', message, this.#knownUntil(at), { cause });
  }

  #explain(error: Error, at: number): DialError {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL') return this.#withoutHttp2(at, error);
    const failure =
      this.#connectedAt > 0 && this.#backend.tls ? 'tls_failed' : (failures[code] ?? 'unreachable');
    const said = error.message === '' ? code : error.message;
    const detail = this.#knownUntil(at);
    return new DialError(failure, `${describe(this.#backend)}: ${said}`, detail, { cause: error });
  }
}

const failures: Readonly<Record<string, OpenFailure>> = {
  ENOTFOUND: 'name_not_resolved',
  EAI_AGAIN: 'name_not_resolved',
  EAI_FAIL: 'name_not_resolved',
  ECONNREFUSED: 'connection_refused',
  ECONNRESET: 'connection_refused',
  ETIMEDOUT: 'connection_timed_out',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'busy',
  EMFILE: 'busy',
  ENFILE: 'busy',
};

/**
 * A lookup that gives only addresses which the allow-list permits. The check is on the address that is dialled, so a
 * name that resolves to another one now than a moment ago gains nothing.
 *
 * @param allow Null: the name itself is allowed, whatever it resolves to.
 */
function restrict(backend: BackendConfiguration, allow: AllowList | null): LookupFunction {
  if (allow === null) return lookupName;
  return (name, options, callback) => {
    lookupName(name, { ...options, all: true }, (error, resolved) => {
      if (error) return callback(error, '');
      const addresses = resolved as readonly LookupAddress[];
      const allowed = addresses.filter(one => allow.allowsAddress(one.address));
      if (allowed.length > 0) return answer(allowed, options, callback);
      callback(notAllowed(backend, addresses.map(one => one.address).join(', ')), '');
    });
  };
}

function notAllowed(backend: BackendConfiguration, where: string): DialError {
  const message = `${describe(backend)} (${where}) is not on this connector's allow-list`;
  return new DialError('not_allowed', message, {});
}

/** What backends are checked against, by what is trusted beside the machine's own authorities. */
const trusts = new Map<string, SecureContext>();
const maxTrusts = 20;

// Made when the first TLS backend is dialled: hundreds of authorities take several megabytes.
function trustFor({ authorities = '' }: BackendConfiguration): SecureContext {
  const known = trusts.get(authorities);
  if (known !== undefined) return known;
  const trust = createSecureContext({
    ca: [
      ...getCACertificates('default'),
      ...getCACertificates('system'),
      ...(authorities === '' ? [] : [authorities]),
    ],
    minVersion: 'TLSv1.2',
    // What an administrator names is trusted itself, be it an intermediate authority or the backend's own certificate.
    allowPartialTrustChain: authorities !== '',
  });
  if (trusts.size >= maxTrusts) trusts.delete(trusts.keys().next().value!);
  trusts.set(authorities, trust);
  return trust;
}

function tlsOptions(backend: BackendConfiguration) {
  return {
    secureContext: trustFor(backend),
    rejectUnauthorized: backend.validateCertificate,
    // What the edge frames on the stream.
    ALPNProtocols: [backend.http2 ? 'h2' : 'http/1.1'],
    // An address is no server name (RFC 6066 §3); it is still what the certificate is compared with.
    servername: isIP(backend.host) === 0 ? backend.host : '',
  };
}

function describe({ tls, host, port }: BackendConfiguration): string {
  return `${tls ? 'https' : 'http'}://${authority(host, port)}`;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
