import { type Html, trustedMarkup } from './html.ts';

/** An arched door, slightly open: one path, one colour, clear at 16 pixels. */
const path =
  'M3 22V10.5a9 9 0 0 1 18 0V22h-3V10.5a6 6 0 0 0-9.2-5.07L15 9.2V22l-7.5-2.6V10.5c0-1 .25-1.95.7-2.8L6.5 8.2a6 6 0 0 0-.5 2.3V22z';

export const mark: Html = trustedMarkup(
  `<svg class="mark" viewBox="0 0 24 24" width="28" height="28" aria-hidden="true" focusable="false"><path d="${path}"/></svg>`,
);

/** The mark as the page's icon, in the page itself: an application's host has no address of ours to load it from. */
export const iconUrl = `data:image/svg+xml,${encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="#0F6B5C" d="${path}"/></svg>`,
)}`;
