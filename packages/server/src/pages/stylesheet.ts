import { hash } from 'node:crypto';

/**
 * The one stylesheet of every page that the service writes itself. Colours come in pairs for light and dark grounds,
 * each at least 4.5 : 1 on its ground; nothing is said by colour alone.
 */
export const stylesheet = `
:root {
  color-scheme: light dark;
  --ground: #faf9f7; --surface: #fff; --text: #1b1f24; --quiet: #5a6169; --line: #e3e0da; --edge: #8a8f96;
  --accent: #0f6b5c; --on-accent: #fff; --accent-strong: #0b5548; --danger: #b3261e; --danger-ground: #fdf3f2;
  --good: #1e7b3a; --shadow: 0 1px 2px rgb(27 31 36 / 6%), 0 8px 24px rgb(27 31 36 / 6%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --surface: #1d2226; --text: #ecebe8; --quiet: #a4abb3; --line: #30363c; --edge: #767e87;
    --accent: #4fc3ae; --on-accent: #0c1f1b; --accent-strong: #74d3c1; --danger: #f2867e; --danger-ground: #2b1f20;
    --good: #6ccb87; --shadow: 0 1px 2px rgb(0 0 0 / 30%), 0 8px 24px rgb(0 0 0 / 25%);
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; background: var(--ground); color: var(--text);
  font: 16px/24px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: break-word;
}
h1 { margin: 0; font-size: 28px; line-height: 36px; font-weight: 600; letter-spacing: -0.01em; text-wrap: balance; }
h2 { margin: 0; font-size: 16px; line-height: 24px; font-weight: 600; }
p { margin: 0; }
a { color: var(--accent); text-underline-offset: 3px; }
a:hover { color: var(--accent-strong); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.host, .id { font-family: ui-monospace, "Cascadia Mono", "Segoe UI Mono", "Liberation Mono", monospace; font-size: 14px; overflow-wrap: anywhere; }
.quiet { color: var(--quiet); }
.small { font-size: 14px; line-height: 20px; }
.mark { fill: var(--accent); flex: none; display: block; }
.brand { display: flex; align-items: center; gap: 10px; font-weight: 600; font-size: 18px; }

.stage { min-height: 100vh; min-height: 100dvh; display: grid; grid-template-columns: minmax(0, 440px); justify-content: center; align-content: center; gap: 24px; padding: 32px 20px; }
.card { background: var(--surface); border: 1px solid var(--line); border-radius: 8px; box-shadow: var(--shadow); padding: 36px 40px 40px; display: grid; gap: 24px; min-width: 0; }
.card > * { min-width: 0; }
.card .heading { display: grid; gap: 8px; }
.destination { color: var(--quiet); }
.destination strong { color: var(--text); font-weight: 600; }
.destination .host { display: block; }
.foot { text-align: center; color: var(--quiet); font-size: 14px; line-height: 20px; padding: 0 8px; }
.foot p, .empty p { text-wrap: balance; }
.foot p + p { margin-top: 8px; }

form { margin: 0; display: grid; gap: 20px; }
.field { display: grid; gap: 6px; }
label { font-weight: 600; font-size: 14px; line-height: 20px; }
input { font: inherit; color: inherit; width: 100%; min-height: 44px; padding: 9px 12px; background: var(--ground); border: 1px solid var(--edge); border-radius: 8px; }
input:hover { border-color: var(--quiet); }
input:focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; border-radius: 8px; border-color: var(--accent); }
input[aria-invalid="true"] { border-color: var(--danger); border-width: 2px; padding: 8px 11px; }
.help { color: var(--quiet); font-size: 14px; line-height: 20px; }
.error { color: var(--danger); font-size: 14px; line-height: 20px; display: flex; gap: 8px; }
.error::before { content: "!"; flex: none; width: 18px; height: 18px; margin-top: 1px; border-radius: 50%; background: var(--danger); color: var(--surface); font-size: 13px; line-height: 18px; font-weight: 700; text-align: center; }
.notice { border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; background: var(--ground); font-size: 14px; line-height: 20px; }
.code { font: 600 26px/32px ui-monospace, "Cascadia Mono", "Segoe UI Mono", "Liberation Mono", monospace; letter-spacing: 0.06em; text-align: center; padding: 16px 8px; background: var(--ground); border: 1px solid var(--line); border-radius: 8px; }
.code-input { font: 600 22px/28px ui-monospace, "Cascadia Mono", "Segoe UI Mono", "Liberation Mono", monospace; letter-spacing: 0.06em; text-transform: uppercase; text-align: center; }
dl.facts { margin: 0; display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 4px 16px; font-size: 14px; line-height: 20px; }
dl.facts dt { color: var(--quiet); }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }

.button { font: inherit; font-weight: 600; min-height: 44px; padding: 9px 20px; border-radius: 8px; border: 1px solid var(--accent); background: var(--accent); color: var(--on-accent); cursor: pointer; text-align: center; text-decoration: none; display: inline-block; }
.button:hover { background: var(--accent-strong); border-color: var(--accent-strong); color: var(--on-accent); }
.button:focus-visible { outline-offset: 3px; border-radius: 8px; }
.button.second { background: transparent; color: var(--text); border-color: var(--edge); }
.button.second:hover { background: var(--ground); border-color: var(--quiet); color: var(--text); }
.button.small { min-height: 32px; padding: 5px 12px; font-size: 14px; line-height: 20px; }
.actions { display: grid; gap: 12px; }

.stage.wide { grid-template-columns: minmax(0, 720px); }
.stage.wide .card { padding: 36px 40px; gap: 28px; }
.stations { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(4, 1fr); }
.stations li { position: relative; display: grid; justify-items: center; gap: 4px; text-align: center; padding: 0 6px; font-size: 14px; line-height: 20px; min-width: 0; }
.stations li + li::before { content: ""; position: absolute; top: 17px; right: calc(50% + 24px); left: calc(-50% + 24px); border-top: 2px solid var(--edge); }
.stations li.reached + li::before { border-color: var(--good); }
.stations li.reached + li.failed.link::before, .stations li.unknown::before { border-top-style: dashed; border-color: var(--edge); }
.stations li.reached + li.failed.link::before { border-color: var(--danger); }
.stations .sign { width: 36px; height: 36px; border-radius: 50%; border: 2px solid var(--edge); display: grid; place-items: center; color: var(--quiet); background: var(--surface); }
.stations .sign svg { width: 18px; height: 18px; fill: none; stroke: currentColor; stroke-width: 2.5; stroke-linecap: round; stroke-linejoin: round; display: block; }
.stations .reached .sign { border-color: var(--good); color: var(--good); }
.stations .failed .sign { border-color: var(--danger); background: var(--danger); color: var(--surface); }
.stations .name { font-weight: 600; }
.stations .state { color: var(--quiet); }
.stations .failed .state { color: var(--danger); font-weight: 600; }
.details { border-top: 1px solid var(--line); padding-top: 20px; display: flex; flex-wrap: wrap; align-items: end; justify-content: space-between; gap: 16px; }
.prose { display: grid; gap: 8px; max-width: 72ch; }
.row { display: flex; flex-wrap: wrap; gap: 12px; }

.bar { background: var(--surface); border-bottom: 1px solid var(--line); }
.bar > div { max-width: 1120px; margin: 0 auto; padding: 12px 24px; display: flex; align-items: center; gap: 20px; }
.bar .who { margin-left: auto; color: var(--quiet); font-size: 14px; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bar form { flex: none; }
.apps { max-width: 1120px; margin: 0 auto; padding: 32px 24px 64px; display: grid; gap: 24px; }
.apps .top { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 16px; }
.apps .search { flex: 0 1 320px; min-width: 220px; }
.tiles { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 16px; }
.tile { display: flex; align-items: center; gap: 16px; height: 100%; padding: 16px; background: var(--surface); border: 1px solid var(--line); border-radius: 8px; color: inherit; text-decoration: none; }
.tile:hover { border-color: var(--accent); color: inherit; box-shadow: var(--shadow); }
.tile:focus-visible { border-radius: 8px; }
.tile .letter { flex: none; width: 44px; height: 44px; border-radius: 8px; display: grid; place-items: center; font-size: 20px; font-weight: 600; color: #fff; }
.tile .about { min-width: 0; display: grid; }
.tile .name { font-weight: 600; overflow-wrap: anywhere; }
.tile .host { color: var(--quiet); font-size: 13px; line-height: 18px; }
.tile .unreachable { color: var(--danger); font-size: 13px; line-height: 18px; }
#recent { display: grid; gap: 12px; }
#recent h2 { font-size: 16px; line-height: 24px; }
.shade-0 { background: #0f6b5c; } .shade-1 { background: #3557a5; } .shade-2 { background: #8a4b08; } .shade-3 { background: #7a3a86; }
.shade-4 { background: #a3323f; } .shade-5 { background: #2f6a2c; } .shade-6 { background: #4d5a66; } .shade-7 { background: #1f6585; }
.empty { border: 1px dashed var(--edge); border-radius: 8px; padding: 40px 24px; text-align: center; display: grid; gap: 8px; justify-items: center; }
[hidden] { display: none !important; }

@media (max-width: 560px) {
  .stage { align-content: start; padding: 16px 12px 32px; }
  .card, .stage.wide .card { padding: 28px 20px; }
  h1 { font-size: 24px; line-height: 32px; }
  .stations { grid-template-columns: 1fr; gap: 20px; }
  .stations li { grid-template-columns: 36px 1fr; justify-items: start; text-align: left; column-gap: 16px; row-gap: 0; padding: 0; }
  .stations .sign { grid-row: 1 / span 2; }
  .stations .name { align-self: end; } .stations .state { align-self: start; }
  .stations li:not(:has(.state)) .name { grid-row: 1 / span 2; align-self: center; }
  .stations li + li::before { top: -18px; left: 17px; right: auto; height: 16px; border-top: 0 !important; border-left: 2px solid var(--edge); }
  .stations li.reached + li::before { border-left-color: var(--good); }
  .stations li.unknown::before, .stations li.reached + li.failed.link::before { border-left-style: dashed; }
  .stations li.reached + li.failed.link::before { border-left-color: var(--danger); }
  .bar > div { padding: 10px 16px; gap: 12px; }
  .bar .brand span { display: none; }
  .apps { padding: 24px 16px 48px; }
  .apps .search { flex-basis: 100%; }
}
@media (forced-colors: active) { .button, .tile, input { border: 1px solid; } .mark { fill: CanvasText; } }
@media print { .button, form { display: none; } .card { box-shadow: none; } }
`
  .trim()
  .concat('\n');

/** Where the stylesheet is served on every host: its name changes with its content, so that it may be kept for ever. */
export const stylesheetPath = `/.postern/assets/postern-${hash('sha256', stylesheet, 'hex').slice(0, 16)}.css`;
