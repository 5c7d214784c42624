import { type Html, html } from '../pages/html.ts';
import { renderCard } from '../pages/layout.ts';
import { describedBy, fieldError } from './provider-pages.ts';

/** What a link to choose a password is for. */
export type InvitationPurpose = 'invite' | 'setup' | 'recover';

const invitationWords: Readonly<Record<InvitationPurpose, { heading: string; lead: string }>> = {
  invite: {
    heading: 'Welcome to Postern',
    lead: 'Choose a password to open the applications you were invited to.',
  },
  setup: { heading: 'Set up Postern', lead: 'Choose the password of the first administrator.' },
  recover: {
    heading: 'Choose a new password',
    lead: 'The old one stops working, and every sign-in with it ends.',
  },
};

export function renderInvitation(form: {
  readonly action: string;
  readonly secret: string;
  readonly purpose: InvitationPurpose;
  readonly userPrincipalName: string;
  readonly minLength: number;
  readonly error: PasswordError | null;
}): string {
  const { heading, lead } = invitationWords[form.purpose];
  return renderCard({
    heading,
    lead: html`<p class="quiet">${lead}</p>`,
    content: html`<form method="post" action="${form.action}">
<input type="hidden" name="secret" value="${form.secret}">
<div class="field">
<label for="username">Name</label>
<input id="username" name="username" type="text" value="${form.userPrincipalName}" readonly autocomplete="username">
</div>
${newPasswordFields(form.minLength, form.error, true)}
<button class="button" type="submit">Save password</button>
</form>`,
  });
}

export function renderInvitationOver(): string {
  return renderCard({
    heading: 'This link does not work any more',
    lead: html`<p class="quiet">Each link works once and for a limited time, and a newer link replaces an older one.</p>`,
    foot: html`<p>Ask your administrator for a new link.</p>`,
  });
}

export function renderPasswordSaved(portalUrl: string): string {
  return renderCard({
    heading: 'Password saved',
    lead: html`<p class="quiet">Sign in with it from now on.</p>`,
    content: html`<div class="actions"><a class="button" href="${portalUrl}">Go to My Apps</a></div>`,
  });
}

export function renderChangePassword(form: {
  readonly action: string;
  readonly name: string;
  readonly minLength: number;
  /** Beside the current password. */
  readonly credentialsError: string | null;
  readonly error: PasswordError | null;
}): string {
  const { action, name, minLength, credentialsError, error } = form;
  const id = 'credentials-error';
  return renderCard({
    heading: 'Change password',
    lead: html`<p class="quiet">Every sign-in with the old password ends.</p>`,
    content: html`<form method="post" action="${action}">
<div class="field">
<label for="username">Name</label>
<input id="username" name="username" type="text" value="${name}" required autocomplete="username" autocapitalize="none" spellcheck="false">
</div>
<div class="field">
<label for="password">Current password</label>
<input id="password" name="password" type="password" required autocomplete="current-password"${describedBy(credentialsError, id)}>
${fieldError(credentialsError, id)}
</div>
${newPasswordFields(minLength, error, false)}
<button class="button" type="submit">Change password</button>
</form>`,
  });
}

/** Why a new password was not taken, and beside which of the two fields that stands. */
export interface PasswordError {
  readonly field: 'new' | 'again';
  readonly message: string;
}

function newPasswordFields(minLength: number, error: PasswordError | null, autofocus: boolean): Html {
  const newError = error?.field === 'new' ? error.message : null;
  const againError = error?.field === 'again' ? error.message : null;
  return html`<div class="field">
<label for="new-password">New password</label>
<input id="new-password" name="newPassword" type="password" required maxlength="1024" autocomplete="new-password"${autofocus && html` autofocus`}${describedBy(newError, 'new-error') ?? html` aria-describedby="new-help"`}>
${
  fieldError(newError, 'new-error') ??
  html`<p class="help" id="new-help">At least ${minLength} characters; four or five words do well.</p>`
}
</div>
<div class="field">
<label for="again">New password again</label>
<input id="again" name="again" type="password" required maxlength="1024" autocomplete="new-password"${describedBy(againError, 'again-error')}>
${fieldError(againError, 'again-error')}
</div>`;
}
