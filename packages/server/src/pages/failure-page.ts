import { hash } from 'node:crypto';
import { type Html, html, trustedMarkup } from './html.ts';
import { brand, renderPage } from './layout.ts';
import { guardedPageHeaders } from './page-headers.ts';
import { stylesheet } from './stylesheet.ts';

/** Where on the way a request failed; null where it did not fail on the way, such as an address that nobody published. */
export type FailedHop = 'client' | 'edge' | 'tunnel' | 'connector' | 'backend';

export interface Failure {
  /** What is the matter, in plain words: "Wiki does not answer right now". */
  readonly title: string;
  readonly hop: FailedHop | null;
  /** One sentence that says what happened. */
  readonly sentence: string;
  /** What to do now, and what to tell the administrator. */
  readonly advice: string;
  readonly requestId: string;
  readonly time: Date;
  readonly applicationName?: string;
  readonly host?: string;
}

/**
 * The page that a person sees when a request could not be served: title, the way as four stations with the failing one
 * marked, what to do, and what to quote. It needs no other address: styles and script are in the page, named by their
 * hashes in {@link failurePageContentSecurityPolicy}.
 */
export function renderFailurePage(failure: Failure): string {
  const { title, hop, sentence, advice, requestId, time, applicationName, host } = failure;
  return renderPage({
    title,
    inlineStyles: stylesheet,
    body: html`<main class="stage wide">
<div class="card">
${brand}
<div class="heading"><h1>${title}</h1><p class="quiet">${sentence}</p></div>
${hop !== null && renderStations(hop)}
<div class="prose"><h2>What to do now</h2><p>${advice}</p></div>
<div class="row"><a class="button" href="">Try again</a></div>
<div class="details">
<dl class="facts">
${applicationName !== undefined && html`<dt>Application</dt><dd>${applicationName}</dd>`}
${host !== undefined && html`<dt>Address</dt><dd class="host">${host}</dd>`}
<dt>Request id</dt><dd class="id" id="request-id">${requestId}</dd>
<dt>Time</dt><dd><time id="time" datetime="${time.toISOString()}">${formatUtc(time)}</time></dd>
</dl>
<button type="button" class="button second small" id="copy" hidden>Copy details</button>
</div>
</div>
</main>
${inlineScript}`,
  });
}

const script = `
const time = document.getElementById('time');
time.textContent = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' }).format(new Date(time.dateTime));
const copy = document.getElementById('copy');
if (navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.getElementById('request-id').textContent + ' ' + time.dateTime + ' ' + location.href);
    copy.textContent = 'Copied';
  });
}
`;
const inlineScript = trustedMarkup(`<script>${script}</script>`);

const source = (content: string) => `'sha256-${hash('sha256', content, 'base64')}'`;

export const failurePageContentSecurityPolicy = [
  "default-src 'none'",
  `style-src ${source(stylesheet)}`,
  `script-src ${source(script)}`,
  'img-src data:',
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

/** The header fields that belong to a failure page. */
export const failurePageHeaders: Readonly<Record<string, string>> = {
  ...guardedPageHeaders,
  'content-security-policy': failurePageContentSecurityPolicy,
};

type StationState = 'reached' | 'failed' | 'unknown';

const stations = ['You', 'Service', 'Connector', 'Application'] as const;

const failedStation: Readonly<Record<FailedHop, number>> = {
  client: 0,
  edge: 1,
  tunnel: 2,
  connector: 2,
  backend: 3,
};

const failedWords: Readonly<Record<FailedHop, string>> = {
  client: 'request refused',
  edge: 'failed here',
  tunnel: 'not connected',
  connector: 'failed here',
  backend: 'no answer',
};

function renderStations(hop: FailedHop): Html {
  const failedIndex = failedStation[hop];
  return html`<ol class="stations" aria-label="The way of your request">
${stations.map((name, index) => {
  const state: StationState = index < failedIndex ? 'reached' : index === failedIndex ? 'failed' : 'unknown';
  const word =
    state === 'failed'
      ? failedWords[hop]
      : state === 'unknown'
        ? 'not reached'
        : index === 0
          ? 'asked'
          : 'reached';
  const link = state === 'failed' && hop === 'tunnel' ? ' link' : '';
  return html`<li class="${state}${link}"><span class="sign">${signs[state]}</span><span class="name">${name}</span><span class="state">${word}</span></li>`;
})}
</ol>`;
}

const sign = (path: string) =>
  trustedMarkup(`<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="${path}"/></svg>`);

const signs: Readonly<Record<StationState, Html>> = {
  reached: sign('M5 13l4.5 4.5L19 7.5'),
  failed: sign('M6 6l12 12M18 6L6 18'),
  unknown: sign('M7 12h10'),
};

function formatUtc(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
