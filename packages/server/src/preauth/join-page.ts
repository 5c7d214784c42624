import { hash } from 'node:crypto';
import type { Asset } from '../pages/assets.ts';
import { html } from '../pages/html.ts';
import { brand, renderPage } from '../pages/layout.ts';
import { pageHeaders } from '../pages/page-headers.ts';

/** So long the page waits for the other hosts; what takes longer is signed in to when it is opened. */
const waitMs = 5_000;

// Each host is signed in to by its own authorization request, with all that guards it; the browser is signed in at the
// provider, so that nobody sees anything of it. The answers are none of this page's business: no-cors hides them.
const script = `const { origins, next } = document.getElementById('join').dataset;
const signal = AbortSignal.timeout(${waitMs});
const signIn = origin =>
  fetch(origin + '/.postern/sign-in', { mode: 'no-cors', credentials: 'include', cache: 'no-store', signal });
Promise.allSettled(origins.split(' ').map(signIn)).then(() => location.replace(next));
`;

const scriptPath = `/.postern/assets/join-${hash('sha256', script, 'hex').slice(0, 16)}.js`;

export const joinAssets: readonly Asset[] = [
  { path: scriptPath, type: 'text/javascript; charset=utf-8', content: script },
];

/**
 * The page between signing in to a complex application and its own first page: it signs the browser in at the hosts of
 * its other segments, so that their scripts and frames find a session there, and goes on.
 *
 * @param origins Of those hosts.
 * @param next Where the person wanted to go: an address of this host.
 */
export function renderJoin(origins: readonly string[], next: string): string {
  return renderPage({
    title: 'Signing in · Postern',
    head: html`<script src="${scriptPath}" defer></script>`,
    body: html`<main class="stage">
<div class="card" id="join" data-origins="${origins.join(' ')}" data-next="${next}">
${brand}
<div class="heading"><h1>Signing in</h1></div>
<p class="quiet"><a href="${next}">Go on</a></p>
</div>
</main>`,
  });
}

/** @param issuer Origin of the provider, through which the other hosts are signed in to. */
export function joinHeaders(
  origins: readonly string[],
  issuer: string,
  next: string,
): Record<string, string> {
  const headers = pageHeaders({ script: true });
  return {
    ...headers,
    'content-security-policy': `${headers['content-security-policy']}; connect-src ${[...origins, issuer].join(' ')}`,
    // Without script it goes on all the same.
    refresh: `${(2 * waitMs) / 1_000};url=${next}`,
  };
}
