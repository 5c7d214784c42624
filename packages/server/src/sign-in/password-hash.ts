import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { SignInError } from './sign-in-error.ts';

const argon2Async = promisify(argon2);

/** OWASP's second choice for argon2id: 19 MiB, two passes, one lane; about 25 ms on one core. */
const cost = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const saltBytes = 16;
const hashBytes = 32;

export interface PasswordHasherOptions {
  /** How many hashes are computed at the same time. */
  readonly concurrency?: number;
  /** How many may wait for their turn; more are refused. */
  readonly maxWaiting?: number;
}

/**
 * Computes argon2id hashes, few at a time, so that a flood of sign-ins can take neither the memory nor every thread
 * that file and DNS work of this process needs.
 */
export class PasswordHasher {
  readonly #concurrency: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #decoy: string | undefined;

  constructor({ concurrency = 2, maxWaiting = 64 }: PasswordHasherOptions = {}) {
    this.#concurrency = concurrency;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Gives the PHC string of a password with a new salt.
   *
   * @throws SignInError `busy`.
   */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(saltBytes);
    const digest = await this.#inTurn(() => derive(password, salt, hashBytes, cost));
    return formatPhc(salt, digest);
  }

  /**
   * Whether a password is the one of a PHC string. Without a PHC string the same work is done and the answer is no, so
   * that the time taken does not tell whether an account exists.
   *
   * @throws SignInError `busy`.
   */
  async verify(password: string, phc: string | null): Promise<boolean> {
    this.#decoy ??= formatPhc(randomBytes(saltBytes), randomBytes(hashBytes));
    const parsed = parsePhc(phc ?? this.#decoy);
    const digest = await this.#inTurn(() => derive(password, parsed.salt, parsed.digest.length, parsed.cost));
    return timingSafeEqual(digest, parsed.digest) && phc !== null;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    await this.#takeTurn();
    try {
      return await work();
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async #takeTurn(): Promise<void> {
    if (this.#running >= this.#concurrency) {
      if (this.#waiting.length >= this.#maxWaiting) {
        throw new SignInError('busy', 'Too many passwords are being checked at the moment.');
      }
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
    this.#running++;
  }
}

interface Cost {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

interface ParsedPhc {
  readonly cost: Cost;
  readonly salt: Buffer;
  readonly digest: Buffer;
}

function derive(password: string, nonce: Buffer, tagLength: number, { memory, passes, parallelism }: Cost) {
  // RFC 8265 §4.2: passwords are compared in NFC, or "é" typed on two keyboards would be two passwords.
  const message = password.normalize('NFC');
  return argon2Async('argon2id', { message, nonce, tagLength, memory, passes, parallelism });
}

function formatPhc(salt: Buffer, digest: Buffer): string {
  const encode = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  const { memory, passes, parallelism } = cost;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${encode(salt)}$${encode(digest)}`;
}

const phcForm =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,64})\$([A-Za-z0-9+/]{22,86})$/;

function parsePhc(phc: string): ParsedPhc {
  const match = phcForm.exec(phc);
  if (!match) throw new TypeError('A stored password hash is no PHC string of argon2id.');
  return {
    cost: { memory: Number(match[1]), passes: Number(match[2]), parallelism: Number(match[3]) },
    salt: Buffer.from(match[4], 'base64'),
    digest: Buffer.from(match[5], 'base64'),
  };
}
