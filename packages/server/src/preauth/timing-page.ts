import { html } from '../pages/html.ts';
import { renderCard } from '../pages/layout.ts';

/** @param until Until when timings are on; null: they are off. */
export function renderTimings(host: string, until: Date | null): string {
  const time = until
    ?.toISOString()
    .replace(/:\d\d\.\d+Z$/, ' UTC')
    .replace('T', ', ');
  return renderCard({
    heading: until === null ? 'Timings are off' : 'Timings are on',
    lead:
      until === null
        ? html`<p class="quiet">Answers of ${host} to this browser say nothing of how long each hop took.</p>`
        : html`<p class="quiet">Until ${time}, answers of ${host} to this browser, and to nobody else, say how long each hop took. Open the network tab of the browser’s developer tools, reload the application, and look at “Timing”.</p>`,
    content: html`<div class="actions"><a class="button" href="/">Open the application</a>
<a class="button second" href="${until === null ? '?on' : '?off'}">${until === null ? 'Turn timings on' : 'Turn timings off'}</a></div>`,
  });
}

export function renderTimingsNeedSession(signInPath: string): string {
  return renderCard({
    heading: 'Sign in first',
    lead: html`<p class="quiet">Timings are for administrators who are signed in to this application. Sign in, then open this address again.</p>`,
    content: html`<div class="actions"><a class="button" href="${signInPath}">Sign in</a></div>`,
  });
}

export function renderTimingsRefused(): string {
  return renderCard({
    heading: 'Timings are for administrators',
    lead: html`<p class="quiet">How long each hop takes tells something about the private network. You hold no role that may see it.</p>`,
    foot: html`<p>If the application is slow, tell your administrator when, and at which address.</p>`,
  });
}
