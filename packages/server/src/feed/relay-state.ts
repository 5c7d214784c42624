import { hash } from 'node:crypto';
import type {
  ApplicationRecord,
  CertificateRecord,
  ChallengeRecord,
  Change,
  ConnectorGroupRecord,
  ConnectorRecord,
  CredentialRecord,
  RelayState as RelayStateRecords,
  SessionRecord,
  TokenTrust,
  TunnelTrust,
  UserRecord,
} from './messages.ts';

/**
 * A signed-in browser at one host, joined with its user; one object lives as long as the session does. The same form
 * stands for a program that presents a credential: its client id is then in the place of the user's id and name.
 */
export interface Session {
  readonly record: SessionRecord;
  readonly user: UserRecord;
  /** What the program presented; null where it is a person's session. */
  readonly credential: CredentialRecord | null;
  /** True once the session or its user is gone: whoever holds the object must not use it any more. */
  ended: boolean;
  /** Bytes that depend on session and user alone, made once by whoever needs them. */
  identityFields: Buffer | null;
}

/** Most cookie values remembered in the clear; beyond, the oldest is hashed again when it returns. */
const maxKnownCookies = 50_000;

/**
 * Everything the relay knows, in memory. Changed only by the feed; read on every request.
 *
 * Session cookies are found by the SHA-256 of their value. Values that were seen are kept beside the session they proved,
 * because hashing costs more than the rest of a request's admission.
 */
export class RelayState {
  readonly applications = new Map<string, ApplicationRecord>();
  readonly connectors = new Map<string, ConnectorRecord>();
  readonly connectorGroups = new Map<string, ConnectorGroupRecord>();
  readonly users = new Map<string, UserRecord>();
  readonly certificates = new Map<string, CertificateRecord>();
  readonly challenges = new Map<string, ChallengeRecord>();
  /** Counts changes of `applications`, from which tables are made. */
  applicationsVersion = 0;
  /** Counts changes of `certificates`, whose index is costly to make. */
  certificatesVersion = 0;
  tunnelTrust: TunnelTrust | null = null;
  tokenTrust: TokenTrust | null = null;
  readonly #sessionsByHash = new Map<string, Session>();
  readonly #sessionsById = new Map<string, Session>();
  readonly #sessionsByUser = new Map<string, Set<Session>>();
  readonly #sessionsByCookie = new Map<string, Session>();

  get sessionCount(): number {
    return this.#sessionsById.size;
  }

  /** Replaces everything, as after a connection to the control process was lost. */
  load(records: RelayStateRecords): void {
    const before = new Map(this.#sessionsById);
    this.applications.clear();
    this.connectors.clear();
    this.connectorGroups.clear();
    this.users.clear();
    for (const value of records.applications) this.applications.set(value.id, value);
    for (const value of records.connectors) this.connectors.set(value.id, value);
    for (const value of records.connectorGroups) this.connectorGroups.set(value.id, value);
    for (const value of records.users) this.users.set(value.id, value);
    this.certificates.clear();
    this.challenges.clear();
    for (const value of records.certificates ?? []) this.certificates.set(value.id, value);
    for (const value of records.challenges ?? []) this.challenges.set(value.id, value);
    this.certificatesVersion += 1;
    this.applicationsVersion += 1;
    this.tunnelTrust = records.tunnelTrust;
    this.tokenTrust = records.tokenTrust ?? null;
    const kept = new Set<string>();
    for (const value of records.sessions) {
      kept.add(value.id);
      this.putSession(value);
    }
    for (const id of before.keys()) if (!kept.has(id)) this.#removeSession(id);
  }

  apply(change: Change): void {
    if (change.set === 'certificates') this.certificatesVersion += 1;
    if (change.set === 'applications') this.applicationsVersion += 1;
    if ('remove' in change) {
      if (change.set === 'sessions') this.#removeSession(change.remove);
      else if (change.set === 'users') this.#removeUser(change.remove);
      else this[change.set].delete(change.remove);
      return;
    }
    switch (change.set) {
      case 'applications':
        this.applications.set(change.put.id, change.put);
        return;
      case 'connectors':
        this.connectors.set(change.put.id, change.put);
        return;
      case 'connectorGroups':
        this.connectorGroups.set(change.put.id, change.put);
        return;
      case 'users':
        this.#putUser(change.put);
        return;
      case 'sessions':
        this.putSession(change.put);
        return;
      case 'tunnelTrust':
        this.tunnelTrust = change.put;
        return;
      case 'tokenTrust':
        this.tokenTrust = change.put;
        return;
      case 'certificates':
        this.certificates.set(change.put.id, change.put);
        return;
      case 'challenges':
        this.challenges.set(change.put.id, change.put);
        return;
    }
  }

  /** The session that a cookie value proves at a host, whether or not it has expired; undefined where none does. */
  findSession(cookie: string, host: string): Session | undefined {
    const known = this.#sessionsByCookie.get(cookie);
    if (known !== undefined && !known.ended) return known.record.host === host ? known : undefined;
    if (known !== undefined) this.#sessionsByCookie.delete(cookie);
    const session = this.#sessionsByHash.get(hashCookie(cookie));
    if (session === undefined) return undefined;
    if (this.#sessionsByCookie.size >= maxKnownCookies) {
      this.#sessionsByCookie.delete(this.#sessionsByCookie.keys().next().value!);
    }
    this.#sessionsByCookie.set(cookie, session);
    return session.record.host === host ? session : undefined;
  }

  putSession(record: SessionRecord): void {
    const user = this.users.get(record.userId);
    const existing = this.#sessionsById.get(record.id);
    if (user === undefined || !user.enabled) {
      if (existing) this.#removeSession(record.id);
      return;
    }
    const isSame =
      existing?.user === user &&
      existing.record.expiresAt === record.expiresAt &&
      existing.record.timingUntil === record.timingUntil;
    if (isSame) return;
    if (existing) this.#removeSession(record.id);
    const session: Session = { record, user, credential: null, ended: false, identityFields: null };
    this.#sessionsById.set(record.id, session);
    this.#sessionsByHash.set(record.idHash, session);
    const siblings = this.#sessionsByUser.get(user.id);
    if (siblings) siblings.add(session);
    else this.#sessionsByUser.set(user.id, new Set([session]));
  }

  /** The live object for a session, which may be newer than the one a long exchange began with. */
  currentSession(id: string): Session | undefined {
    return this.#sessionsById.get(id);
  }

  #putUser(user: UserRecord): void {
    this.users.set(user.id, user);
    for (const session of [...(this.#sessionsByUser.get(user.id) ?? [])]) this.putSession(session.record);
  }

  #removeUser(id: string): void {
    this.users.delete(id);
    for (const session of [...(this.#sessionsByUser.get(id) ?? [])]) this.#removeSession(session.record.id);
  }

  #removeSession(id: string): void {
    const session = this.#sessionsById.get(id);
    if (session === undefined) return;
    session.ended = true;
    this.#sessionsById.delete(id);
    this.#sessionsByHash.delete(session.record.idHash);
    const siblings = this.#sessionsByUser.get(session.record.userId);
    siblings?.delete(session);
    if (siblings?.size === 0) this.#sessionsByUser.delete(session.record.userId);
  }
}

/** base64url SHA-256 of a cookie's value: how sessions are stored and asked for. */
export function hashCookie(cookie: string): string {
  return hash('sha256', cookie, 'base64url');
}
