import type { Logger } from 'pino';

/**
 * What happened, in the words of the business: one function for each event, so that every event has one name and one set
 * of fields. None takes a secret, a token, a cookie or a body. `event` is stable, for programs that read the log.
 */

/** Who did it: a user's id, and the request that it was done with. */
export interface Actor {
  readonly userId: string;
  readonly requestId?: string | undefined;
}

/** @param fields.host Of the application that the person goes on to; null for the command line. */
export function userSignedIn(
  log: Logger,
  fields: {
    userId: string;
    host: string | null;
    clientAddress: string;
    requestId?: string | undefined;
  },
): void {
  log.info({ event: 'user_signed_in', ...fields }, 'a person signed in');
}

/**
 * The name that was typed is left out: people type passwords into the wrong field.
 *
 * @param fields.reason Of the attempt: see AttemptFailure of sign-in/credentials.ts. Or of a sign-in that got lost on its
 *   way back to the application: OAuth's error code, or `transaction_lost`, `state_repeated`, `account_disabled`.
 */
export function signInFailed(
  log: Logger,
  fields: {
    reason: string;
    userId?: string | undefined;
    clientAddress: string;
    requestId?: string | undefined;
  },
): void {
  log.warn({ event: 'sign_in_failed', ...fields }, 'a sign-in failed');
}

export function sessionStarted(
  log: Logger,
  fields: { sessionId: string; userId: string; host: string; requestId?: string | undefined },
): void {
  log.info({ event: 'session_started', ...fields }, 'a session began');
}

/** @param fields.reason `signed_out`, `replaced`, `expired`, `administrator`, `user_disabled`, `user_deleted` or `password_set`. */
export function sessionEnded(
  log: Logger,
  fields: {
    reason: string;
    sessionId?: string;
    userId?: string;
    count?: number;
    requestId?: string | undefined;
  },
): void {
  log.info({ event: 'session_ended', ...fields }, 'sessions ended');
}

/** @param fields.until Milliseconds since the epoch; null: off. */
export function timingsTurned(
  log: Logger,
  fields: { userId: string; sessionId: string; host: string; until: number | null; requestId: string },
): void {
  log.info({ event: 'timings_turned', ...fields }, 'an administrator turned timings on or off');
}

export function connectorRegistered(
  log: Logger,
  fields: {
    connectorId: string;
    machineName: string;
    thumbprint: string;
    /** True: the connector was known, and keeps its id and group. */
    isReregistration: boolean;
    enrolmentTokenId?: string | undefined;
    actor: Actor;
  },
): void {
  log.info({ event: 'connector_registered', ...fields }, 'a connector registered');
}

/** @param fields.what `created` or `revoked`. */
export function enrolmentTokenChanged(
  log: Logger,
  fields: { enrolmentTokenId: string; connectorGroupId?: string; what: string; actor: Actor },
): void {
  log.warn({ event: 'enrolment_token_changed', ...fields }, 'an enrolment token was changed');
}

export function connectorRegistrationRefused(
  log: Logger,
  fields: {
    code: string;
    userId?: string | undefined;
    enrolmentTokenId?: string | undefined;
    requestId?: string | undefined;
    cause?: unknown;
  },
): void {
  const { cause, ...rest } = fields;
  log.warn({ event: 'connector_registration_refused', ...rest, err: cause }, 'a registration was refused');
}

export function certificateRenewed(
  log: Logger,
  fields: { connectorId: string; thumbprint: string; notAfter: number },
): void {
  const notAfter = new Date(fields.notAfter).toISOString();
  log.info(
    { event: 'certificate_renewed', ...fields, notAfter },
    'a connector renewed its trust certificate',
  );
}

export function certificateRenewalRefused(log: Logger, fields: { connectorId: string; code: string }): void {
  log.warn(
    { event: 'certificate_renewal_refused', ...fields },
    'the renewal of a trust certificate was refused',
  );
}

export function connectorRevoked(log: Logger, fields: { connectorId: string; actor: Actor }): void {
  log.warn({ event: 'connector_revoked', ...fields }, 'a connector was revoked');
}

export function connectorLeft(log: Logger, fields: { connectorId: string }): void {
  log.warn({ event: 'connector_left', ...fields }, 'a connector was uninstalled, and is revoked');
}

export function connectorMoved(
  log: Logger,
  fields: { connectorId: string; connectorGroupId: string; actor: Actor },
): void {
  log.info({ event: 'connector_moved', ...fields }, 'a connector joined another connector group');
}

export function connectorDraining(
  log: Logger,
  fields: { connectorId: string; draining: boolean; actor: Actor },
): void {
  const what = fields.draining ? 'a connector gets no new requests' : 'a connector gets requests again';
  log.info({ event: 'connector_draining', ...fields }, what);
}

export function connectorRegionChanged(
  log: Logger,
  fields: { connectorId: string; region: string | null; actor: Actor },
): void {
  log.info({ event: 'connector_region_changed', ...fields }, 'a connector was said to be elsewhere');
}

export function tunnelUp(
  log: Logger,
  fields: { tunnelId: string; connectorId: string; machineName: string; externalIp: string; version: string },
): void {
  log.info({ event: 'tunnel_up', ...fields }, 'a connector opened a tunnel');
}

/** What is sent into the tunnel does not come back, though the connection stands. */
export function tunnelUnanswered(log: Logger, fields: { tunnelId: string; connectorId: string }): void {
  log.warn({ event: 'tunnel_unanswered', ...fields }, 'a connector does not answer through a tunnel');
}

