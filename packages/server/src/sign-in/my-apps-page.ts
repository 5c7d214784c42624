import { hash } from 'node:crypto';
import type { Asset } from '../pages/assets.ts';
import { type Html, html } from '../pages/html.ts';
import { brand, renderPage } from '../pages/layout.ts';

export interface Tile {
  readonly name: string;
  readonly url: string;
  readonly host: string;
  /** Not: no connector is there that leads to it, or the last request to it got no answer. */
  readonly isReachable: boolean;
  /** An administrator has closed it for a while. */
  readonly isInMaintenance: boolean;
}

export interface MyAppsPage {
  /** Everything that the person may use. */
  readonly tiles: readonly Tile[];
  /** Those of them that were used last, the latest first. */
  readonly recent: readonly Tile[];
  /** What was searched for; the script does it while one types, a form where there is no script. */
  readonly search: string;
  readonly displayName: string;
  readonly changePasswordUrl: string;
  /** Whether there is something for this person in the Admin center. */
  readonly isAdministrator: boolean;
  readonly signOutAction: string;
  readonly domain: string;
}

const script = `
const search = document.getElementById('search');
const tiles = [...document.querySelectorAll('#all > li')];
const nothing = document.getElementById('nothing');
const count = document.getElementById('count');
const recent = document.getElementById('recent');
function filter() {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const tile of tiles) {
    tile.hidden = !words.every(word => tile.dataset.words.includes(word));
    if (!tile.hidden) shown++;
  }
  nothing.hidden = shown > 0;
  if (recent) recent.hidden = words.length > 0;
  count.textContent = shown === 1 ? '1 application' : shown + ' applications';
}
search.addEventListener('input', filter);
search.form.addEventListener('submit', event => {
  event.preventDefault();
  tiles.find(tile => !tile.hidden)?.querySelector('a').click();
});
document.addEventListener('keydown', event => {
  if (event.key === 'Escape' && document.activeElement === search) {
    search.value = '';
    filter();
  }
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || document.activeElement === search) return;
  event.preventDefault();
  search.focus();
  search.select();
});
`;

const scriptPath = `/.postern/assets/my-apps-${hash('sha256', script, 'hex').slice(0, 16)}.js`;

export const myAppsAssets: readonly Asset[] = [
  { path: scriptPath, type: 'text/javascript; charset=utf-8', content: script },
];

export function renderMyApps(page: MyAppsPage): string {
  return renderPage({
    title: 'My Apps · Postern',
    head: page.tiles.length === 0 ? undefined : html`<script src="${scriptPath}" defer></script>`,
    body: html`<header class="bar"><div>
${brand}
<span class="who">${page.displayName}</span>
${page.isAdministrator && html`<a class="small" href="/admin">Admin center</a>`}
<a class="small" href="${page.changePasswordUrl}">Change password</a>
<form method="post" action="${page.signOutAction}"><button class="button second small" type="submit">Sign out</button></form>
</div></header>
<main class="apps">
${page.tiles.length === 0 ? renderEmpty(page) : renderTiles(page)}
</main>`,
  });
}

function renderTiles({ tiles, recent, search }: MyAppsPage): Html {
  const isShown = (tile: Tile) =>
    search
      .toLowerCase()
      .split(/\s+/)
      .every(word => wordsOf(tile).includes(word));
  const shown = tiles.filter(isShown).length;
  return html`<div class="top"><h1>My Apps</h1>
<form class="search" role="search" method="get" action="/"><input id="search" name="search" type="search" value="${search}" placeholder="Search" aria-label="Search applications" aria-keyshortcuts="/" autocomplete="off"></form></div>
${recent.length > 0 && renderRecent(recent, search !== '')}
<p class="quiet small" id="count" aria-live="polite">${shown === 1 ? '1 application' : `${shown} applications`}</p>
<ul class="tiles" id="all">
${tiles.map(
  tile => html`<li data-words="${wordsOf(tile)}"${!isShown(tile) && html` hidden`}>${renderTile(tile)}</li>`,
)}
</ul>
<div class="empty" id="nothing"${shown > 0 && html` hidden`}><h2>Nothing matches</h2><p class="quiet">Search for another part of the name or the address.</p></div>`;
}

function renderRecent(recent: readonly Tile[], isSearching: boolean): Html {
  return html`<section id="recent" aria-labelledby="recent-title"${isSearching && html` hidden`}><h2 id="recent-title">Recently used</h2>
<ul class="tiles">
${recent.map(tile => html`<li>${renderTile(tile)}</li>`)}
</ul></section>`;
}

function renderTile(tile: Tile): Html {
  return html`<a class="tile" href="${tile.url}">
<span class="letter shade-${shadeOf(tile.name)}" aria-hidden="true">${firstLetter(tile.name)}</span>
<span class="about"><span class="name">${tile.name}</span><span class="host">${tile.host}</span>${renderState(tile)}</span></a>`;
}

function renderState({ isInMaintenance, isReachable }: Tile): Html | false {
  if (isInMaintenance) return html`<span class="unreachable">In maintenance</span>`;
  return !isReachable && html`<span class="unreachable">Does not answer right now</span>`;
}

function renderEmpty({ domain }: MyAppsPage): Html {
  return html`<h1>My Apps</h1>
<div class="empty"><h2>No applications yet</h2>
<p class="quiet">Nothing has been assigned to you so far. Ask whoever runs ${domain} for the applications that you need; they appear here as soon as they are yours.</p></div>`;
}

function wordsOf({ name, host }: Tile): string {
  return `${name} ${host}`.toLowerCase();
}

const shades = 8;

/** The same name has the same colour everywhere. */
function shadeOf(name: string): number {
  return hash('sha256', name, 'buffer')[0] % shades;
}

function firstLetter(name: string): string {
  const [first] = new Intl.Segmenter().segment(name.trim());
  return (first?.segment ?? '?').toUpperCase();
}
