import { html } from '../pages/html.ts';
import { renderCard } from '../pages/layout.ts';

/** Asks before signing out somebody who followed a link. */
export function renderSignOut(action: string): string {
  return renderCard({
    heading: 'Sign out?',
    lead: html`<p class="quiet">This signs you out of every application that you opened in this browser.</p>`,
    content: html`<form method="post" action="${action}"><div class="actions">
<button class="button" type="submit">Sign out</button>
<a class="button second" href="/">Stay signed in</a>
</div></form>`,
  });
}

/** @param signInPath Where signing in begins again. */
export function renderSignInFailed(signInPath: string, code: string): string {
  return renderCard({
    heading: 'Sign-in did not work',
    lead: html`<p class="quiet">Your browser came back without what it was given when this sign-in began, or it took too long. That happens when cookies are blocked for this site, or with an address that was bookmarked in between.</p>`,
    content: html`<div class="actions"><a class="button" href="${signInPath}">Sign in again</a></div>
<dl class="facts"><dt>Code</dt><dd class="id">${code}</dd></dl>`,
    foot: html`<p>If it happens again, allow cookies for this site or tell your administrator the code.</p>`,
  });
}

export function renderAccountDisabled(): string {
  return renderCard({
    heading: 'This account cannot be used',
    lead: html`<p class="quiet">It was disabled while you were signing in.</p>`,
    foot: html`<p>Ask your administrator.</p>`,
  });
}
