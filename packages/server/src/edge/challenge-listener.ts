import type net from 'node:net';
import tls from 'node:tls';
import type { ChallengeRecord } from '../feed/messages.ts';

/** What a client offers that validates a TLS-ALPN challenge (RFC 8737 §6.2). */
export const challengeProtocol = 'acme-tls/1';

const handshakeTimeoutMs = 10_000;

/**
 * Shows an ACME server the certificate of a challenge. Nothing but the handshake happens on such a connection
 * (RFC 8737 §4).
 */
export class ChallengeListener {
  readonly #challenges: () => Iterable<ChallengeRecord>;
  readonly #tls: tls.Server;

  constructor(challenges: () => Iterable<ChallengeRecord>) {
    this.#challenges = challenges;
    this.#tls = tls.createServer({
      ALPNProtocols: [challengeProtocol],
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeTimeoutMs,
      SNICallback: (name, done) => {
        const challenge = this.#find(name.toLowerCase());
        if (challenge === undefined) return done(null);
        const { certificate: cert, privateKey: key } = challenge;
        done(null, tls.createSecureContext({ cert, key, minVersion: 'TLSv1.2' }));
      },
    });
    this.#tls.on('secureConnection', socket => {
      socket.on('error', () => socket.destroy());
      socket.end();
    });
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  /** Whether there is a challenge of this kind at a host. */
  has(host: string | null): boolean {
    return host !== null && this.#find(host) !== undefined;
  }

  /**
   * Takes a connection whose ClientHello has been put back.
   *
   * @param onHandshake Called when it closes, if it was not before.
   */
  accept(socket: net.Socket, onHandshake: () => void): void {
    socket.once('close', onHandshake);
    this.#tls.emit('connection', socket);
  }

  #find(host: string): Extract<ChallengeRecord, { kind: 'tls-alpn-01' }> | undefined {
    for (const challenge of this.#challenges()) {
      if (challenge.kind === 'tls-alpn-01' && challenge.host === host) return challenge;
    }
    return undefined;
  }
}

/** Where a challenge over plain HTTP is looked for (RFC 8555 §8.3). */
const challengePath = '/.well-known/acme-challenge/';

/** The answer to a challenge over plain HTTP; null where the request is for none. */
export function answerChallenge(challenges: Iterable<ChallengeRecord>, host: string, path: string) {
  if (!path.startsWith(challengePath)) return null;
  const token = path.slice(challengePath.length);
  for (const challenge of challenges) {
    if (challenge.kind !== 'http-01' || challenge.host !== host || challenge.token !== token) continue;
    const headers = { 'content-type': 'application/octet-stream', 'cache-control': 'no-store' };
    return { status: 200, headers, body: challenge.keyAuthorization };
  }
  return null;
}
