import { type Html, html, trustedMarkup } from './html.ts';
import { iconUrl, mark } from './mark.ts';
import { stylesheetPath } from './stylesheet.ts';

export interface Page {
  /** Shown in the browser's tab; the page's own heading is part of its body. */
  readonly title: string;
  readonly body: Html;
  /** Elements for the end of the head, such as a script from our own origin. */
  readonly head?: Html;
  /** Styles in the page itself rather than the address of the stylesheet, for pages that have no address of ours. */
  readonly inlineStyles?: string;
}

/** A whole HTML document. */
export function renderPage({ title, body, head, inlineStyles }: Page): string {
  const styles =
    inlineStyles === undefined
      ? html`<link rel="stylesheet" href="${stylesheetPath}">`
      : trustedMarkup(`<style>${inlineStyles}</style>`);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title}</title>
<link rel="icon" href="${iconUrl}">
${styles}${head}
</head>
<body>
${body}
</body>
</html>
`.markup;
}

export interface Card {
  /** The heading, and the page's title. */
  readonly heading: string;
  /** Markup below the heading that says more about it. */
  readonly lead?: Html;
  readonly content?: Html;
  /** Quiet text below the card. */
  readonly foot?: Html;
}

/** A page that is one card: sign-in, invitations, confirmations, errors. */
export function renderCard({ heading, lead, content, foot }: Card): string {
  return renderPage({
    title: `${heading} · Postern`,
    body: html`<main class="stage">
<div class="card">
${brand}
<div class="heading"><h1>${heading}</h1>${lead}</div>
${content}
</div>
${foot && html`<div class="foot">${foot}</div>`}
</main>`,
  });
}

export const brand: Html = html`<div class="brand">${mark}<span>Postern</span></div>`;
