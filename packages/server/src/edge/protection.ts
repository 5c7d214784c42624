import type { ApplicationLimits } from '@postern/protocol/admin/publishing-limits';
import type { Networks } from '../routes/networks.ts';
import type { Route } from '../routes/route-table.ts';
import { addressKey } from './address-key.ts';
import type { FailureCode } from './failure.ts';
import { type Load, LoadTable } from './loads.ts';

export interface ProtectionParts {
  /** Of one client, whatever the application; 0: no limit. */
  readonly maxRequestsPerMinutePerClient: number;
  readonly maxOpenRequestsPerClient: number;
  readonly maxOpenUpgradesPerClient: number;
  /** Of everybody together. */
  readonly maxOpenUpgrades: number;
  /** Null: every address may come in. */
  readonly networks: Networks | null;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** Who sends requests: one address; of IPv6 one /64, since a site has all of its addresses. */
export interface Client {
  readonly address: string;
  readonly key: string;
  /** Whether the service's own networks let it in. */
  readonly isAdmitted: boolean;
  /** What a request claims that nobody but the service counts. */
  claim: Claim;
  /** What it uses of the application that it asked for last, where that one counts it. */
  ofApplication: { readonly id: string; readonly load: Load } | null;
  /** Which networks were asked about it last, and their answer. */
  verdict: { readonly networks: Networks; readonly isAdmitted: boolean } | null;
}

/** What an exchange uses until it ends. */
export interface Claim {
  readonly client: Load;
  readonly application: Load | null;
  readonly ofApplication: Load | null;
}

/** Why a request is not let in. */
export interface Refusal {
  readonly code: FailureCode;
  readonly retryAfterSeconds: number;
}

/** Clients that are remembered at a time, some 150 bytes each. */
const maxClients = 50_000;
const maxClientsOfApplications = 50_000;
/** When something that is under way ends is not known; whoever waits so long asks seldom enough. */
const openRetrySeconds = 5;

/** Limits on what clients use: of the service and of each application. Keeps the counts; the decisions are made here too. */
export class Protection {
  readonly #parts: ProtectionParts;
  readonly #clients = new LoadTable(maxClients);
  readonly #applications = new LoadTable(Number.POSITIVE_INFINITY);
  readonly #clientsOfApplications = new LoadTable(maxClientsOfApplications);
  #openUpgrades = 0;

  constructor(parts: ProtectionParts) {
    this.#parts = parts;
  }

  /** Clients whose use is remembered. */
  get clientCount(): number {
    return this.#clients.size;
  }

  get openUpgrades(): number {
    return this.#openUpgrades;
  }

  clientAt(address: string): Client {
    const { networks, now } = this.#parts;
    const key = addressKey(address);
    return {
      address,
      key,
      isAdmitted: networks === null || networks.admits(address),
      claim: plainClaim(this.#clients.get(key, now())),
      ofApplication: null,
      verdict: null,
    };
  }

  /** What speaks against any request of a client, whatever it asks for; counts it otherwise. */
  refusesClient(client: Client): Refusal | null {
    if (!client.isAdmitted) return { code: 'address_not_allowed', retryAfterSeconds: 0 };
    const { maxRequestsPerMinutePerClient: perMinute, maxOpenRequestsPerClient: mostOpen, now } = this.#parts;
    if (client.claim.client.isDropped) client.claim = plainClaim(this.#clients.get(client.key, now()));
    const load = client.claim.client;
    if (isOver(load.open, mostOpen)) return tooManyOpen;
    if (perMinute === 0) return null;
    const waitMs = load.take(perMinute, now());
    return waitMs === 0 ? null : tooMany('too_many_requests', waitMs);
  }

  /** Whether an application's networks let a client in. */
  admitsTo(networks: Networks, client: Client): boolean {
    if (client.verdict?.networks !== networks) {
      client.verdict = { networks, isAdmitted: networks.admits(client.address) };
    }
    return client.verdict.isAdmitted;
  }

  /** Counts a request that is about to go to a backend, or says why it may not. What was claimed must be released. */
  claim(route: Route, client: Client, isUpgrade: boolean): Claim | Refusal {
    const { maxOpenUpgrades, maxOpenUpgradesPerClient } = this.#parts;
    if (isUpgrade) {
      if (isOver(this.#openUpgrades, maxOpenUpgrades)) return serviceBusy;
      if (isOver(client.claim.client.upgrades, maxOpenUpgradesPerClient)) return tooManyOpen;
    }
    const claimed =
      route.limits === null ? client.claim : this.#claimApplication(route, route.limits, client, isUpgrade);
    if ('code' in claimed) return claimed;
    this.#count(claimed, 1, isUpgrade);
    return claimed;
  }

  release(claim: Claim, isUpgrade: boolean): void {
    this.#count(claim, -1, isUpgrade);
  }

  #count({ client, application, ofApplication }: Claim, change: 1 | -1, isUpgrade: boolean): void {
    if (isUpgrade) this.#openUpgrades += change;
    count(client, change, isUpgrade);
    if (application !== null) count(application, change, isUpgrade);
    if (ofApplication !== null) count(ofApplication, change, isUpgrade);
  }

  #claimApplication(
    { application: { id } }: Route,
    most: ApplicationLimits,
    client: Client,
    isUpgrade: boolean,
  ): Claim | Refusal {
    const now = this.#parts.now();
    const application = this.#applications.get(id, now);
    const own = this.#loadOf(id, client, now);
    if (isOver(own.open, most.openRequestsPerClient)) return tooManyOpen;
    if (isOver(application.open, most.openRequests)) return applicationBusy;
    if (isUpgrade && isOver(own.upgrades, most.openUpgradesPerClient)) return tooManyOpen;
    if (isUpgrade && isOver(application.upgrades, most.openUpgrades)) return applicationBusy;
    const ownWaitMs = own.untilNext(most.requestsPerMinutePerClient, now);
    if (ownWaitMs > 0) return tooMany('too_many_requests', ownWaitMs);
    const waitMs = application.take(most.requestsPerMinute, now);
    if (waitMs > 0) return tooMany('application_busy', waitMs);
    // Only now: what the application refuses everybody must not cost a client its own.
    own.take(most.requestsPerMinutePerClient, now);
    return { client: client.claim.client, application, ofApplication: own };
  }

  #loadOf(id: string, client: Client, now: number): Load {
    const last = client.ofApplication;
    if (last !== null && last.id === id && !last.load.isDropped) return last.load;
    const load = this.#clientsOfApplications.get(`${id} ${client.key}`, now);
    client.ofApplication = { id, load };
    return load;
  }
}

const tooManyOpen: Refusal = { code: 'too_many_open', retryAfterSeconds: openRetrySeconds };
const applicationBusy: Refusal = { code: 'application_busy', retryAfterSeconds: openRetrySeconds };
const serviceBusy: Refusal = { code: 'service_busy', retryAfterSeconds: openRetrySeconds };

function plainClaim(client: Load): Claim {
  return { client, application: null, ofApplication: null };
}

function tooMany(code: FailureCode, waitMs: number): Refusal {
  return { code, retryAfterSeconds: Math.ceil(waitMs / 1_000) };
}

function isOver(count: number, most: number): boolean {
  return most > 0 && count >= most;
}

function count(load: Load, change: 1 | -1, isUpgrade: boolean): void {
  load.open += change;
  if (isUpgrade) load.upgrades += change;
}
