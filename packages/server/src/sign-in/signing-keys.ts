import { generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { SealedSecrets } from '../store/sealed-secrets.ts';

/** A key that signs ID tokens (ES256). Times in milliseconds since the epoch. */
export interface SigningKey {
  readonly kid: string;
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y: string;
  readonly d: string;
  readonly createdAt: number;
  /** It signs from this time on, until the next key does. */
  readonly signsFrom: number;
}

export interface RotationTimes {
  /** How long one key signs. */
  readonly signsForMs: number;
  /** How long a key is published before it signs, so that relying parties have it in their caches. */
  readonly publishedAheadMs: number;
  /** How long a key stays published after its last signature: as long as the tokens live, and some. */
  readonly keptAfterMs: number;
}

const hour = 3_600_000;

export const rotationTimes: RotationTimes = {
  signsForMs: 90 * 24 * hour,
  publishedAheadMs: 48 * hour,
  keptAfterMs: 24 * hour,
};

/**
 * The keys that should be published now: those that have not outlived their tokens, and a new one ahead of the time
 * when the signing key is due. Without any key, the new one signs at once.
 */
export async function rotate(
  keys: readonly SigningKey[],
  now: number,
  { signsForMs, publishedAheadMs, keptAfterMs }: RotationTimes = rotationTimes,
): Promise<readonly SigningKey[]> {
  const ordered = [...keys].sort((a, b) => a.signsFrom - b.signsFrom);
  const kept = ordered.filter((_, index) => {
    const successor = ordered[index + 1];
    return successor === undefined || successor.signsFrom + keptAfterMs > now;
  });
  const newest = kept.at(-1);
  if (newest === undefined) return [await generateSigningKey(now, now)];
  if (newest.signsFrom + signsForMs - publishedAheadMs > now) return kept;
  return [...kept, await generateSigningKey(now, now + publishedAheadMs)];
}

/** Which of these keys signs: the newest whose time has come. */
export function signingKeyAt(keys: readonly SigningKey[], now: number): SigningKey {
  const due = keys.filter(key => key.signsFrom <= now).sort((a, b) => b.signsFrom - a.signsFrom);
  // After a clock that went back, no key's time may have come yet: the oldest signs then.
  return due[0] ?? [...keys].sort((a, b) => a.signsFrom - b.signsFrom)[0];
}

const secretName = 'oidc-keys';

/** Loads the keys, rotates them, and stores them where that changed something. */
export async function loadSigningKeys(secrets: SealedSecrets, now: number): Promise<readonly SigningKey[]> {
  const sealed = await secrets.unseal(secretName);
  const stored = sealed === null ? [] : (JSON.parse(sealed.toString('utf8')) as readonly SigningKey[]);
  const keys = await rotate(stored, now);
  if (!sameKeys(stored, keys)) await secrets.seal(secretName, JSON.stringify(keys));
  return keys;
}

/** Whether two lists hold the same keys in the same order. */
export function sameKeys(a: readonly SigningKey[], b: readonly SigningKey[]): boolean {
  return a.length === b.length && a.every((key, index) => key.kid === b[index].kid);
}

const generate = promisify(generateKeyPair);

async function generateSigningKey(createdAt: number, signsFrom: number): Promise<SigningKey> {
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
  const { kty, crv, x, y, d } = privateKey.export({ format: 'jwk' });
  if (!kty || !crv || !x || !y || !d) throw new TypeError('A P-256 key was exported without its members.');
  return { kid: randomBytes(9).toString('base64url'), kty, crv, x, y, d, createdAt, signsFrom };
}
