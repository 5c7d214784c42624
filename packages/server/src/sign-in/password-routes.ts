import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import { DirectoryError } from '../directory/directory-error.ts';
import { setPasswordHash } from '../directory/users.ts';
import { pageHeaders } from '../pages/page-headers.ts';
import { findOpenInvitation, type Invitation } from '../store/invitations.ts';
import { findUser, type UserRow } from '../store/users.ts';
import * as events from '../telemetry/events.ts';
import { clientAddress } from './client-address.ts';
import { checkCredentials, refusal } from './credentials.ts';
import { formField, isFromOwnPage, sendHtml } from './form-post.ts';
import { hashInvitationSecret, redeemInvitation, setUpPath } from './invitations.ts';
import {
  type InvitationPurpose,
  type PasswordError,
  renderChangePassword,
  renderInvitation,
  renderInvitationOver,
  renderPasswordSaved,
} from './password-pages.ts';
import { passwordObjection } from './password-rules.ts';
import { issuerOf, portalUrlOf } from './provider.ts';
import type { SignIn } from './sign-in.ts';
import { SignInError } from './sign-in-error.ts';

/** The page of the login host where people change their own password. */
export const changePasswordPath = '/password';

/** The page that an invitation leads to, and the one where people change their own password. */
export function registerPasswords(
  scope: FastifyInstance,
  signIn: SignIn,
  options: RouteShorthandOptions,
): void {
  scope.get(
    setUpPath,
    options,
    async (request: FastifyRequest<{ Querystring: { secret?: unknown } }>, reply) => {
      const secret = typeof request.query.secret === 'string' ? request.query.secret : '';
      const invited = await findInvited(signIn, secret);
      // Only shown: programs that read mail follow links too, and must not use them up.
      return invited === null ? sendOver(reply) : sendInvitation(signIn, reply, invited, secret, null);
    },
  );

  scope.post(setUpPath, options, async (request, reply) => {
    const secret = formField(request, 'secret');
    const invited = await findInvited(signIn, secret);
    if (invited === null) return sendOver(reply);
    const objection = newPasswordObjection(signIn, request, [invited.user.userPrincipalName]);
    if (objection !== null) return sendInvitation(signIn, reply, invited, secret, objection);
    const passwordHash = await hashNewPassword(signIn, request);
    if (passwordHash === null) return sendInvitation(signIn, reply, invited, secret, busy);
    const { secretHash } = invited.invitation;
    if (!(await redeemInvitation(signIn.directory, { secretHash, passwordHash }))) return sendOver(reply);
    recordNewPassword(signIn, request, invited.user.id);
    return sendSaved(signIn, reply);
  });

  scope.get(changePasswordPath, options, (_request, reply) => sendChange(signIn, reply, { name: '' }));

  scope.post(changePasswordPath, options, async (request, reply) => {
    const name = formField(request, 'username');
    if (!isFromOwnPage(request, issuerOf(signIn.config))) return sendChange(signIn, reply, { name: '' });
    const error = newPasswordObjection(signIn, request, [name]);
    if (error !== null) return sendChange(signIn, reply, { name, error });
    const account = await checkCurrent(signIn, request, name);
    if (account === 'busy') return sendChange(signIn, reply, { name, error: busy });
    if (account === null) return sendChange(signIn, reply, { name, credentialsError: refusal });
    const passwordHash = await hashNewPassword(signIn, request);
    if (passwordHash === null) return sendChange(signIn, reply, { name, error: busy });
    if (!(await replacePassword(signIn, account, passwordHash))) {
      return sendChange(signIn, reply, { name, credentialsError: refusal });
    }
    recordNewPassword(signIn, request, account.id);
    return sendSaved(signIn, reply);
  });
}

interface Invited {
  readonly invitation: Invitation;
  readonly user: UserRow;
}

