import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { formatEnrolmentToken } from '@postern/protocol/enrolment-token';
import { packBackends } from '@postern/protocol/tunnel/backends';
import { ControlDecoder, encodeControlMessage } from '@postern/protocol/tunnel/control-framing';
import type {
  BackendConfiguration,
  ConnectorMessage,
  RefusalReason,
} from '@postern/protocol/tunnel/messages';
import { tunnelProtocol } from '@postern/protocol/tunnel/messages';
import { decodeOpenAnswer, encodePreamble, type OpenAnswer } from '@postern/protocol/tunnel/preamble';
import { sha256Of } from '@postern/protocol/x509/certificate';
import { YamuxSession } from '@postern/protocol/yamux/session';
import type { YamuxStream } from '@postern/protocol/yamux/stream';
import { Directory } from '@postern/server/directory/directory';
import { createEnrolmentToken, type EnrolmentTokenInput } from '@postern/server/directory/enrolment-tokens';
import {
  type Authorities,
  issueServerLeaf,
  openAuthorities,
  type ServerLeaf,
} from '@postern/server/registration/authorities';
import { type RegistrationEvent, registerRegistration } from '@postern/server/registration/register';
import { renewTrustCertificate } from '@postern/server/registration/renew';
import { openStore } from '@postern/server/store/open';
import fastify from 'fastify';

export const domain = 'postern.localhost';

export type Message<T extends ConnectorMessage['type']> = Extract<ConnectorMessage, { type: T }>;

/** The service's side of a tunnel, as small as it can be: says what it is told to, and keeps what it hears. */
export class ServiceTunnel {
  readonly session: YamuxSession;
  readonly heard: ConnectorMessage[] = [];
  readonly socket: TLSSocket;
  readonly closed: Promise<void>;
  #control: YamuxStream | null = null;
  #revision = 0;
  #listeners = new Set<() => void>();

  constructor(socket: TLSSocket) {
    this.socket = socket;
    const decoder = new ControlDecoder();
    this.session = new YamuxSession({
      role: 'server',
      transport: {
        write: bytes => void socket.write(bytes),
        get queuedBytes() {
          return socket.writableLength;
        },
      },
      now: () => performance.now(),
      onStream: stream => {
        this.#control = stream;
        stream.onData = bytes => {
          stream.consumed(bytes.length);
          this.heard.push(...(decoder.push(bytes) as ConnectorMessage[]));
          this.#changed();
        };
        this.#changed();
      },
      onGoAway: () => {},
      onClose: () => void socket.destroy(),
    });
    socket.on('data', (bytes: Buffer) => this.session.receive(bytes));
    socket.on('drain', () => this.session.transportDrained());
    socket.on('error', () => {});
    this.closed = new Promise(resolve =>
      socket.once('close', () => {
        this.session.transportClosed();
        this.#changed();
        resolve();
      }),
    );
  }

  /** Waits until the connector has said something of this type that fits. */
  async hear<T extends ConnectorMessage['type']>(
    type: T,
    fits: (message: Message<T>) => boolean = () => true,
  ): Promise<Message<T>> {
    return this.#until(() =>
      this.heard.find((one): one is Message<T> => one.type === type && fits(one as Message<T>)),
    );
  }

  /** @param time The service's clock, where it tells. */
  async welcome(time?: number): Promise<void> {
    await this.#until(() => this.#control);
    await this.hear('hello');
    this.say({ type: 'welcome', connectorId: 'c', nodeId: 'node-1', time });
  }

  async refuse(reason: RefusalReason): Promise<void> {
    await this.#until(() => this.#control);
    this.say({ type: 'refused', reason, detail: 'as the test wants' });
    await new Promise(resolve => setImmediate(resolve));
    this.session.close();
    this.socket.end();
  }

  /** Pushes a configuration and waits until it is in force. */
  async configure(...backends: BackendConfiguration[]): Promise<void> {
    const revision = ++this.#revision;
    this.say({ type: 'configure', revision, ...packBackends(backends) });
    await this.hear('configured', message => message.revision === revision);
  }

  say(message: object): void {
    this.#control!.write(encodeControlMessage(message));
  }

  /** @param host Of a wildcard. */
  open(applicationId: string, host?: string): ServiceStream {
    const stream = this.session.openStream();
    stream.write(encodePreamble({ applicationId, requestId: 'r-1', ...(host !== undefined && { host }) }));
    return new ServiceStream(stream);
  }

  async #until<T>(find: () => T | null | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== null && found !== undefined) return found;
      if (this.session.isClosed) throw new Error('the tunnel was closed before this came');
      await new Promise<void>(resolve => {
        const listener = () => {
          this.#listeners.delete(listener);
          resolve();
        };
        this.#listeners.add(listener);
      });
    }
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** The service's side of a data stream. */
export class ServiceStream {
  readonly stream: YamuxStream;
  readonly answered: Promise<OpenAnswer>;
  /** Resolves with the code of the error, or null at the backend's end. */
  readonly over: Promise<string | null>;
  /** What the backend has sent, unless `onBytes` takes it. */
  received = Buffer.alloc(0);
  receivedBytes = 0;
  onBytes: ((bytes: Buffer) => void) | null = null;
  /** False: nothing is consumed, as by a client that does not read. */
  isReading = true;
  #unread = 0;
  #head: Buffer = Buffer.alloc(0);
  #changed = Promise.withResolvers<void>();

