export interface PageHeaderOptions {
  /** Origins besides our own that a form on this page may end at, in the notation of CSP. */
  readonly formAction?: readonly string[];
  /** Whether the page loads a script from our own origin. */
  readonly script?: boolean;
}

/**
 * The header fields of a page that the service writes itself: nothing inline, nothing from elsewhere, never framed,
 * never kept by a cache.
 */
export function pageHeaders({
  formAction = [],
  script = false,
}: PageHeaderOptions = {}): Record<string, string> {
  return {
    ...guardedPageHeaders,
    'content-security-policy': [
      "default-src 'none'",
      "style-src 'self'",
      'img-src data:',
      ...(script ? ["script-src 'self'"] : []),
      ["form-action 'self'", ...formAction].join(' '),
      "frame-ancestors 'none'",
      "base-uri 'none'",
    ].join('; '),
  };
}

/** The fields that every page has, whatever its content security policy says. */
export const guardedPageHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // Not "no-referrer": browsers then send `Origin: null` with a form, and forms are told apart from forged ones by it.
  'referrer-policy': 'same-origin',
};
