import { fieldIds } from '../http1/fields.ts';
import { type FoundLink, findLinkFieldLinks, findPolicyLinks, findRefreshLink } from './link-values.ts';
import { LinkMatcher, type PublishedAddress, type PublishedLinks } from './published-links.ts';

/** Fields of an answer that name addresses, beside Set-Cookie. */
export const linkFieldIds = [
  fieldIds.location,
  fieldIds.contentLocation,
  fieldIds.refresh,
  fieldIds.link,
  fieldIds.contentSecurityPolicy,
  fieldIds.contentSecurityPolicyReportOnly,
  fieldIds.accessControlAllowOrigin,
] as const;

/** A field of an answer with its links to published internal addresses turned outwards. */
export function translateLinkField(
  id: number,
  value: string,
  own: PublishedAddress,
  links: PublishedLinks,
): string {
  const matcher = new LinkMatcher(links, own);
  switch (id) {
    case fieldIds.refresh:
      return replaceLinks(value, found => findRefreshLink(value, matcher, found));
    case fieldIds.link:
      return replaceLinks(value, found => findLinkFieldLinks(value, matcher, found));
    case fieldIds.contentSecurityPolicy:
    case fieldIds.contentSecurityPolicyReportOnly:
      return replaceLinks(value, found => findPolicyLinks(value, matcher, found));
    case fieldIds.accessControlAllowOrigin:
      return matcher.matchesOrigin(value) ? matcher.replacement : value;
    default:
      if (!matcher.matches(value) && !matcher.matchesOwnOrigin(value)) return value;
      return value.slice(0, matcher.start) + matcher.replacement + value.slice(matcher.end);
  }
}

function replaceLinks(value: string, find: (found: FoundLink) => void): string {
  let translated = '';
  let from = 0;
  find((start, end, replacement) => {
    translated += value.slice(from, start) + replacement;
    from = end;
  });
  return from === 0 ? value : translated + value.slice(from);
}
