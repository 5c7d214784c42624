import { type Preflight, type PreflightAnswer, PreflightRules } from '@postern/protocol/admin/preflight';
import type { CorsConfiguration } from '../feed/messages.ts';

/** What a page of another origin may do with an answer, as field lines. */
export interface CorsGrant {
  /** Access-Control-* and Vary for the answer to the request itself; whole lines, each ending in CRLF. */
  readonly lines: Buffer;
  /** The same as a flat list of names in lower case and values, for HTTP/2. */
  readonly list: readonly string[];
}

/** For whoever no rule lets in: the answer depends on the origin all the same (RFC 9110 §12.5.5). */
const nothingGranted: CorsGrant = grantOf(['vary', 'Origin']);

/** The rules for requests of other origins' pages to one route. */
export class CorsRules {
  readonly #rules: PreflightRules;
  readonly #grants = new Map<string, CorsGrant>();

  /** @param externalPath Of the route, decoded as requests are: what resources are below. Begins and ends with `/`. */
  constructor(configurations: readonly CorsConfiguration[], externalPath: string) {
    this.#rules = new PreflightRules(configurations, externalPath);
  }

  /**
   * What the answer to a request says about its origin.
   *
   * @param origin Of the request, or null where it names none.
   * @param paths The request's path, in every way that it may be read; they must agree on the rule.
   */
  grant(origin: string | null, paths: readonly string[]): CorsGrant {
    if (origin === null || !this.#rules.allows(origin, paths)) return nothingGranted;
    let grant = this.#grants.get(origin);
    if (grant === undefined) {
      // Only origins that a rule names come here, so that nobody can make it grow.
      grant = grantOf([
        ...['access-control-allow-origin', origin],
        ...['access-control-allow-credentials', 'true'],
        ...['vary', 'Origin'],
      ]);
      this.#grants.set(origin, grant);
    }
    return grant;
  }

  /** Whether pages of an origin may use what is at a path. */
  allows(origin: string, paths: readonly string[]): boolean {
    return this.#rules.allows(origin, paths);
  }

  /** Answers a preflight request; nothing of it goes on to the backend. */
  answerPreflight(preflight: Preflight, paths: readonly string[]): PreflightAnswer {
    return this.#rules.answerPreflight(preflight, paths);
  }
}

function grantOf(list: readonly string[]): CorsGrant {
  let lines = '';
  for (let at = 0; at < list.length; at += 2) lines += `${list[at]}: ${list[at + 1]}\r\n`;
  return { lines: Buffer.from(lines, 'latin1'), list };
}
