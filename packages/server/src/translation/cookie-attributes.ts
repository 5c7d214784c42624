const semicolon = 0x3b;
const equals = 0x3d;

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
  let hasHttpOnly = false;
  let hasSecure = false;
  for (let start = pairEnd + 1; start < value.length; ) {
    const end = endOfPart(value, start);
    if (isNamed(value, start, end, 'httponly')) hasHttpOnly = true;
    else if (isNamed(value, start, end, 'secure')) hasSecure = true;
    start = end + 1;
  }
  const addsIt = addsHttpOnly && !hasHttpOnly && !isReadByScripts(value.slice(0, nameEnd));
  if (!addsIt && hasSecure) return value;
  return withoutTail(value, pairEnd) + (addsIt ? '; HttpOnly' : '') + (hasSecure ? '' : '; Secure');
}

function isReadByScripts(name: string): boolean {
  return /[xc]srf/i.test(name);
}

/** Whether the attribute in value[start, end) is called so, whatever it is set to. */
function isNamed(value: string, start: number, end: number, name: string): boolean {
  let at = start;
  while (at < end && isSpace(value.charCodeAt(at))) at++;
  if (end - at < name.length) return false;
  // `| 0x20` makes letters small, and no other character of a name a letter.
  for (let index = 0; index < name.length; index++) {
    if ((value.charCodeAt(at + index) | 0x20) !== name.charCodeAt(index)) return false;
  }
  at += name.length;
  while (at < end && isSpace(value.charCodeAt(at))) at++;
  return at === end || value.charCodeAt(at) === equals;
}

/** Without the semicolons and white space that it ends in, or ours would come after an empty attribute. */
function withoutTail(value: string, pairEnd: number): string {
  let end = value.length;
  while (end > pairEnd && (value.charCodeAt(end - 1) === semicolon || isSpace(value.charCodeAt(end - 1))))
    end--;
  return end === value.length ? value : value.slice(0, end);
}

function isSpace(char: number): boolean {
  return char === 0x20 || char === 0x09;
}

function endOfPart(value: string, start: number): number {
  const end = value.indexOf(';', start);
  return end < 0 ? value.length : end;
}
