import type { CorsConfiguration } from '../feed/messages.ts';

/** What a page of another origin may do with an answer, as field lines. */
export interface CorsGrant {
  /** Access-Control-* and Vary for the answer to the request itself; whole lines, each ending in CRLF. */
  readonly lines: Buffer;
  /** The same as a flat list of names in lower case and values, for HTTP/2. */
  readonly list: readonly string[];
}

/** A preflight request (Fetch §4.8): what a browser asks before it sends another origin's request. */
export interface Preflight {
  readonly origin: string;
  readonly method: string;
  /** Access-Control-Request-Headers, or empty. */
  readonly headers: string;
}

/** The answer to a preflight request: its fields, or in words what the rules do not allow. */
export type PreflightAnswer =
  | { readonly allowed: true; readonly fields: Readonly<Record<string, string>> }
  | { readonly allowed: false; readonly reason: string };

interface Rule {
  /** Begins and ends with `/`, and is where the request's path would be below the host. */
  readonly path: string;
  readonly origins: ReadonlySet<string>;
  readonly methods: ReadonlySet<string>;
  readonly headers: ReadonlySet<string>;
  /** Beginnings of names, in lower case; an empty one stands for every name. */
  readonly headerPrefixes: readonly string[];
  readonly maxAge: string;
}

/** Methods and fields that need no permission (Fetch §2.2.1, §2.2.2). */
const simpleMethods = new Set(['GET', 'HEAD', 'POST']);
const simpleHeaders = new Set(['accept', 'accept-language', 'content-language', 'content-type', 'range']);

/** For whoever no rule lets in: the answer depends on the origin all the same (RFC 9110 §12.5.5). */
const nothingGranted: CorsGrant = grantOf(['vary', 'Origin']);

/**
 * The rules for requests of other origins' pages to one route. Of the rules whose resource holds the path those with the
 * longest resource count, and of these the first that names the origin.
 */
export class CorsRules {
  readonly #rules: readonly Rule[];
  readonly #grants = new Map<string, CorsGrant>();

  /** @param externalPath Of the route: what resources are below. Begins and ends with `/`. */
  constructor(configurations: readonly CorsConfiguration[], externalPath: string) {
    this.#rules = configurations
      .map(one => ruleOf(one, externalPath))
      .sort((a, b) => b.path.length - a.path.length);
  }

  /**
   * What the answer to a request says about its origin.
   *
   * @param origin Of the request, or null where it names none.
   * @param paths The request's path, in every way that it may be read; they must agree on the rule.
   */
  grant(origin: string | null, paths: readonly string[]): CorsGrant {
    if (origin === null || this.#find(origin, paths) === null) return nothingGranted;
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
    return this.#find(origin, paths) !== null;
  }

  /** Answers a preflight request; nothing of it goes on to the backend. */
  answerPreflight({ origin, method, headers }: Preflight, paths: readonly string[]): PreflightAnswer {
    const rule = this.#find(origin, paths);
    if (rule === null) return refused(`no rule for this path allows the origin ${origin}`);
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(method)) return refused('its method is none');
    if (!simpleMethods.has(method) && !rule.methods.has(method) && !rule.methods.has('*')) {
      return refused(`the rule for this path does not allow the method ${method}`);
    }
    const names = headers
      .split(',')
      .map(name => name.trim().toLowerCase())
      .filter(name => name !== '');
    const unknown = names.find(name => !allowsHeader(rule, name));
    if (unknown !== undefined) return refused(`the rule for this path does not allow the field ${unknown}`);
    return {
      allowed: true,
      fields: {
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        // With credentials `*` would mean itself (Fetch §3.3.4), so what was asked for is named.
        'access-control-allow-methods': method,
        ...(names.length > 0 && { 'access-control-allow-headers': names.join(', ') }),
        'access-control-max-age': rule.maxAge,
        vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
      },
    };
  }

  #find(origin: string, paths: readonly string[]): Rule | null {
    let found: Rule | null | undefined;
    for (const path of paths) {
      const rule = this.#findAt(origin, path);
      if (found !== undefined && rule !== found) return null;
      found = rule;
    }
    return found ?? null;
  }

  #findAt(origin: string, path: string): Rule | null {
    let mostSpecific: string | null = null;
    for (const rule of this.#rules) {
      if (mostSpecific !== null && rule.path !== mostSpecific) break;
      if (!holds(rule.path, path)) continue;
      mostSpecific = rule.path;
      if (rule.origins.has(origin)) return rule;
    }
    return null;
  }
}

function ruleOf(configuration: CorsConfiguration, externalPath: string): Rule {
  const { resource, allowedOrigins, allowedMethods, allowedHeaders, maxAgeInSeconds } = configuration;
  const path = externalPath + resource.slice(1);
  const headers = allowedHeaders.map(name => name.toLowerCase());
  return {
    path: path.endsWith('/') ? path : `${path}/`,
    origins: new Set(allowedOrigins),
    methods: new Set(allowedMethods),
    headers: new Set(headers.filter(name => !name.endsWith('*'))),
    headerPrefixes: headers.filter(name => name.endsWith('*')).map(name => name.slice(0, -1)),
    maxAge: String(maxAgeInSeconds),
  };
}

function holds(rulePath: string, path: string): boolean {
  return path.startsWith(rulePath) || (path.length === rulePath.length - 1 && rulePath.startsWith(path));
}

function allowsHeader(rule: Rule, name: string): boolean {
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) return false;
  if (simpleHeaders.has(name) || rule.headers.has(name)) return true;
  return rule.headerPrefixes.some(prefix => name.startsWith(prefix));
}

function refused(reason: string): PreflightAnswer {
  return { allowed: false, reason };
}

function grantOf(list: readonly string[]): CorsGrant {
  let lines = '';
  for (let at = 0; at < list.length; at += 2) lines += `${list[at]}: ${list[at + 1]}\r\n`;
  return { lines: Buffer.from(lines, 'latin1'), list };
}
