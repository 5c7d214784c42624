import { type Html, html } from '../pages/html.ts';
import { renderCard } from '../pages/layout.ts';
import { iconUrl } from '../pages/mark.ts';
import { guardedPageHeaders } from '../pages/page-headers.ts';
import type { PortalFiles } from './portal-files.ts';

/** Where the files of the Admin center are served. Their names change with their content. */
export const assetPrefix = '/admin/assets/';

/**
 * The one document of the Admin center; its script draws the rest.
 *
 * @param nonce Of this answer alone; the script reads it from the document for the style elements that it makes.
 * @param httpPort Where plain HTTP is answered, which the script cannot know from its own address; null where it is not.
 */
export function renderAdminPage(
  { script, stylesheet }: PortalFiles,
  nonce: string,
  httpPort: number | null,
): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="style-nonce" nonce="${nonce}">
<meta name="plain-http-port" content="${httpPort ?? ''}">
<title>Admin center · Postern</title>
<link rel="icon" href="${iconUrl}">
<link rel="stylesheet" href="${assetPrefix}${stylesheet}">
<script type="module" src="${assetPrefix}${script}"></script>
</head>
<body>
<div id="root">${waiting}</div>
</body>
</html>
`.markup;
}

const waiting: Html = html`<main class="waiting"><p>Loading the Admin center …</p>
<noscript><p>The Admin center needs JavaScript. Without it, use the command line: <code>postern --help</code>.</p></noscript></main>`;

/** What a working copy answers that has not been built. */
export function renderNotBuilt(): string {
  return renderCard({
    heading: 'The Admin center is not built yet',
    lead: html`<p class="quiet">This service runs from its sources, and the pages of the Admin center are built from theirs.</p>`,
    content: html`<p>Run <code class="id">npm run build:portal</code> in the repository and start the service again.</p>`,
  });
}

/**
 * Header fields of the page. Styles are allowed to the stylesheet and to elements with the nonce; scripts only to files of
 * our own, and nothing may turn text into markup (Trusted Types, where a browser has them). Never framed, never cached.
 *
 * @param formAction Origins besides our own that the sign-out form may end at.
 */
export function adminPageHeaders(nonce: string, formAction: readonly string[]): Record<string, string> {
  return {
    ...guardedPageHeaders,
    'content-security-policy': [
      "default-src 'none'",
      "script-src 'self'",
      `style-src 'self' 'nonce-${nonce}'`,
      "img-src 'self' data:",
      "connect-src 'self'",
      ["form-action 'self'", ...formAction].join(' '),
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ].join('; '),
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
  };
}
