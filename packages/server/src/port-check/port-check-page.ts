import { hash } from 'node:crypto';
import { requiredConnections } from '@postern/protocol/required-connections';
import { type Html, html, trustedMarkup } from '../pages/html.ts';
import { brand, renderPage } from '../pages/layout.ts';
import { stylesheet } from '../pages/stylesheet.ts';
import type { Region } from './regions.ts';

export interface PortCheckPage {
  readonly domain: string;
  /** How this copy is served: browsers let only one in the clear test port 80. */
  readonly scheme: 'http' | 'https';
  /** The copy in the clear; null where there is none. */
  readonly plainUrl: string | null;
  readonly regions: readonly Region[];
  /** Of this service. */
  readonly httpsPort: number;
  readonly httpPort: number | null;
}

/**
 * The page that shows from a browser which ports of which service get out of its network, and what to have opened. It
 * needs no other address but those that it tests: styles and script are in the page.
 */
export function renderPortCheck(page: PortCheckPage): string {
  const { domain, scheme, plainUrl } = page;
  return renderPage({
    title: 'Port check · Postern',
    inlineStyles: styles,
    body: html`<header class="bar"><div>${brand}</div></header>
<main class="check">
<div class="heading">
<h1>Port check</h1>
<p class="quiet">Tests from this browser whether connections to ${domain} get out of the network it is in. Open this page on the machine that is to run a connector, or on one in the same network.</p>
</div>
${scheme === 'https' && plainUrl !== null && renderHttpsNotice(plainUrl, page)}
${renderResults(page)}
<div class="verdict" id="verdict" role="status">
<p data-verdict="running">Testing. A port that is dropped on the way takes some seconds.</p>
<p data-verdict="open" hidden><strong>All that was tested is open.</strong> A connector in this network can reach the service.</p>
<p data-verdict="no-https" hidden><strong>Blocked: <span data-blocked></span>.</strong> A connector in this network cannot reach the service there. Give the list below to whoever runs the firewall; nothing has to be opened inwards. If the browser warns of the certificate at that address, the port is open and the certificate is what needs repair.</p>
<p data-verdict="no-http" hidden><strong>Blocked: <span data-blocked></span>.</strong> A connector works all the same; it loses only the look into the revocation list. Have the port opened when there is a chance.</p>
</div>
<noscript><p class="notice">The test needs JavaScript, which this browser does not run. The list below says what to open; <code>curl -v</code> with each of the addresses shows whether it is.</p></noscript>
${renderRequired(page)}
</main>
${signTemplates}
${inlineScript}`,
  });
}