  constructor(stream: YamuxStream) {
    this.stream = stream;
    const answered = Promise.withResolvers<OpenAnswer>();
    const over = Promise.withResolvers<string | null>();
    this.answered = answered.promise;
    this.answered.catch(() => {});
    this.over = over.promise;
    stream.onData = bytes => {
      this.#head = Buffer.concat([this.#head, bytes]);
      const read = decodeOpenAnswer(this.#head);
      if (read === null) return;
      stream.consumed(read.length);
      stream.onData = more => this.#take(more);
      answered.resolve(read.answer);
      if (read.length < this.#head.length) this.#take(this.#head.subarray(read.length));
    };
    stream.onEnd = () => {
      over.resolve(null);
      this.#notify();
    };
    stream.onError = error => {
      over.resolve((error as Error & { code: string }).code);
      answered.reject(error);
      this.#notify();
    };
  }

  /** Waits until at least this many bytes of the backend have come. */
  async receive(bytes: number): Promise<Buffer> {
    while (this.receivedBytes < bytes) await this.#changed.promise;
    return this.received;
  }

  /** Reads again what was left unread. */
  resume(): void {
    this.isReading = true;
    const unread = this.#unread;
    this.#unread = 0;
    this.stream.consumed(unread);
  }

  #take(bytes: Buffer): void {
    this.receivedBytes += bytes.length;
    if (this.onBytes) this.onBytes(bytes);
    else this.received = Buffer.concat([this.received, bytes]);
    if (this.isReading) this.stream.consumed(bytes.length);
    else this.#unread += bytes.length;
    this.#notify();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Registration and tunnel listener of a service, with real certificates and a real database. */
export class TestService implements AsyncDisposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'postern-connector-test-'));
  readonly events: RegistrationEvent[] = [];
  readonly #close: (() => Promise<unknown>)[] = [];
  readonly #waiting: ((tunnel: ServiceTunnel) => void)[] = [];
  readonly #arrived: ServiceTunnel[] = [];
  readonly #live = new Set<ServiceTunnel>();
  authorities!: Authorities;
  directory!: Directory;
  registrationPort = 0;
  tunnelPort = 0;
  connections = 0;
  /** So many of the next answers of registration are cut off before their first byte. */
  answersToCut = 0;
  #leaf!: ServerLeaf;
  #listener!: TlsServer;

  static async start(): Promise<TestService> {
    const service = new TestService();
    const secrets = new Map<string, string>();
    service.authorities = await openAuthorities({
      secrets: {
        seal: async (name, secret) => void secrets.set(name, secret),
        unseal: async name => (secrets.has(name) ? Buffer.from(secrets.get(name)!) : null),
      },
      domain,
      now: Date.now,
    });
    service.#leaf = await issueServerLeaf(service.authorities.service, [`connect.${domain}`], Date.now());
    await service.listen();
    await service.#startRegistration();
    return service;
  }

  get caFile(): string {
    return path.join(this.folder, 'local-ca.pem');
  }

  /** An enrolment token of this service; by default for one connector and an hour. */
  async enrolmentToken(
    more: Partial<EnrolmentTokenInput> & { rootSha256?: string | null } = {},
  ): Promise<string> {
    const local = sha256Of(new X509Certificate(this.authorities.local.certificate));
    const { rootSha256 = local, ...input } = more;
    const { row, secret } = await createEnrolmentToken(this.directory, {
      maxUses: 1,
      lifetimeMs: 3_600_000,
      createdBy: 'admin',
      ...input,
    });
    const { connectorGroupId } = row;
    const host = `connect.${domain}`;
    return formatEnrolmentToken({ host, port: this.registrationPort, rootSha256, connectorGroupId, secret });
  }