export function tunnelAnswered(log: Logger, fields: { tunnelId: string; connectorId: string }): void {
  log.info({ event: 'tunnel_answered', ...fields }, 'a connector answers through a tunnel again');
}

/** @param fields.step `announced`, `signing` or `retired`. */
export function authorityChanged(
  log: Logger,
  fields: { authority: string; step: string; sha256: string },
): void {
  log.warn({ event: 'authority_changed', ...fields }, 'a certificate authority of the service was exchanged');
}

/** @param fields.authority `registration`, `service` or `local`. */
export function authorityRotationWanted(log: Logger, fields: { authority: string; actor: Actor }): void {
  log.warn({ event: 'authority_rotation_wanted', ...fields }, 'the exchange of an authority was asked for');
}

export function tunnelDown(log: Logger, fields: { connectorId: string; reason: string }): void {
  log.info({ event: 'tunnel_down', ...fields }, 'a tunnel closed');
}

/** @param fields.reason As the connector was told it, such as `expired` or `revoked`. */
export function tunnelRefused(
  log: Logger,
  fields: { connectorId: string; reason: string; detail: string; externalIp: string },
): void {
  log.warn({ event: 'tunnel_refused', ...fields }, 'a tunnel was refused to a connector that is known');
}

/**
 * @param fields.what `created`, `updated`, `published`, `access`, `connector_group`, `segment_added`, `segment_changed`,
 *   `segment_removed` or `deleted`.
 */
export function applicationChanged(
  log: Logger,
  fields: { applicationId: string; what: string; actor: Actor },
): void {
  log.info({ event: 'application_changed', ...fields }, 'an application was changed');
}

/** Whoever got it: a person, or a program with a credential of the application. */
export function applicationTokenIssued(
  log: Logger,
  fields: { applicationId: string; userId?: string; clientId?: string; requestId: string | undefined },
): void {
  log.info({ event: 'application_token_issued', ...fields }, 'an access token for an application was issued');
}

/** @param fields.what `added` or `removed`. */
export function applicationCredentialChanged(
  log: Logger,
  fields: { applicationId: string; keyId: string; clientId?: string; what: string; actor: Actor },
): void {
  log.warn(
    { event: 'application_credential_changed', ...fields },
    'a credential of an application was changed',
  );
}

export function connectorGroupChanged(
  log: Logger,
  fields: { connectorGroupId: string; what: string; actor: Actor },
): void {
  log.info({ event: 'connector_group_changed', ...fields }, 'a connector group was changed');
}

/** @param fields.what `created`, `updated`, `disabled`, `invited`, `password_set` or `deleted`. */
export function userChanged(log: Logger, fields: { userId: string; what: string; actor: Actor }): void {
  log.info({ event: 'user_changed', ...fields }, 'a user was changed');
}

/** @param fields.what `created`, `updated`, `member_added`, `member_removed` or `deleted`. */
export function groupChanged(
  log: Logger,
  fields: { groupId: string; what: string; userId?: string; actor: Actor },
): void {
  log.info({ event: 'group_changed', ...fields }, 'a group was changed');
}

export function roleChanged(
  log: Logger,
  fields: { userId: string; role: string; what: 'assigned' | 'removed'; actor: Actor },
): void {
  log.warn({ event: 'role_changed', ...fields }, 'a role was changed');
}

export function assignmentChanged(
  log: Logger,
  fields: { applicationId: string; principalId: string; what: 'assigned' | 'removed'; actor: Actor },
): void {
  log.info({ event: 'assignment_changed', ...fields }, 'an assignment was changed');
}

export function alertRaised(
  log: Logger,
  fields: { alertId: string; type: string; details: Readonly<Record<string, unknown>> },
): void {
  log.warn({ event: 'alert_raised', ...fields }, 'an alert was raised');
}

export function alertDelivered(log: Logger, fields: { alertId: string; channel: string }): void {
  log.info({ event: 'alert_delivered', ...fields }, 'an alert was delivered');
}

/** @param fields.isLast It is not tried again. */
export function alertDeliveryFailed(
  log: Logger,
  fields: { alertId: string; channel: string; attempts: number; reason: string; isLast: boolean },
): void {
  log.error({ event: 'alert_delivery_failed', ...fields }, 'an alert could not be delivered');
}

/** @param fields.what `created`, `updated`, `verified` or `deleted`. */
export function domainChanged(log: Logger, fields: { domain: string; what: string; actor: Actor }): void {
  log.warn({ event: 'domain_changed', ...fields }, 'a custom domain was changed');
}

/** @param fields.what `uploaded` or `deleted`. */
export function certificateChanged(
  log: Logger,
  fields: { certificateId: string; thumbprint: string; names: readonly string[]; what: string; actor: Actor },
): void {
  log.warn({ event: 'certificate_changed', ...fields }, 'a certificate for public names was changed');
}

export function automaticCertificateIssued(
  log: Logger,
  fields: { certificateId: string; names: readonly string[]; thumbprint: string; notAfter: number },
): void {
  const notAfter = new Date(fields.notAfter).toISOString();
  log.info(
    { event: 'automatic_certificate_issued', ...fields, notAfter },
    'a certificate was got from the authority',
  );
}

/** @param fields.code See AcmeError. */
export function automaticCertificateFailed(
  log: Logger,
  fields: { names: readonly string[]; code: string; reason: string; failures: number; nextAttemptAt: number },
): void {
  const nextAttemptAt = new Date(fields.nextAttemptAt).toISOString();
  log.error(
    { event: 'automatic_certificate_failed', ...fields, nextAttemptAt },
    'a certificate could not be got from the authority',
  );
}
