/** Longer return paths are forgotten: they travel in a cookie, and browsers keep no cookie above 4 KiB. */
const maxLength = 2_048;

/**
 * Gives the path and query that a person is sent back to after signing in, or `/` where what was asked for could lead
 * anywhere else than to a page of the same origin.
 *
 * @param asked What came with the request; anything.
 * @param origin `https://<host>`, with the port where it is not 443.
 */
export function safeReturnPath(asked: unknown, origin: string): string {
  if (typeof asked !== 'string' || asked.length > maxLength) return '/';
  // Printable ASCII only: browsers drop tabs and line breaks, and take `\` for `/`.
  if (!/^\/(?![/\\])[!-[\]-~]*$/.test(asked)) return '/';
  const url = URL.parse(asked, origin);
  if (url === null || url.origin !== origin) return '/';
  // Dot segments may hide both a second slash and our own prefix, which would lead in a circle.
  if (url.pathname.startsWith('//') || url.pathname.startsWith('/.postern/')) return '/';
  return `${url.pathname}${url.search}`;
}
