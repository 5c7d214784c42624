import type { CorsConfiguration } from './cors.ts';

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
  /** For backends that do not tell upper from lower case. */
  readonly foldedPath: string;
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

/**
 * Rules for requests of other origins' pages, below one external URL: what the edge goes by, and what the Admin center
 * tries them with. Of the rules whose resource holds the path those with the longest resource count, and of these the
 * first that names the origin. Upper and lower case must not decide: the backend may not tell them apart.
 */
export class PreflightRules {
  readonly #rules: readonly Rule[];

  /** @param externalPath What resources are below. Begins and ends with `/`. */
  constructor(configurations: readonly CorsConfiguration[], externalPath: string) {
    this.#rules = configurations
      .map(one => ruleOf(one, externalPath))
      .sort((a, b) => b.path.length - a.path.length);
  }

  /**
   * Whether pages of an origin may use what is at a path.
   *
   * @param paths The request's path, in every way that it may be read; they must agree on the rule.
   */
  allows(origin: string, paths: readonly string[]): boolean {
    return this.#find(origin, paths) !== null;
  }

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
      const rule = this.#findAt(origin, path, one => one.path);
      if (rule !== this.#findAt(origin, foldCase(path), one => one.foldedPath)) return null;
      if (found !== undefined && rule !== found) return null;
      found = rule;
    }
    return found ?? null;
  }

  #findAt(origin: string, path: string, pathOf: (rule: Rule) => string): Rule | null {
    let mostSpecific: string | null = null;
    for (const rule of this.#rules) {
      if (mostSpecific !== null && pathOf(rule) !== mostSpecific) continue;
      if (!holds(pathOf(rule), path)) continue;
      mostSpecific = pathOf(rule);
      if (rule.origins.has(origin)) return rule;
    }
    return null;
  }
}

function ruleOf(configuration: CorsConfiguration, externalPath: string): Rule {
  const { resource, allowedOrigins, allowedMethods, allowedHeaders, maxAgeInSeconds } = configuration;
  const below = externalPath + resource.slice(1);
  const path = below.endsWith('/') ? below : `${below}/`;
  const headers = allowedHeaders.map(name => name.toLowerCase());
  return {
    path,
    foldedPath: foldCase(path),
    origins: new Set(allowedOrigins),
    methods: new Set(allowedMethods),
    headers: new Set(headers.filter(name => !name.endsWith('*'))),
    headerPrefixes: headers.filter(name => name.endsWith('*')).map(name => name.slice(0, -1)),
    maxAge: String(maxAgeInSeconds),
  };
}

/** Letters that are the same in either case of another one, such as the long s, are that one. */
function foldCase(path: string): string {
  return path.toLowerCase().toUpperCase();
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