/** @returns the value of Content-Security-Policy: scripts of ours alone, and connections to what is tested alone. */
export function portCheckContentSecurityPolicy(regions: readonly Region[]): string {
  const origins = regions.flatMap(region => [
    `https://${region.host}:${region.httpsPort}`,
    ...(region.httpPort === null ? [] : [`http://${region.host}:${region.httpPort}`]),
  ]);
  return [
    "default-src 'none'",
    `style-src ${source(styles)}`,
    `script-src ${source(script)}`,
    `connect-src ${[...new Set(origins)].join(' ')}`,
    'img-src data:',
    "form-action 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
}

function renderHttpsNotice(plainUrl: string, { httpPort }: PortCheckPage): Html {
  return html`<div class="notice https">
<p>This copy of the page was opened over https, where browsers forbid a page to test port ${httpPort}.</p>
<a class="button second small" href="${plainUrl}">Test port ${httpPort}, too</a>
</div>`;
}

function renderResults({ regions, scheme }: PortCheckPage): Html {
  return html`<div class="table"><table>
<caption class="hidden">Regions and their ports</caption>
<thead><tr><th scope="col">Region</th><th scope="col">${headingOf(
    'HTTPS',
    regions.map(one => one.httpsPort),
  )}</th><th scope="col">${headingOf(
    'HTTP',
    regions.map(one => one.httpPort),
  )}</th></tr></thead>
<tbody>
${regions.map(
  region => html`<tr>
<th scope="row"><span class="name">${region.name}</span><span class="host">${breakable(region.host)}</span></th>
${renderCell(region, 'https', region.httpsPort, true)}
${region.httpPort === null ? html`<td><span class="result">Not used</span></td>` : renderCell(region, 'http', region.httpPort, scheme === 'http')}
</tr>`,
)}
</tbody></table></div>
<div class="row"><button type="button" class="button second small" id="again" hidden>Test again</button></div>`;
}

/** `Port 443`, where all regions use the same. */
function headingOf(name: string, ports: readonly (number | null)[]): string {
  const [first, ...others] = [...new Set(ports.filter(port => port !== null))];
  return first === undefined || others.length > 0 ? name : `Port ${first}`;
}

/** A host that a narrow column breaks behind its dots. */
function breakable(host: string): Html {
  const [first = '', ...labels] = host.split('.');
  return html`${first}${labels.map(label => html`.<wbr>${label}`)}`;
}

function renderCell({ name, host }: Region, scheme: 'http' | 'https', port: number, isTested: boolean): Html {
  if (!isTested)
    return html`<td><span class="result" data-state="untested">${signs.untested} Not tested here</span></td>`;
  return html`<td><span class="result" data-state="running" data-scheme="${scheme}" data-what="port ${port} of ${name}" data-url="${scheme}://${host}:${port}/.postern/port-check">Testing …</span></td>`;
}

function renderRequired({ domain, httpsPort, httpPort }: PortCheckPage): Html {
  const needed = requiredConnections(domain, httpsPort, httpPort);
  const ports = [httpsPort, ...(httpPort === null ? [] : [httpPort])].join(' and ');
  return html`<section class="open">
<h2>What to open</h2>
<p class="quiet">Outbound, from the connector’s machine. Nothing has to come in. A proxy on the way has to allow CONNECT to these names, and must not open their TLS: the connector shows a certificate of its own.</p>
<div class="table"><table>
<thead><tr><th scope="col">Name</th><th scope="col">Port</th><th scope="col">What for</th></tr></thead>
<tbody>
${needed.map(({ host, port, purpose }) => html`<tr><td class="host">${breakable(host)}</td><td>TCP ${port}</td><td>${purpose}</td></tr>`)}
</tbody></table></div>
<p>For a firewall that knows wildcards, as one line for the ticket:</p>
<div class="ticket"><code id="ticket">*.${domain}, TCP ${ports}, outbound</code><button type="button" class="button second small" id="copy" hidden>Copy</button></div>
<p class="quiet small">The machine itself can tell more than a browser: <code>postern connector doctor --service ${domain}${httpsPort === 443 ? '' : `:${httpsPort}`}</code></p>
</section>`;
}

const script = `
const cells = [...document.querySelectorAll('[data-url]')];
const again = document.getElementById('again');
const verdict = document.getElementById('verdict');
const words = { open: 'Open', blocked: 'Blocked', foreign: 'Something else answers' };

async function look(url) {
  // A packet that is lost once is no firewall.
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const { status } = await fetch(url, {
        cache: 'no-store', credentials: 'omit', mode: 'cors', redirect: 'error', referrerPolicy: 'no-referrer',
        signal: AbortSignal.timeout(6000),
      });
      return status === 204 ? 'open' : 'foreign';
    } catch {}
  }
  return 'blocked';
}

function show(cell, state, text) {
  const sign = document.querySelector('template[data-sign="' + state + '"]');
  cell.dataset.state = state;
  cell.replaceChildren(...(sign ? [sign.content.cloneNode(true)] : []), text);
}

async function test(cell) {
  show(cell, 'running', 'Testing \\u2026');
  const state = await look(cell.dataset.url);
  show(cell, state === 'foreign' ? 'blocked' : state, words[state]);
}

function conclude(name) {
  for (const text of document.querySelectorAll('[data-verdict]')) text.hidden = text.dataset.verdict !== name;
}

async function testAll() {
  again.hidden = false;
  again.disabled = true;
  verdict.dataset.state = '';
  conclude('running');
  await Promise.all(cells.map(test));
  const closed = cells.filter(cell => cell.dataset.state !== 'open');
  const isFatal = closed.some(cell => cell.dataset.scheme === 'https');
  for (const place of document.querySelectorAll('[data-blocked]')) {
    place.textContent = closed.map(cell => cell.dataset.what).join(', ');
  }
  conclude(closed.length === 0 ? 'open' : isFatal ? 'no-https' : 'no-http');
  verdict.dataset.state = closed.length === 0 ? 'good' : isFatal ? 'bad' : 'warning';
  again.disabled = false;
}

again.addEventListener('click', testAll);
// Pages in the clear have no clipboard; there a click on the line selects it.
if (navigator.clipboard) {
  const copy = document.getElementById('copy');
  copy.hidden = false;
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.getElementById('ticket').textContent);
    copy.textContent = 'Copied';
  });
}
testAll();
`;
const inlineScript = trustedMarkup(`<script>${script}</script>`);

const sign = (path: string) =>
  `<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="${path}"/></svg>`;
const paths = {
  open: 'M5 13l4.5 4.5L19 7.5',
  blocked: 'M6 6l12 12M18 6L6 18',
  untested: 'M7 12h10',
} as const;
const signs = { untested: trustedMarkup(sign(paths.untested)) };
const signTemplates = trustedMarkup(
  (['open', 'blocked'] as const)
    .map(state => `<template data-sign="${state}">${sign(paths[state])}</template>`)
    .join('\n'),
);

const ownStyles = `
:root { --warning: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --warning: #e2b34b; } }
.bar > div { max-width: 960px; }
.button:disabled { opacity: 0.55; cursor: default; }
.check { max-width: 960px; margin: 0 auto; padding: 40px 24px 72px; display: grid; gap: 24px; }
.check > * { min-width: 0; }
.check .heading { display: grid; gap: 8px; max-width: 72ch; }
.check .table { background: var(--surface); border: 1px solid var(--line); border-radius: 8px; box-shadow: var(--shadow); overflow-x: auto; }
.check table { border-collapse: collapse; width: 100%; font-size: 14px; line-height: 20px; }
.check th, .check td { text-align: left; padding: 14px 20px; vertical-align: middle; }
.check thead th { color: var(--quiet); font-weight: 600; padding-block: 10px; border-bottom: 1px solid var(--line); }
.check tbody tr + tr > * { border-top: 1px solid var(--line); }
.check tbody th { font-weight: 400; display: grid; }
.check tbody th .name { font-weight: 600; font-size: 16px; line-height: 24px; }
.check tbody th .host { color: var(--quiet); }
.check .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.result { display: inline-flex; align-items: center; gap: 10px; color: var(--quiet); white-space: nowrap; }
.result svg { flex: none; width: 28px; height: 28px; padding: 5px; border-radius: 50%; border: 2px solid var(--edge); fill: none; stroke: currentColor; stroke-width: 3; stroke-linecap: round; stroke-linejoin: round; }
.result[data-state="open"] { color: var(--good); font-weight: 600; }
.result[data-state="open"] svg { background: var(--good); border-color: var(--good); color: var(--surface); }
.result[data-state="blocked"] { color: var(--danger); font-weight: 600; }
.result[data-state="blocked"] svg { background: var(--danger); border-color: var(--danger); color: var(--surface); }
.verdict { max-width: 72ch; border-left: 4px solid var(--edge); padding: 2px 0 2px 16px; }
.verdict[data-state="good"] { border-color: var(--good); }
.verdict[data-state="warning"] { border-color: var(--warning); }
.verdict[data-state="bad"] { border-color: var(--danger); }
.notice.https { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 12px; }
.open { display: grid; gap: 16px; margin-top: 16px; }
.open > * { min-width: 0; }
.open h2 { font-size: 20px; line-height: 28px; }
.open p { max-width: 72ch; }
.open td:nth-child(2) { white-space: nowrap; }
.open td { padding-block: 10px; }
.open td.host { overflow-wrap: normal; }
@media (min-width: 561px) { .open td.host { white-space: nowrap; } .open td.host wbr { display: none; } }
.ticket { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 12px; padding: 12px 16px; background: var(--surface); border: 1px solid var(--line); border-radius: 8px; }
code { font: 14px/20px ui-monospace, "Cascadia Mono", "Segoe UI Mono", "Liberation Mono", monospace; overflow-wrap: anywhere; }
.ticket code { user-select: all; }
@media (max-width: 560px) {
  .check { padding: 24px 16px 48px; }
  .check th, .check td { padding: 12px; }
}
`;
const styles = `${stylesheet}${ownStyles}`;

function source(content: string): string {
  return `'sha256-${hash('sha256', content, 'base64')}'`;
}
