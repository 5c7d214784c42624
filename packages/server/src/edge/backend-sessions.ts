import type { BackendAddress } from '../routes/route-backends.ts';
import type { Tunnel } from '../tunnels/tunnel.ts';
import type { BackendSession } from './backend-session.ts';

/** Of a backend through a tunnel; as long as it refuses on so many, it gets no further one. */
const maxRefusing = 64;

/** HTTP/2 sessions with backends, by tunnel and pool. */
export class BackendSessions {
  readonly #sessions = new Map<Tunnel, Map<string, BackendSession[]>>();

  /** A session that takes another request for a backend through a tunnel; null: open one. */
  find(tunnel: Tunnel, { pool, backendKey }: BackendAddress): BackendSession | null {
    const list = this.#sessions.get(tunnel)?.get(pool);
    if (list === undefined) return null;
    const isFit = (one: BackendSession) => one.backendKey === backendKey && one.hasRoom;
    const free = list.find(one => isFit(one) && !one.isRefusing);
    if (free !== undefined) return free;
    const refusing = list.filter(isFit);
    // A backend that refuses on all of these has too much to do, and more connections would not help it.
    return refusing.length < maxRefusing ? null : refusing[Math.floor(Math.random() * refusing.length)]!;
  }

  /** How many requests a backend takes at a time on a session, as one of its sessions has heard; null if none has. */
  saidConcurrent({ pool, backendKey }: BackendAddress): number | null {
    for (const ofTunnel of this.#sessions.values()) {
      for (const session of ofTunnel.get(pool) ?? []) {
        if (session.backendKey === backendKey && session.saidConcurrent !== null)
          return session.saidConcurrent;
      }
    }
    return null;
  }

  add(session: BackendSession): void {
    let ofTunnel = this.#sessions.get(session.tunnel);
    if (ofTunnel === undefined) {
      ofTunnel = new Map();
      this.#sessions.set(session.tunnel, ofTunnel);
    }
    const ofPool = ofTunnel.get(session.pool);
    if (ofPool) ofPool.push(session);
    else ofTunnel.set(session.pool, [session]);
  }

  remove(session: BackendSession): void {
    const ofTunnel = this.#sessions.get(session.tunnel);
    const list = ofTunnel?.get(session.pool);
    const at = list?.indexOf(session) ?? -1;
    if (ofTunnel === undefined || list === undefined || at < 0) return;
    list.splice(at, 1);
    if (list.length === 0) ofTunnel.delete(session.pool);
    if (ofTunnel.size === 0) this.#sessions.delete(session.tunnel);
  }

  /** The tunnel takes no new streams: what idles on it would only hold up its end. */
  retireThose(tunnel: Tunnel): void {
    for (const list of this.#sessions.get(tunnel)?.values() ?? []) {
      for (const session of [...list]) session.retire();
    }
  }

  /** What may be dialled has changed: old backends are only to finish what they have. */
  retireUnserved(): void {
    for (const session of [...this.#all()]) {
      if (!session.tunnel.serves(session.backendId, session.backendKey)) session.retire();
    }
  }

  closeOld(now: number): void {
    for (const session of [...this.#all()]) if (session.isOld(now)) session.destroy();
  }

  forgetTunnel(tunnel: Tunnel): void {
    this.#sessions.delete(tunnel);
  }

  stop(): void {
    for (const session of [...this.#all()]) session.destroy();
  }

  *#all(): Generator<BackendSession> {
    for (const ofTunnel of this.#sessions.values()) for (const list of ofTunnel.values()) yield* list;
  }
}
