/**
 * Values of custom header fields: text with claims in braces, such as `{user.displayName}`. `{{` and `}}` stand for braces.
 * The admin API checks them and the relay fills them in, so both read them here.
 */

/** What a template may name, and what it stands for. */
export const templateClaims = {
  'user.userPrincipalName': 'the sign-in name',
  'user.displayName': 'the display name',
  'user.mail': 'the mail address, where the account has one',
  'user.id': 'the account’s id, which never changes',
  'user.groups': 'ids of the person’s groups, separated by commas',
  'application.id': 'the application’s id',
  'request.id': 'the request id, as failure pages and logs show it',
  'client.address': 'the address that the request came from',
} as const;

export type TemplateClaim = keyof typeof templateClaims;

/** A piece of a template: text as it stands, or a claim to be filled in. */
export type TemplatePart = string | { readonly claim: TemplateClaim };

/**
 * Takes a template apart.
 *
 * @returns the parts, or what is wrong with it, in words that follow "the value".
 */
export function parseHeaderTemplate(
  template: string,
): readonly TemplatePart[] | { readonly problem: string } {
  const parts: TemplatePart[] = [];
  let text = '';
  for (let at = 0; at < template.length; at++) {
    const char = template[at]!;
    if (char !== '{' && char !== '}') {
      text += char;
      continue;
    }
    if (template[at + 1] === char) {
      text += char;
      at += 1;
      continue;
    }
    if (char === '}') return { problem: 'has a } without its {; write }} for the character itself' };
    const end = template.indexOf('}', at);
    if (end < 0) return { problem: 'has a { without its }; write {{ for the character itself' };
    const name = template.slice(at + 1, end);
    if (!isClaim(name)) return { problem: `names {${name}}, which is none of ${claimList}` };
    if (text !== '') parts.push(text);
    text = '';
    parts.push({ claim: name });
    at = end;
  }
  if (text !== '' || parts.length === 0) parts.push(text);
  return parts;
}

const claimList = Object.keys(templateClaims)
  .map(name => `{${name}}`)
  .join(', ');

function isClaim(name: string): name is TemplateClaim {
  return Object.hasOwn(templateClaims, name);
}
