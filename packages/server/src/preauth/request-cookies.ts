/**
 * Reads a Cookie field. A name that comes twice counts as absent: one of the two was put there by somebody else.
 */
export function readCookies(cookieField: string | undefined): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  const twice = new Set<string>();
  for (const pair of (cookieField ?? '').split(';')) {
    const equals = pair.indexOf('=');
    if (equals < 0) continue;
    const name = pair.slice(0, equals).trim();
    if (cookies.has(name)) twice.add(name);
    cookies.set(name, pair.slice(equals + 1).trim());
  }
  for (const name of twice) cookies.delete(name);
  return cookies;
}

/** The attributes of every cookie that we set on an application's host. */
const attributes = 'Path=/; Secure; HttpOnly; SameSite=Lax';

/** @param name Begins with `__Host-`, so that no other host can set it. */
export function formatCookie(name: string, value: string, maxAgeSeconds?: number): string {
  return `${name}=${value}; ${attributes}${maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`}`;
}

export function formatCookieRemoval(name: string): string {
  return formatCookie(name, '', 0);
}
