import type { KoaContextWithOIDC } from 'oidc-provider';
import { type Html, html } from '../pages/html.ts';
import { renderCard } from '../pages/layout.ts';
import { type PageHeaderOptions, pageHeaders } from '../pages/page-headers.ts';

/** Answers a request of oidc-provider with a page. */
export function sendPage(
  ctx: Pick<KoaContextWithOIDC, 'set' | 'body'>,
  page: string,
  options?: PageHeaderOptions,
): void {
  ctx.set(pageHeaders(options));
  ctx.body = page;
}

/**
 * What a form may end at whose way leads back to an application. Chrome holds every redirect after a form against
 * form-action: through the provider to the application, which may redirect on to wherever it likes.
 */
export const backToApplications: PageHeaderOptions = { formAction: ['https:', 'http://127.0.0.1:*'] };

/** Where a person enters the code that the command line shows. */
export function renderCodeInput(form: {
  readonly action: string;
  readonly xsrf: string;
  readonly userCode: string;
  readonly error: string | null;
}): string {
  const { action, xsrf, userCode, error } = form;
  return renderCard({
    heading: 'Enter the code',
    lead: html`<p class="quiet">The command line shows a code of eight letters. It lets that command line act in your name.</p>`,
    content: html`<form method="post" action="${action}">
<input type="hidden" name="xsrf" value="${xsrf}">
<div class="field">
<label for="user_code">Code</label>
<input class="code-input" id="user_code" name="user_code" value="${userCode}" placeholder="XXXX-XXXX" maxlength="16" required autofocus autocomplete="off" autocapitalize="characters" spellcheck="false"${describedBy(error)}>
${fieldError(error)}
</div>
<button class="button" type="submit">Continue</button>
</form>`,
    foot: html`<p>Enter a code only if you started this yourself. Nobody who helps you needs it.</p>`,
  });
}

/** Asks whether the code belongs to something that the person started. */
export function renderCodeConfirmation(form: {
  readonly action: string;
  readonly xsrf: string;
  readonly userCode: string;
  readonly clientName: string;
  readonly address: string;
}): string {
  const { action, xsrf, userCode, clientName, address } = form;
  return renderCard({
    heading: 'Is this your code?',
    lead: html`<p class="quiet">${clientName} wants to act in your name. Continue only if you started it and it shows this code.</p>`,
    content: html`<p class="code">${userCode}</p>
<dl class="facts"><dt>Program</dt><dd>${clientName}</dd><dt>Started from</dt><dd class="host">${address}</dd></dl>
<form method="post" action="${action}">
<input type="hidden" name="xsrf" value="${xsrf}">
<input type="hidden" name="user_code" value="${userCode}">
<input type="hidden" name="confirm" value="yes">
<div class="actions">
<button class="button" type="submit">Continue</button>
<button class="button second" type="submit" name="abort" value="yes">It is not mine</button>
</div>
</form>`,
  });
}

export function renderCodeDone(clientName: string): string {
  return renderCard({
    heading: 'Signed in',
    lead: html`<p class="quiet">${clientName} goes on by itself. You can close this page.</p>`,
  });
}

/** Asks before signing somebody out whom another page has sent here. */
export function renderSignOutQuestion(form: { readonly action: string; readonly xsrf: string }): string {
  return renderCard({
    heading: 'Sign out?',
    lead: html`<p class="quiet">This signs you out of every application that you opened in this browser.</p>`,
    content: html`<form method="post" action="${form.action}">
<input type="hidden" name="xsrf" value="${form.xsrf}">
<div class="actions">
<button class="button" type="submit" name="logout" value="yes">Sign out</button>
<button class="button second" type="submit">Stay signed in</button>
</div>
</form>`,
  });
}

export function renderSignedOut(portalUrl: string): string {
  return renderCard({
    heading: 'Signed out',
    lead: html`<p class="quiet">You are signed out of the applications that you opened in this browser.</p>`,
    content: html`<div class="actions"><a class="button" href="${portalUrl}">Sign in again</a></div>`,
  });
}

/** Another account was signed in before: its sign-in must end before the new one goes on. */
export function renderAccountChange(form: { readonly action: string; readonly xsrf: string }): string {
  return renderCard({
    heading: 'Change account',
    lead: html`<p class="quiet">Another account is signed in in this browser. It is signed out before you go on.</p>`,
    content: html`<form method="post" action="${form.action}">
<input type="hidden" name="xsrf" value="${form.xsrf}">
<input type="hidden" name="logout" value="yes">
<button class="button" type="submit">Continue</button>
</form>`,
  });
}

/** What went wrong between a program and the provider, with its code for whoever looks after that program. */
export function renderProviderError(
  error: { readonly code: string; readonly description?: string },
  portalUrl: string,
): string {
  return renderCard({
    heading: 'Sign-in cannot go on',
    lead: html`<p class="quiet">The request that brought you here is not one that this service can answer. It may be old, or the program that made it is set up wrongly.</p>`,
    content: html`<dl class="facts"><dt>Code</dt><dd class="id">${error.code}</dd>
${error.description !== undefined && html`<dt>Detail</dt><dd>${error.description}</dd>`}</dl>
<div class="actions"><a class="button" href="${portalUrl}">Go to My Apps</a></div>`,
    foot: html`<p>If this happens again, give the code and the detail to your administrator.</p>`,
  });
}

/** The sentence beside a field, and the attributes that tie it to the field. */
export function fieldError(error: string | null, id = 'error'): Html | null {
  return error === null ? null : html`<p class="error" id="${id}" role="alert"><span>${error}</span></p>`;
}

export function describedBy(error: string | null, id = 'error'): Html | null {
  return error === null ? null : html` aria-invalid="true" aria-describedby="${id}"`;
}

/** A sign-in that is over, too old, or was begun somewhere else. */
export function renderExpired(portalUrl: string): string {
  return renderCard({
    heading: 'This sign-in is over',
    lead: html`<p class="quiet">It was finished already, took longer than an hour, or was begun in another browser.</p>`,
    content: html`<div class="actions"><a class="button" href="${portalUrl}">Go to My Apps</a></div>`,
    foot: html`<p>To open an application, enter its address again.</p>`,
  });
}
