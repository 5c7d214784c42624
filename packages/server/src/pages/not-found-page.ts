import { html } from './html.ts';
import { renderCard } from './layout.ts';

/** The page for an address that belongs to nothing. */
export function renderNotFound(): string {
  return renderCard({
    heading: 'There is nothing here',
    lead: html`<p class="quiet">No application is published at this address, or the address is not complete.</p>`,
    foot: html`<p>Compare it with the one you were given, or ask your administrator.</p>`,
  });
}
