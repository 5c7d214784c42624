import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { createAuthority, openSigner } from '@postern/server/registration/signer';
import { Crash, CrashingFiles, type CrashKind, crashKinds } from '../../testing/crashing-files.ts';
import { type CertificatePair, saveNewKey } from './certificate-store.ts';
import { type Identity, loadIdentity } from './identity.ts';
import { pruneCertificates } from './prune-certificates.ts';
import { RenewalError, renewIdentity } from './renewal.ts';
import { writeServiceSettings } from './service-settings.ts';
import { writeTrustSettings } from './trust-settings.ts';

const dataDir = '/data';
const dayMs = 86_400_000;
const start = Date.UTC(2026, 0, 1);
/** When a connector renews, in days of its certificate's life. */
const renewalDay = 122;
const lifetimeDays = 180;
/** Periods between renewals in the life of one machine. */
const periods = 60;
/** Certificates that one connector can get in a period, as kills and lost answers cost some. */
const perPeriod = 5;

/** What the service issues: keys are slow to make, and which they are matters to nobody. */
interface Issuable {
  readonly privateKey: string;
  readonly certificate: string;
}

let pool: Issuable[] = [];
let anchors: string[] = [];

before(async () => {
  const authority = openSigner(await createAuthority('p384', 'CA', start));
  anchors = [authority.certificate];
  pool = await Promise.all(
    Array.from({ length: periods * perPeriod }, async (_, index) => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
      const issuedAt = start + Math.floor(index / perPeriod) * renewalDay * dayMs;
      return {
        privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
        certificate: await authority.issue({
          publicKey: createPublicKey(privateKey),
          commonName: 'c-1',
          usage: 'clientAuth',
          notBefore: new Date(issuedAt - 2 * dayMs),
          notAfter: new Date(issuedAt + lifetimeDays * dayMs),
        }),
      };
    }),
  );
});