  dataDir(name = 'connector'): string {
    return path.join(this.folder, name);
  }

  /** Starts the tunnel listener, on the same port as before. */
  async listen(leaf: ServerLeaf = this.#leaf, alpn: string = tunnelProtocol): Promise<void> {
    this.#listener = createTlsServer({
      cert: leaf.certificate,
      key: leaf.privateKey,
      ca: this.authorities.registration.certificate,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: [alpn],
    });
    this.#listener.on('connection', () => {
      this.connections += 1;
    });
    this.#listener.on('secureConnection', socket => this.#arrive(new ServiceTunnel(socket)));
    this.#listener.on('tlsClientError', () => {});
    await once(this.#listener.listen(this.tunnelPort, '127.0.0.1'), 'listening');
    this.tunnelPort = (this.#listener.address() as AddressInfo).port;
  }

  /** Cuts all tunnels and takes no new ones. */
  async cut(): Promise<void> {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    for (const tunnel of this.#live) tunnel.socket.destroy();
    await closed;
  }

  /** The next tunnel that arrives, before anything was said on it. */
  async nextTunnel(): Promise<ServiceTunnel> {
    for (;;) {
      const arrived = this.#arrived.shift();
      if (arrived === undefined) break;
      if (!arrived.session.isClosed) return arrived;
    }
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  /** Waits until the tunnels of a connector that has stopped are gone, so that none is taken for the next one's. */
  async quiet(): Promise<void> {
    await Promise.all([...this.#live].map(tunnel => tunnel.closed));
    this.#arrived.length = 0;
  }

  /** The next tunnel, welcomed. */
  async accept(): Promise<ServiceTunnel> {
    const tunnel = await this.nextTunnel();
    await tunnel.welcome();
    return tunnel;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cut();
    for (const close of this.#close.reverse()) await close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Waits until a connector asks for a new certificate, and answers as the service does. */
  async renew(tunnel: ServiceTunnel, connectorId: string, from = 0): Promise<void> {
    const { id, proofCertificate } = await tunnel.hear('renew', message => message.id > from);
    const shown = new X509Certificate(tunnel.socket.getPeerCertificate().raw);
    const answer = await renewTrustCertificate(
      {
        db: this.directory.db,
        authorities: this.authorities,
        publishConnector: () => {},
        record: () => {},
        now: Date.now,
      },
      { connectorId, certificateSha256: sha256Of(shown), proofCertificate },
    );
    tunnel.say({ type: 'renewed', id, ...answer });
  }

  #arrive(tunnel: ServiceTunnel): void {
    this.#live.add(tunnel);
    void tunnel.closed.then(() => this.#live.delete(tunnel));
    const waiting = this.#waiting.shift();
    if (waiting) waiting(tunnel);
    else this.#arrived.push(tunnel);
  }

  async #startRegistration(): Promise<void> {
    const { writeFileSync } = await import('node:fs');
    writeFileSync(this.caFile, this.authorities.local.certificate);
    const db = await openStore(path.join(this.folder, 'postern.db'));
    this.#close.push(() => db.destroy());
    this.directory = new Directory({ db, address: { domain, publicPort: this.tunnelPort }, now: Date.now });
    const app = fastify();
    registerRegistration(app, {
      db,
      authorities: this.authorities,
      domain,
      publicPort: this.tunnelPort,
      authenticate: async token => (token === 'mallory' ? null : { userId: token, scopes: ['register'] }),
      rolesOf: async userId => (userId === 'admin' ? ['Application Administrator'] : []),
      publishConnector: () => {},
      record: event => void this.events.push(event),
      now: Date.now,
    });
    await app.ready();
    this.#close.push(() => app.close());
    const http = createHttpServer((request, response) => {
      if (this.answersToCut > 0) {
        this.answersToCut -= 1;
        response.end = () => {
          response.socket?.destroy();
          return response;
        };
      }
      app.routing(request, response);
    });
    const leaf = await issueServerLeaf(this.authorities.local, [domain, `*.${domain}`], Date.now());
    const chain = leaf.certificate + this.authorities.local.certificate;
    const server = createTlsServer({ cert: chain, key: leaf.privateKey }, socket =>
      http.emit('connection', socket),
    );
    server.on('tlsClientError', () => {});
    await once(server.listen(0, '127.0.0.1'), 'listening');
    this.registrationPort = (server.address() as AddressInfo).port;
    this.#close.push(() => new Promise(resolve => server.close(resolve)));
  }
}
