import { X509Certificate } from 'node:crypto';
import { sha256Of, validityOf } from '@postern/protocol/x509/certificate';
import type { Kysely } from 'kysely';
import { findLastExpiry, listConnectorsWithoutAnchor, updateConnector } from '../store/connectors.ts';
import type { Database } from '../store/schema.ts';
import { type Authorities, type RotatingName, rotatingNames } from './authorities.ts';
import { backDatedMs, type Signer } from './signer.ts';

export interface RotationParts {
  readonly db: Kysely<Database>;
  readonly authorities: Authorities;
  /** Tells relays which authorities there are now; resolves with whether every relay has that in force. */
  readonly refreshTrust: () => Promise<boolean>;
  /** Writes the files of the local authority anew; null where the service does not use it. */
  readonly writeLocalCertificates: (() => Promise<unknown>) | null;
  readonly record: (event: RotationEvent) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** @param step `announced`: trusted from now on; `signing`: it issues from now on; `retired`: it is not trusted any more. */
export interface RotationEvent {
  readonly authority: RotatingName;
  readonly step: 'announced' | 'signing' | 'retired';
  /** Of its certificate's DER, upper-case hex. */
  readonly sha256: string;
}

/** One authority, and what it is good for now. */
export interface AuthorityState {
  readonly name: RotatingName;
  readonly certificate: X509Certificate;
  /** `announced`: trusted, does not sign yet. `former`: signs nothing any more, trusted until `retiresAt`. */
  readonly state: 'announced' | 'signing' | 'former';
  /** Milliseconds since the epoch; null but for a former one. */
  readonly retiresAt: number | null;
  /** When it signs, in milliseconds since the epoch; null but for an announced one that waits for nothing else. */
  readonly signsAt: number | null;
  /** Connectors that have not said yet that they trust it; it does not sign before. Empty but for an announced one. */
  readonly waitsFor: readonly WaitedFor[];
}

/** A connector that would not know its service again if the next authority signed now. */
export interface WaitedFor {
  readonly id: string;
  readonly machineName: string;
  /** Milliseconds since the epoch. */
  readonly lastSeenAt: number | null;
}

const yearMs = 365 * 86_400_000;
/** How long people have for trusting the next local authority before it signs. */
const localNoticeMs = 90 * 86_400_000;

/**
 * Exchanges the authorities that connectors and relays trust, without anybody having to register again.
 *
 * The registration authority: relays trust the next one before it signs; the former one is accepted, and its list of
 * revoked certificates served, until the last certificate that it issued has expired. The service's own: connectors are
 * told of the next one over their tunnels, and it signs when every connector that could come back has said that it keeps
 * it; the former one stays announced as long, so that a backup from before still finds its connectors. The local one:
 * people have to trust the next one on their machines, so that it is in the file that they import 90 days before it signs,
 * and is certified by the one before for whoever has not done so.
 */
export class Rotation {
  readonly #parts: RotationParts;
  /** Connectors that were noted for the authority that is announced now. */
  readonly #noted = new Set<string>();
  #notedFor = '';
  #isAdvancing = false;
  #isAdvanceWanted = false;

  constructor(parts: RotationParts) {
    this.#parts = parts;
  }

  /** Begins to exchange an authority, or goes on where that is under way already. */
  async rotate(name: RotatingName): Promise<void> {
    await this.#announce(name);
    await this.#advanceOne(name);
  }

  /** Takes every step that is due: a rotation in time before an authority expires, the next one's turn, the former one's end. */
  async advance(): Promise<void> {
    for (const name of this.#names) {
      if (this.#isDue(name)) await this.#announce(name);
      await this.#advanceOne(name);
    }
  }

  /**
   * Notes which authorities a connector keeps.
   *
   * @param anchors SHA-256 of each DER, upper-case hex.
   */
  async anchorsKept(connectorId: string, anchors: readonly string[]): Promise<void> {
    const { db, authorities } = this.#parts;
    const { next } = authorities.rotating.service;
    if (next === null) return;
    const anchor = fingerprintOf(next.signer);
    if (this.#notedFor !== anchor) {
      this.#notedFor = anchor;
      this.#noted.clear();
    }
    if (!anchors.includes(anchor) || this.#noted.has(connectorId)) return;
    this.#noted.add(connectorId);
    await updateConnector(db, connectorId, { keptAnchor: anchor });
    await this.#advanceService();
  }

  /** Every authority that is trusted; of each name the oldest first. */
  async list(): Promise<AuthorityState[]> {
    const { rotating } = this.#parts.authorities;
    const waitsFor = await this.#waitsFor();
    return this.#names.flatMap(name => {
      const { former, current, next } = rotating[name];
      return [
        ...former.map(({ signer, retiresAt }) => stateOf(name, signer, 'former', retiresAt)),
        stateOf(name, current, 'signing'),
        ...(next === null
          ? []
          : [
              {
                ...stateOf(name, next.signer, 'announced'),
                signsAt: name === 'local' ? localSigningAt(current.certificate, next.announcedAt) : null,
                waitsFor: name === 'service' ? waitsFor : [],
              },
            ]),
      ];
    });
  }