async function findInvited({ db, now }: SignIn, secret: string): Promise<Invited | null> {
  if (!/^[\w-]{43}$/.test(secret)) return null;
  const invitation = await findOpenInvitation(db, hashInvitationSecret(secret), now());
  const user = invitation && (await findUser(db, invitation.userId));
  return invitation && user ? { invitation, user } : null;
}

const busy: PasswordError = {
  field: 'new',
  message: 'Many people are signing in at the moment. Wait a few seconds, then try again.',
};

function newPasswordObjection(
  { config }: SignIn,
  request: FastifyRequest,
  names: readonly string[],
): PasswordError | null {
  const password = formField(request, 'newPassword');
  const message = passwordObjection(password, config.signIn.minPasswordLength, names);
  if (message !== null) return { field: 'new', message };
  if (password === formField(request, 'again')) return null;
  return { field: 'again', message: 'This is not the same as above. Type both again.' };
}

async function hashNewPassword({ credentials }: SignIn, request: FastifyRequest): Promise<string | null> {
  return await credentials.hasher.hash(formField(request, 'newPassword')).catch(error => {
    if (error instanceof SignInError) return null;
    throw error;
  });
}

async function checkCurrent({ credentials }: SignIn, request: FastifyRequest, name: string) {
  return await checkCredentials(credentials, {
    name,
    password: formField(request, 'password'),
    address: clientAddress(request.headers['x-forwarded-for']),
    requestId: request.id,
  }).catch(error => {
    if (error instanceof SignInError) return 'busy' as const;
    throw error;
  });
}

/** False where the account, or the password that was checked, is gone by now. */
async function replacePassword({ directory }: SignIn, account: UserRow, newHash: string): Promise<boolean> {
  try {
    await setPasswordHash(directory, account.id, newHash, account.passwordHash);
    return true;
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    if (error.code !== 'precondition_failed' && error.code !== 'not_found') throw error;
    return false;
  }
}

/** People choose passwords only for themselves; a new one ends every session of before. */
function recordNewPassword({ log }: SignIn, request: FastifyRequest, userId: string): void {
  events.userChanged(log, { userId, what: 'password_set', actor: { userId, requestId: request.id } });
  events.sessionEnded(log, { reason: 'password_set', userId, requestId: request.id });
}

function sendInvitation(
  { config }: SignIn,
  reply: FastifyReply,
  { invitation, user }: Invited,
  secret: string,
  error: PasswordError | null,
): FastifyReply {
  const page = renderInvitation({
    action: setUpPath,
    secret,
    purpose: purposeOf(invitation),
    userPrincipalName: user.userPrincipalName,
    minLength: config.signIn.minPasswordLength,
    error,
  });
  return sendHtml(reply, page, { status: error === null ? 200 : 400, headers: setUpHeaders() });
}

// The address of this page holds the secret: it must not travel on in a Referer, not even to ourselves.
const setUpHeaders = () => ({ ...pageHeaders(), 'referrer-policy': 'no-referrer' });

function purposeOf({ purpose }: Invitation): InvitationPurpose {
  return purpose === 'setup' || purpose === 'recover' ? purpose : 'invite';
}

function sendOver(reply: FastifyReply): FastifyReply {
  return sendHtml(reply, renderInvitationOver(), { status: 410, headers: setUpHeaders() });
}

function sendSaved({ config }: SignIn, reply: FastifyReply): FastifyReply {
  return sendHtml(reply, renderPasswordSaved(portalUrlOf(config)), { headers: setUpHeaders() });
}

function sendChange(
  { config }: SignIn,
  reply: FastifyReply,
  form: {
    readonly name: string;
    readonly error?: PasswordError;
    readonly credentialsError?: string;
  },
): FastifyReply {
  const { name, error = null, credentialsError = null } = form;
  const page = renderChangePassword({
    action: changePasswordPath,
    name,
    minLength: config.signIn.minPasswordLength,
    credentialsError,
    error,
  });
  const status = error === null && credentialsError === null ? 200 : 400;
  return sendHtml(reply, page, { status, headers: pageHeaders() });
}
