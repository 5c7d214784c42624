import type { AuthorityMaterial, Signer } from './signer.ts';

/** An authority that is trusted already and does not sign yet. */
export interface NextAuthority extends AuthorityMaterial {
  /** Milliseconds since the epoch. */
  readonly announcedAt: number;
}

/** An authority that signs nothing any more, and is trusted until then. */
export interface FormerAuthority extends AuthorityMaterial {
  /** Milliseconds since the epoch. */
  readonly retiresAt: number;
}

/** An authority with those that come before and after it: one document, so that no step of a rotation is half done. */
export interface KeptAuthority extends AuthorityMaterial {
  readonly next?: NextAuthority;
  /** The oldest first. */
  readonly former?: readonly FormerAuthority[];
}

export interface RotatingAuthorityParts {
  readonly kept: KeptAuthority;
  /** @param by The one that signs now. */
  readonly create: (by: Signer) => Promise<AuthorityMaterial>;
  readonly open: (material: AuthorityMaterial) => Signer;
  readonly save: (kept: KeptAuthority) => Promise<void>;
}

/**
 * An authority that gives way to a new one: the next is made and trusted, then it signs, and the former one stays trusted
 * until the last certificate that it has issued has expired. Every step is on disk before it counts.
 */
export class RotatingAuthority {
  readonly #parts: RotatingAuthorityParts;
  readonly #signers = new Map<string, Signer>();
  #kept: KeptAuthority;
  #last: Promise<unknown> = Promise.resolve();

  /** @throws Error if a key does not belong to its certificate. */
  constructor(parts: RotatingAuthorityParts) {
    this.#parts = parts;
    this.#kept = parts.kept;
    // A broken one shows now, and not when it is needed.
    for (const _ of this.all);
  }

  /** The one that signs. */
  get current(): Signer {
    return this.#signerOf(this.#kept);
  }

  get next(): { readonly signer: Signer; readonly announcedAt: number } | null {
    const { next } = this.#kept;
    return next === undefined ? null : { signer: this.#signerOf(next), announcedAt: next.announcedAt };
  }

  /** The oldest first. */
  get former(): readonly { readonly signer: Signer; readonly retiresAt: number }[] {
    return (this.#kept.former ?? []).map(one => ({ signer: this.#signerOf(one), retiresAt: one.retiresAt }));
  }

  /** All that are trusted, by age: a rotation adds at the end and takes away at the beginning. */
  get all(): readonly Signer[] {
    const { former = [], next } = this.#kept;
    return [...former, this.#kept, ...(next === undefined ? [] : [next])].map(one => this.#signerOf(one));
  }

  /** Makes the next authority, unless there is one. @returns whether it was made. */
  announce(now: number): Promise<boolean> {
    return this.#alone(async () => {
      if (this.#kept.next !== undefined) return false;
      const material = await this.#parts.create(this.current);
      await this.#keep({ ...this.#kept, next: { ...material, announcedAt: now } });
      return true;
    });
  }

  /**
   * Lets the next authority sign, if there is one.
   *
   * @param retiresAt How long the present one stays trusted.
   */
  promote(retiresAt: number): Promise<boolean> {
    return this.#alone(async () => {
      const { next, former = [], ...present } = this.#kept;
      if (next === undefined) return false;
      const { announcedAt: _, ...material } = next;
      await this.#keep({ ...material, former: [...former, { ...present, retiresAt }] });
      return true;
    });
  }

  /** Forgets former authorities whose time is over, with their keys. @returns their certificates. */
  retire(now: number): Promise<readonly string[]> {
    return this.#alone(async () => {
      const { former = [] } = this.#kept;
      const over = former.filter(({ retiresAt }) => retiresAt <= now);
      if (over.length > 0) {
        await this.#keep({ ...this.#kept, former: former.filter(({ retiresAt }) => retiresAt > now) });
      }
      return over.map(({ certificate }) => certificate);
    });
  }

  async #keep(kept: KeptAuthority): Promise<void> {
    await this.#parts.save(kept);
    this.#kept = kept;
  }

  #signerOf(material: AuthorityMaterial): Signer {
    const known = this.#signers.get(material.certificate);
    if (known !== undefined) return known;
    const signer = this.#parts.open(material);
    this.#signers.set(material.certificate, signer);
    return signer;
  }

  #alone<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(step, step);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