  /** Those that this service uses. */
  get #names(): readonly RotatingName[] {
    return rotatingNames.filter(name => this.uses(name));
  }

  uses(name: RotatingName): boolean {
    return name !== 'local' || this.#parts.writeLocalCertificates !== null;
  }

  /** @returns whether everybody who has to know of a change of this authority does. */
  async #refresh(name: RotatingName): Promise<boolean> {
    if (name !== 'local') return this.#parts.refreshTrust();
    await this.#parts.writeLocalCertificates?.();
    return true;
  }

  /** Twice the life of what it issues, and at least a year; but no more than half of its own. */
  #isDue(name: RotatingName): boolean {
    const { authorities, now } = this.#parts;
    const { notBefore, notAfter } = validityOf(
      new X509Certificate(authorities.rotating[name].current.certificate),
    );
    const leadMs = Math.min(Math.max(2 * authorities.trustCertificateMs, yearMs), (notAfter - notBefore) / 2);
    return now() >= notAfter - leadMs;
  }

  async #announce(name: RotatingName): Promise<void> {
    const { authorities, now } = this.#parts;
    const authority = authorities.rotating[name];
    if (!(await authority.announce(now()))) return;
    if (authority.next !== null) this.#record(name, 'announced', authority.next.signer.certificate);
    await this.#refresh(name);
  }

  async #advanceOne(name: RotatingName): Promise<void> {
    const { authorities, now } = this.#parts;
    const authority = authorities.rotating[name];
    if (authority.next !== null && (await this.#mayPromote(name))) {
      if (await authority.promote(await this.#retirementOf(name))) {
        this.#record(name, 'signing', authority.current.certificate);
        await this.#refresh(name);
      }
    }
    const retired = await authority.retire(now());
    for (const certificate of retired) this.#record(name, 'retired', certificate);
    if (retired.length > 0) await this.#refresh(name);
  }

  /** How long an authority stays trusted that gives way now. */
  async #retirementOf(name: RotatingName): Promise<number> {
    const { authorities, db, now } = this.#parts;
    if (name === 'local') return Math.min(endOf(authorities.local.certificate), now() + yearMs);
    const lastExpiry = await findLastExpiry(db);
    // A clock that is behind takes an expired certificate for a valid one, and looks for its list.
    return Math.max(lastExpiry, now() + authorities.trustCertificateMs) + backDatedMs;
  }

  /** However many connectors say so at once, it is looked one time after the other whether the last one has. */
  async #advanceService(): Promise<void> {
    this.#isAdvanceWanted = true;
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    try {
      while (this.#isAdvanceWanted) {
        this.#isAdvanceWanted = false;
        await this.#advanceOne('service');
      }
    } finally {
      this.#isAdvancing = false;
    }
  }

  /** Whether everybody who has to trust the next authority does. */
  async #mayPromote(name: RotatingName): Promise<boolean> {
    if (name === 'local') {
      const { current, next } = this.#parts.authorities.rotating.local;
      return next !== null && this.#parts.now() >= localSigningAt(current.certificate, next.announcedAt);
    }
    // Asked again here: a relay may have been busy when the authority was announced.
    if (!(await this.#parts.refreshTrust())) return false;
    return name === 'registration' || (await this.#waitsFor()).length === 0;
  }

  async #waitsFor(): Promise<WaitedFor[]> {
    const { authorities, db, now } = this.#parts;
    const { next } = authorities.rotating.service;
    if (next === null) return [];
    return listConnectorsWithoutAnchor(db, fingerprintOf(next.signer), now() - backDatedMs);
  }

  #record(authority: RotatingName, step: RotationEvent['step'], certificate: string): void {
    this.#parts.record({ authority, step, sha256: sha256Of(new X509Certificate(certificate)) });
  }
}

/**
 * When the next local authority signs: people have 90 days, or where the present one ends soon, a quarter of what is left.
 *
 * @param current The one that signs until then, PEM.
 * @param announcedAt Of the next one; milliseconds since the epoch, as the answer.
 */
export function localSigningAt(current: string, announcedAt: number): number {
  const leftMs = Math.max(0, endOf(current) - announcedAt);
  return Math.round(announcedAt + Math.min(localNoticeMs, leftMs / 4));
}

function endOf(certificate: string): number {
  return validityOf(new X509Certificate(certificate)).notAfter;
}

function stateOf(
  name: RotatingName,
  signer: Signer,
  state: AuthorityState['state'],
  retiresAt: number | null = null,
): AuthorityState {
  return {
    name,
    certificate: new X509Certificate(signer.certificate),
    state,
    retiresAt,
    signsAt: null,
    waitsFor: [],
  };
}

function fingerprintOf({ certificate }: Signer): string {
  return sha256Of(new X509Certificate(certificate));
}
