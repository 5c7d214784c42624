const semicolon = 0x3b;

/**
 * A backend's cookie with the attributes that it should have had: Secure, because the outside is HTTPS alone, and HttpOnly
 * where the application is set so. An attribute that is there, in whatever case, is not added again; a field that sets no
 * cookie (RFC 6265 §5.2) stays as it is.
 *
 * Cookies against forgery keep out of HttpOnly: pages read them by script to send them back in a field (`XSRF-TOKEN`,
 * `csrftoken`, `_xsrf`), and would fail without.
 *
 * @param value Without white space around it.
 */
export function withCookieAttributes(value: string, addsHttpOnly: boolean): string {
  const nameEnd = value.indexOf('=');
  const pairEnd = endOfPart(value, 0);
  if (nameEnd <= 0 || nameEnd > pairEnd) return value;
  const wantsHttpOnly = addsHttpOnly && !isReadByScripts(value.slice(0, nameEnd));
  let hasHttpOnly = false;
  let hasSecure = false;
  for (let start = pairEnd + 1; start < value.length; ) {
    const end = endOfPart(value, start);
    const name = attributeName(value.slice(start, end));
    if (name === 'httponly') hasHttpOnly = true;
    else if (name === 'secure') hasSecure = true;
    start = end + 1;
  }
  const added = `${wantsHttpOnly && !hasHttpOnly ? '; HttpOnly' : ''}${hasSecure ? '' : '; Secure'}`;
  return added === '' ? value : withoutTail(value, pairEnd) + added;
}

function isReadByScripts(name: string): boolean {
  const lower = name.toLowerCase();
  return lower.includes('xsrf') || lower.includes('csrf');
}

function attributeName(part: string): string {
  const equals = part.indexOf('=');
  return (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
}

/** Without the semicolons and white space that it ends in, or ours would come after an empty attribute. */
function withoutTail(value: string, pairEnd: number): string {
  let end = value.length;
  while (end > pairEnd && (value.charCodeAt(end - 1) === semicolon || /\s/.test(value[end - 1]!))) end--;
  return value.slice(0, end);
}

function endOfPart(value: string, start: number): number {
  const end = value.indexOf(';', start);
  return end < 0 ? value.length : end;
}