/** A machine with its disk, and the service's records of it. */
class Machine {
  files = new CrashingFiles();
  current!: CertificatePair;
  /** How many periods have gone by. */
  period = 0;
  #issued = 0;
  readonly #onRecord = new Set<string>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  get now(): number {
    return start + this.period * renewalDay * dayMs;
  }

  async register(): Promise<void> {
    const { privateKey, certificate } = this.#issue();
    const pending = await saveNewKey(dataDir, 'machine', privateKey, this.files);
    const pair = await pending.complete(certificate);
    await writeServiceSettings(
      dataDir,
      {
        connectorId: 'c-1',
        machineName: 'srv',
        connectHost: 'connect.example.com',
        connectPort: 443,
        anchors,
      },
      this.files,
    );
    await writeTrustSettings(dataDir, { thumbprint: pair.thumbprint, isInUserStore: false }, this.files);
    this.current = pair;
  }

  /** As the running connector does; the network fails as often as `failures` says. */
  async renew(failures = 0): Promise<void> {
    const next = this.#next();
    this.current = await renewIdentity(
      {
        dataDir,
        files: this.files,
        now: () => this.now,
        createKey: async () => ({ privateKey: next.privateKey, proofCertificate: 'proof' }),
        request: async () => {
          const { certificate } = this.#issue();
          if (this.#random() < failures) throw new RenewalError('no_answer', 'the tunnel was lost');
          return certificate;
        },
        tryPair: async pair => {
          if (this.#random() < failures) throw new Error('the tunnel was lost');
          assert.ok(this.#onRecord.has(pair.certificate), 'the service knows what it is shown');
        },
      },
      this.current,
    );
  }

  prune(): Promise<unknown> {
    const { thumbprint } = this.current;
    return pruneCertificates({ dataDir, presented: thumbprint, now: this.now, files: this.files });
  }

  /** Starts again after a crash, and asserts that the service accepts what is found. */
  async restart(kind: CrashKind, label: string): Promise<void> {
    this.files = this.files.restarted(kind, this.#random);
    let identity: Identity;
    try {
      identity = await loadIdentity(dataDir, this.now, this.files);
    } catch (cause) {
      throw new Error(`no identity after ${label}`, { cause });
    }
    const accepted = identity.pairs.find(
      pair => this.#onRecord.has(pair.certificate) && pair.notBefore <= this.now && pair.notAfter >= this.now,
    );
    assert.ok(accepted, `no working pair after ${label}`);
    this.current = accepted;
  }

  /** A machine that has come as far as this one. */
  copy(): Machine {
    const other = new Machine(this.#random);
    other.files = this.files.copy();
    other.period = this.period;
    other.current = this.current;
    other.#issued = this.#issued;
    for (const certificate of this.#onRecord) other.#onRecord.add(certificate);
    return other;
  }

  #next(): Issuable {
    return pool[this.period * perPeriod + (this.#issued % perPeriod)]!;
  }

  #issue(): Issuable {
    const next = this.#next();
    this.#issued += 1;
    this.#onRecord.add(next.certificate);
    return next;
  }
}

/** Lets crashes and failed renewals happen, and tells whether all was done. */
async function survives(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (isCrash(error) || error instanceof RenewalError) return false;
    throw error;
  }
}

function isCrash(error: unknown): boolean {
  return error instanceof Crash || (error instanceof Error && isCrash(error.cause));
}

/** The same numbers at every run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('a connector is never without a working identity', () => {
  test('whichever file operation of a renewal or of pruning is the last one, before or after it, in each way to die', async () => {
    const random = randomFrom(1);
    const registered = new Machine(random);
    await registered.register();
    registered.period = 1;
    const renewed = registered.copy();
    await renewed.renew();
    renewed.period = 2;

    let killPoints = 0;
    const scenes: [string, Machine, (machine: Machine) => Promise<unknown>][] = [
      ['the first renewal', registered, machine => machine.renew()],
      ['a further renewal', renewed, machine => machine.renew()],
      ['pruning', renewed, machine => machine.prune()],
      ['renewal, then pruning', renewed, machine => machine.renew().then(() => machine.prune())],
    ];
    for (const [title, from, work] of scenes) {
      const whole = from.copy();
      await work(whole);
      for (let operation = 1; operation <= whole.files.operations; operation++) {
        for (const moment of ['before', 'after'] as const) {
          for (const kind of crashKinds) {
            const machine = from.copy();
            machine.files.crashAt(operation, moment);
            await survives(() => work(machine));
            assert.ok(
              machine.files.isDead,
              `${title}, ${moment} operation ${operation} of ${whole.files.operations}, ${kind}`,
            );
            await machine.restart(kind, `${title}, ${moment} operation ${operation}, ${kind}`);
            // And it renews, whatever was left.
            await machine.renew();
            await machine.restart(
              'power',
              `the renewal after ${title}, ${moment} operation ${operation}, ${kind}`,
            );
            killPoints += 1;
          }
        }
      }
    }

    assert.ok(killPoints >= 1_000, `${killPoints} kill points`);
  });

  test('in 10,000 renewals with kills, losses of power and lost tunnels among them', async () => {
    const random = randomFrom(2);
    let [renewals, kills, machines] = [0, 0, 0];
    let machine = new Machine(random);
    while (renewals < 10_000) {
      if (machine.period === 0 || machine.period === periods - 1) {
        machine = new Machine(random);
        machines += 1;
        await machine.register();
      }
      machine.period += 1;
      for (let isDone = false; !isDone; ) {
        const kind = crashKinds[Math.floor(random() * crashKinds.length)]!;
        if (random() < 0.25) {
          machine.files.crashAt(1 + Math.floor(random() * 40), random() < 0.5 ? 'before' : 'after');
        }
        isDone = await survives(async () => {
          await machine.renew(0.02);
          renewals += 1;
          if (random() < 0.3) await machine.prune();
        });
        if (!machine.files.isDead) continue;
        kills += 1;
        await machine.restart(kind, `${renewals} renewals and ${kills} kills (${kind})`);
      }
      machine.files.forgetCrash();
    }

    assert.ok(kills >= 1_000, `${kills} kills on ${machines} machines`);
  });
});
