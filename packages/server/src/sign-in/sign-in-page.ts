import { html } from '../pages/html.ts';
import { renderCard } from '../pages/layout.ts';
import { describedBy, fieldError } from './provider-pages.ts';
import { maxSignInNameLength } from './sign-in-name.ts';

export interface SignInPage {
  /** Where the form goes. */
  readonly action: string;
  /** What the person is on the way to, so that a fake can be told from the real one. */
  readonly destination: { readonly name: string; readonly host: string | null };
  /** What was typed before. */
  readonly name: string;
  readonly error: string | null;
}

export function renderSignIn({ action, destination, name, error }: SignInPage): string {
  const typed = name !== '';
  return renderCard({
    heading: 'Sign in',
    lead: html`<p class="destination">to continue to <strong>${destination.name}</strong>${
      destination.host !== null && html`<span class="host">${destination.host}</span>`
    }</p>`,
    content: html`<form method="post" action="${action}">
<div class="field">
<label for="username">Name</label>
<input id="username" name="username" type="text" value="${name}" required maxlength="${maxSignInNameLength}" autocomplete="username" autocapitalize="none" spellcheck="false"${!typed && html` autofocus`}>
</div>
<div class="field">
<label for="password">Password</label>
<input id="password" name="password" type="password" required maxlength="1024" autocomplete="current-password"${typed && html` autofocus`}${describedBy(error)}>
${fieldError(error)}
</div>
<button class="button" type="submit">Sign in</button>
</form>`,
    foot: html`${error !== null && html`<p>After several failed attempts a name has to wait for some minutes, whatever is typed.</p>`}
<p>Password forgotten? Your administrator can give you a link to choose a new one.</p>`,
  });
}
