import { hash } from 'node:crypto';
import type { Asset } from '../pages/assets.ts';
import { html } from '../pages/html.ts';
import { renderPage } from '../pages/layout.ts';
import { pageHeaders } from '../pages/page-headers.ts';

/** What became of a renewal: `renewed`, or why not, by OAuth's name or ours. */
export type RenewalOutcome = string;

// Whoever opened the page is told, if it is a page of this very origin: browsers deliver nothing to any other.
const script = `const { outcome } = document.getElementById('renewal').dataset;
const isFramed = window.parent !== window;
const page = isFramed ? window.parent : window.opener;
page?.postMessage({ type: 'postern-renewal', renewed: outcome === 'renewed', reason: outcome }, location.origin);
if (!isFramed && page) window.close();
`;

const scriptPath = `/.postern/assets/renewal-${hash('sha256', script, 'hex').slice(0, 16)}.js`;

export const renewalAssets: readonly Asset[] = [
  { path: scriptPath, type: 'text/javascript; charset=utf-8', content: script },
];

/** The page in which a renewal ends, in a hidden frame or a small window; nobody is meant to read it. */
export function renderRenewal(outcome: RenewalOutcome): string {
  const isRenewed = outcome === 'renewed';
  return renderPage({
    title: 'Signing in · Postern',
    head: html`<script src="${scriptPath}" defer></script>`,
    body: html`<main class="stage"><p class="quiet" id="renewal" data-outcome="${outcome}">${
      isRenewed ? 'You are signed in. This window can be closed.' : 'You are not signed in.'
    }</p></main>`,
  });
}

/** Framed by pages of the same origin, and by no others: a page of somebody else could learn who is signed in. */
export function renewalHeaders(): Record<string, string> {
  const headers = pageHeaders({ script: true });
  return {
    ...headers,
    'x-frame-options': 'SAMEORIGIN',
    'content-security-policy': headers['content-security-policy']!.replace(
      "frame-ancestors 'none'",
      "frame-ancestors 'self'",
    ),
  };
}
