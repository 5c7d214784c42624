import type { WindowBudget } from '@postern/protocol/yamux/window-budget';
import type { Logger } from 'pino';
import type { HeadLimits } from '../http1/head.ts';
import type { AdmitParts } from './admit.ts';
import type { ExchangeParts } from './exchange.ts';
import type { FailureCode } from './failure.ts';
import type { Protection } from './protection.ts';
import type { IdentityFieldNames } from './request-fields.ts';

/** What every connection of the edge needs; built once in relay.ts. */
export interface EdgeParts {
  readonly admit: AdmitParts;
  readonly exchange: ExchangeParts;
  readonly limits: EdgeLimits;
  readonly identity: IdentityFieldNames;
  readonly protection: Protection;
  /** What the windows of uploads over HTTP/2 may grow to together. */
  readonly uploadBudget: WindowBudget;
  /** Whose X-Forwarded-For is believed. */
  readonly isTrustedProxy: (address: string) => boolean;
  /** `:8443`, or empty for port 443. */
  readonly portSuffix: string;
  readonly nextRequestId: () => string;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly log: Logger;
  /** Called for every request that was refused; the application's id is null where none was found. */
  readonly onRefusal: (code: FailureCode, applicationId: string | null) => void;
  /** Called for every request that was answered without an exchange. */
  readonly onLocalAnswer: (status: number, requestId: string, host: string | null) => void;
}

export interface EdgeLimits {
  readonly head: HeadLimits;
  readonly headTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  /** How long a client may take nothing of its answer; 0: no limit. */
  readonly stallTimeoutMs: number;
}
