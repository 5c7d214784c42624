/**
 * The control process: sign-in, admin API, registration, My Apps and the store, behind two Unix sockets that only the
 * relay can reach. Started by the relay with the configuration file as its argument.
 */

import { chmodSync } from 'node:fs';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { type Kysely, sql } from 'kysely';
import { AutomaticCertificates } from './acme/automatic-certificates.ts';
import { DnsWebhook } from './acme/dns-webhook.ts';
import { createTransport } from './acme/transport.ts';
import type { AdminApiParts } from './admin/parts.ts';
import { registerAdminApi } from './admin/register.ts';
import { Alerts } from './alerts/alerts.ts';
import { createChannels } from './alerts/create-channels.ts';
import { watchExpiry } from './alerts/expiry-watch.ts';
import { watchLocalAuthority } from './alerts/local-authority-watch.ts';
import { watchPublicExpiry } from './alerts/public-expiry-watch.ts';
import { coveredByFiles } from './config/covered-by-files.ts';
import { ConfigError, loadConfig } from './config/load.ts';
import { controlHosts, dataPaths, originOf } from './config/names.ts';
import type { Config } from './config/schema.ts';
import { createControlServer } from './control-server.ts';
import { recordCredentialUse } from './directory/application-credentials.ts';
import { ConnectorJournal } from './directory/connector-journal.ts';
import { revokeConnector } from './directory/connectors.ts';
import { Directory } from './directory/directory.ts';
import { purgeEnrolmentTokens } from './directory/enrolment-tokens.ts';
import { rolesOf } from './directory/roles.ts';
import { purgeExpiredSessions } from './directory/sessions.ts';
import { recordSighting, recordStillSeen } from './directory/sightings.ts';
import { registerDoctorRoutes } from './doctor/internal-routes.ts';
import { createNameServers } from './domains/name-servers.ts';
import { Presence } from './feed/presence.ts';
import { FeedPublisher, prepareSocketPath, relayLost, type TunnelEvents } from './feed/publisher.ts';
import { openData } from './operate/open-data.ts';
import { serviceOutbound } from './outbound/service-outbound.ts';
import { hostConstraint } from './pages/host-constraint.ts';
import { registerPortCheck } from './port-check/register.ts';
import { registerPageDoor } from './portal/page-door.ts';
import { registerPortal } from './portal/register.ts';
import { controlFetch } from './preauth/control-fetch.ts';
import { registerPreauth } from './preauth/register.ts';
import { createTunnelTrust, openAuthorities } from './registration/authorities.ts';
import { readFirstContact } from './registration/first-contact.ts';
import { writeLocalCertificates } from './registration/local-certificates.ts';
import { type RegistrationEvent, registerRegistration } from './registration/register.ts';
import { type RenewalEvent, type RenewalParts, renewTrustCertificate } from './registration/renew.ts';
import { createRevocationLists } from './registration/revocation-lists.ts';
import { Rotation } from './registration/rotation.ts';
import { createInvitation } from './sign-in/invitations.ts';
import { registerMyApps } from './sign-in/my-apps.ts';
import { registerSignIn } from './sign-in/register.ts';
import { SignIn } from './sign-in/sign-in.ts';
import { takeProcessLock } from './store/process-lock.ts';
import type { Database } from './store/schema.ts';
import { StoreError } from './store/store-error.ts';
import { findUser } from './store/users.ts';
import * as events from './telemetry/events.ts';
import { createLogger, type Logger } from './telemetry/logger.ts';
import { Metrics } from './telemetry/metrics.ts';
import { Upkeep } from './upkeep.ts';

export interface ControlOptions {
  readonly log: Logger;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** How long requests in flight may take to finish after SIGTERM; the relay waits 10 s and then kills. */
const drainMs = 8_000;
/** How long a process waits for the one before it to end, which may be draining. */
const lockWaitMs = 15_000;
const minuteMs = 60_000;

/** A control process that runs. */
export interface Control {
  /** Lets requests in flight finish for at most `drainMs`, then ends everything. */
  stop(drainMs: number): Promise<void>;
}

/**
 * Builds the parts of the control process once, in the order in which they need each other, and starts them.
 *
 * @throws StoreError where the database or the master key cannot be used.
 */
export async function startControl(
  config: Config,
  { log, environment, now }: ControlOptions,
): Promise<Control> {
  const paths = dataPaths(config);
  const metrics = new Metrics('control');
  metrics.collectProcess();

  // 0. Alone: a process that is still ending would remove the sockets of this one together with its own.
  const lock = takeProcessLock(path.join(paths.runDir, 'control.lock'), lockWaitMs);

  // 1. The data: nothing below works without it, and it is closed last.
  const data = await openData(config, environment);
  const { db, secrets } = data;

  // 2. What the data means, and the keys that were made for this service.
  const directory = new Directory({ db, address: config, now, secrets });
  const authorities = await openAuthorities({
    secrets,
    domain: config.domain,
    trustCertificateDays: config.connectors.certificateLifetimeDays,
    now,
  });
  const revocationLists = createRevocationLists({
    db,
    authorities: () => authorities.rotating.registration.all,
    now,
  });
  const tunnelTrust = createTunnelTrust(authorities, config.domain, now, revocationLists);
  const renewLocalCertificates = async () => {
    if (!config.certificates.local) return;
    await writeLocalCertificates(authorities.rotating.local, config.domain, config.dataDir, now());
  };
  // Before the relay hears of us: it reads the files when its listener opens.
  await renewLocalCertificates();

  const renewal: RenewalParts = {
    db,
    authorities,
    publishConnector: connectorId => directory.republish('connectors', [connectorId]),
    record: event => recordRenewalEvent(log, journal, event),
    now,
  };

  // After the change that it follows, since it reads what that one wrote.
  const refreshRevocationLists = () =>
    void setImmediate(() =>
      publisher
        .refreshTunnelTrust()
        .catch((error: unknown) =>
          log.error({ err: error }, 'the list of revoked certificates could not be renewed'),
        ),
    );

  const journal = new ConnectorJournal({
    db,
    now,
    onFailed: error => log.error({ err: error }, 'an event of a connector could not be written'),
  });

  const rotation = new Rotation({
    db,
    authorities,
    refreshTrust: () => publisher.settleTunnelTrust(),
    writeLocalCertificates: config.certificates.local ? renewLocalCertificates : null,
    record: event => events.authorityChanged(log, event),
    now,
  });

  // 3. The feed: from here on every change reaches the relays.
  const presence = new Presence();
  const publisher = new FeedPublisher({
    socketPath: paths.feedSocket,
    source: directory,
    tunnelTrust,
    presence,
    tunnelEvents: createTunnelEvents({ directory, log, presence, journal, rotation }),
    renew: request => renewTrustCertificate(renewal, request),
    onCredentialUsed: credentialId => {
      recordCredentialUse(directory, credentialId).catch((error: unknown) =>
        log.error({ err: error }, 'the use of a credential could not be noted'),
      );
    },
    log,
  });
  let automaticCertificates: AutomaticCertificates | null = null;
  directory.publishTo({
    applied: (sequence, timeoutMs) => publisher.applied(sequence, timeoutMs),
    publish(changes) {
      const hasRevoked = changes.some(
        change => change.set === 'connectors' && 'put' in change && change.put.revoked,
      );
      if (hasRevoked) refreshRevocationLists();
      if (changes.some(change => change.set === 'applications')) automaticCertificates?.soon();
      return publisher.publish(changes);
    },
  });
  metrics.gauge('postern_connectors_live', 'Connectors with at least one tunnel.', [], gauge =>
    gauge.set(presence.list().length),
  );

  // 4. Those who change it.
  const signIn = await SignIn.open({
    config,
    directory,
    secrets,
    log,
    onKeysChanged: () => publisher.publishTokenTrust(signIn.tokenTrust),
    onServerError: error => log.error({ err: error }, 'sign-in failed for a reason of its own'),
  });
  publisher.publishTokenTrust(signIn.tokenTrust);

  const outbound = serviceOutbound(config, environment);
  const alerts = new Alerts({ db, channels: createChannels(config, outbound, now), log, now });
  const nameServers = createNameServers(config.domains.nameServers);
  const { acme } = config.certificates;
  automaticCertificates = new AutomaticCertificates({
    ...{ config, directory, secrets, nameServers, log },
    transport: createTransport(outbound, acme.caFile),
    board: publisher,
    dnsWebhook: new DnsWebhook({ settings: acme.dnsWebhook, outbound, nameServers, now }),
    coveredByFiles: hosts => coveredByFiles(config, hosts, now()),
    random: Math.random,
  });
  const automatic = automaticCertificates;

  // 5. HTTP: one server; each part keeps to its host.
  const app = createControlServer({
    log,
    checkHealth: async () => void (await sql`select 1 from user limit 1`.execute(db)),
    renderMetrics: async () => ({ contentType: metrics.contentType, text: await metrics.render() }),
  });
  registerDoctorRoutes(app, {
    processId: process.ppid,
    liveConnectors: () => describeLive(db, presence),
    examineConnector: connectorId => publisher.examine(connectorId),
  });
  const ownFetch = controlFetch(paths.controlSocket);
  await registerSignIn(app, signIn);
  await registerPreauth(app, { signIn, fetch: ownFetch.fetch });
  registerPortCheck(app, config);
  registerMyApps(app, signIn, {
    isConnectorLive: connectorId => presence.isActive(connectorId),
    reportOutcomes: applicationIds => publisher.reportOutcomes(applicationIds),
  });
  registerPortal(app, signIn);
  await app.register(async portal => {
    keepToHost(portal, controlHosts(config).portal);
    const adminApi: AdminApiParts = {
      directory,
      log,
      authenticateBearer: async token => {
        const identity = await signIn.authenticateBearer(token);
        return identity && { ...identity, scopes: [...identity.scopes] };
      },
      createInvitation: userId => createInvitation({ db, config }, { userId, purpose: 'invite', now: now() }),
      isConnectorActive: connectorId => presence.isActive(connectorId),
      inactiveAfterDays: config.connectors.inactiveAfterDays,
      rotation,
      examineConnector: connectorId => publisher.examine(connectorId),
      testPath: test => publisher.testPath(test),
      reportOutcomes: applicationIds => publisher.reportOutcomes(applicationIds),
      reportBackends: applicationId => publisher.reportBackends(applicationId),
      journal,
      testAlerts: () => alerts.test(),
      domains: { directory, nameServers, coveredByFiles: hosts => coveredByFiles(config, hosts, now()) },
      secrets,
      automaticCertificates: automatic,
      firstContact: async () => {
        const contact = readFirstContact(config);
        // The local authority's certificate is the last choice of the edge, and its root is not in the chain of another.
        return (await automatic.serves(contact.host)) ? { ...contact, rootSha256: null } : contact;
      },
      portalOrigin: originOf(config, controlHosts(config).portal),
    };
    await registerAdminApi(portal, adminApi);
    await registerPageDoor(portal, adminApi);
  });
  registerRegistration(app, {
    db,
    authorities,
    domain: config.domain,
    publicPort: config.publicPort,
    authenticate: async token => {
      const identity = await signIn.authenticateBearer(token);
      return identity && { userId: identity.userId, scopes: [...identity.scopes] };
    },
    rolesOf: async userId => ((await findUser(db, userId))?.accountEnabled === 1 ? rolesOf(db, userId) : []),
    publishConnector: connectorId => directory.republish('connectors', [connectorId]),
    record: event => recordRegistrationEvent(log, journal, event),
    now,
  });

  // 6. What has to be done again and again.
  const upkeep = new Upkeep(
    [
      { name: 'purge sessions', everyMs: minuteMs, run: () => purgeSessions(directory, log) },
      {
        name: 'note live connectors',
        everyMs: minuteMs,
        run: () =>
          recordStillSeen(
            directory,
            presence
              .list()
              .filter(live => live.isAnswering)
              .map(live => live.connectorId),
          ),
      },
      {
        name: 'purge enrolment tokens',
        everyMs: 60 * minuteMs,
        run: () => purgeEnrolmentTokens(directory),
      },
      {
        name: 'watch certificates',
        everyMs: 60 * minuteMs,
        beginsAtOnce: true,
        run: async () => {
          await watchPublicExpiry(db, alerts, config.domain, now());
          await watchExpiry(db, alerts, now());
          await watchLocalAuthority(await rotation.list(), alerts, paths.localAuthority, now());
        },
      },
      { name: 'deliver alerts', everyMs: minuteMs, run: () => alerts.deliverDue() },
      { name: 'renew tunnel certificate', everyMs: 60 * minuteMs, run: () => publisher.refreshTunnelTrust() },
      { name: 'rotate authorities', everyMs: minuteMs, run: () => rotation.advance() },
      { name: 'get certificates', everyMs: minuteMs, run: () => automatic.run() },
      { name: 'renew local certificates', everyMs: 60 * minuteMs, run: renewLocalCertificates },
    ],
    log,
  );

  // 7. Open: the feed first, because whoever reaches HTTP may begin a session that relays must hear of.
  await publisher.start();
  prepareSocketPath(paths.controlSocket);
  await app.listen({ path: paths.controlSocket });
  chmodSync(paths.controlSocket, 0o600);
  automatic.soon();

  return {
    async stop(drainMs) {
      // The reverse: no new requests, no new work, then the feed, then the data.
      await closeServer(app, drainMs, log);
      await ownFetch.close();
      await automatic.stop();
      await upkeep.stop();
      await publisher.stop();
      await journal.settled();
      await data[Symbol.asyncDispose]();
      lock.release();
    },
  };
}

async function purgeSessions(directory: Directory, log: Logger): Promise<void> {
  const count = await purgeExpiredSessions(directory);
  if (count > 0) events.sessionEnded(log, { reason: 'expired', count });
}

interface TunnelEventParts {
  readonly directory: Directory;
  readonly log: Logger;
  readonly presence: Presence;
  readonly journal: ConnectorJournal;
  readonly rotation: Rotation;
}

function createTunnelEvents({ directory, log, presence, journal, rotation }: TunnelEventParts): TunnelEvents {
  const logFailure = (error: unknown) => log.error({ err: error }, 'a connector could not be noted as seen');
  return {
    tunnelUp(tunnel) {
      events.tunnelUp(log, tunnel);
      journal.connected(tunnel.connectorId, tunnel.externalIp, tunnel.version);
      recordSighting(directory, tunnel).catch(logFailure);
    },
    tunnelDown(connectorId, reason) {
      events.tunnelDown(log, { connectorId, reason });
      // A service that starts again loses its relay, not its connectors.
      if (reason !== relayLost && !presence.isLive(connectorId)) journal.lost(connectorId, reason);
      recordStillSeen(directory, [connectorId]).catch(logFailure);
    },
    tunnelProbe({ tunnelId, connectorId }, isAnswered) {
      if (isAnswered) events.tunnelAnswered(log, { tunnelId, connectorId });
      else events.tunnelUnanswered(log, { tunnelId, connectorId });
    },
    refused(refusal) {
      events.tunnelRefused(log, refusal);
      journal.refused(refusal);
    },
    anchorsKept(connectorId, anchors) {
      rotation.anchorsKept(connectorId, anchors).catch(error => {
        log.error({ err: error, connectorId }, 'what a connector trusts could not be noted');
      });
    },
    leaving(connectorId) {
      revokeConnector(directory, connectorId).then(
        () => {
          events.connectorLeft(log, { connectorId });
          journal.record(connectorId, 'left', 'warn', 'The connector was uninstalled, and is revoked.');
        },
        error => log.error({ err: error, connectorId }, 'a connector that leaves could not be revoked'),
      );
    },
  };
}

function recordRegistrationEvent(log: Logger, journal: ConnectorJournal, event: RegistrationEvent): void {
  if (event.kind === 'connector_registered') {
    const { kind: _kind, userId, requestId, ...fields } = event;
    const { connectorId, machineName, isReregistration } = event;
    const message = `${machineName} registered${isReregistration ? ' again' : ''}; its certificate is ${event.thumbprint}.`;
    journal.record(connectorId, isReregistration ? 'registered_again' : 'registered', 'info', message);
    events.connectorRegistered(log, { ...fields, actor: { userId, requestId } });
    return;
  }
  const { kind: _kind, ...fields } = event;
  events.connectorRegistrationRefused(log, fields);
}

function recordRenewalEvent(log: Logger, journal: ConnectorJournal, event: RenewalEvent): void {
  if (event.kind === 'certificate_renewed') {
    const { connectorId, thumbprint, notAfter } = event;
    const until = new Date(notAfter).toISOString();
    const message = `The trust certificate was renewed: ${thumbprint}, valid until ${until}.`;
    journal.record(connectorId, 'certificate_renewed', 'info', message);
    return events.certificateRenewed(log, { connectorId, thumbprint, notAfter });
  }
  const { connectorId, code } = event;
  const message = `The renewal of the trust certificate was refused (${code}).`;
  journal.record(connectorId, 'certificate_renewal_refused', 'warn', message);
  events.certificateRenewalRefused(log, { connectorId, code });
}

/** Connectors that could look at the service for its doctor. */
async function describeLive(db: Kysely<Database>, presence: Presence) {
  const names = new Map(
    (await db.selectFrom('connector').select(['id', 'machineName']).execute()).map(row => [
      row.id,
      row.machineName,
    ]),
  );
  return presence.list().map(({ connectorId: id, externalIp }) => ({
    id,
    externalIp,
    machineName: names.get(id) ?? id,
  }));
}

/** Restricts every route of a scope to one host. */
function keepToHost(scope: FastifyInstance, host: string): void {
  scope.addHook('onRoute', route => {
    route.constraints = { ...route.constraints, ...hostConstraint(host) };
  });
}

async function closeServer(app: FastifyInstance, drainMs: number, log: Logger): Promise<void> {
  const force = setTimeout(() => {
    log.warn('requests did not finish in time; closing their connections');
    app.server.closeAllConnections();
  }, drainMs);
  await app.close();
  clearTimeout(force);
}

/** The program: runs until it is told to stop or its parent is gone. */
async function main(): Promise<void> {
  // Whatever this process creates is for its own user alone, where a part does not say otherwise.
  process.umask(0o077);
  const config = loadConfig(process.argv[2], process.env);
  const log = createLogger({ program: 'control', level: config.log.level });
  process.on('uncaughtException', error => {
    // The relay starts a new process, which begins from what the store holds.
    log.error({ err: error }, 'the control process failed');
    process.exit(1);
  });
  const control = await startControl(config, { log, environment: process.env, now: Date.now });

  let stopping = false;
  const stop = async (reason: string, drainMs: number) => {
    if (stopping) return;
    stopping = true;
    log.info({ reason }, 'control process stops');
    await control.stop(drainMs);
    process.exit(0);
  };
  process.on('SIGTERM', () => void stop('SIGTERM', drainMs));
  // Ctrl-C reaches the whole process group; the relay drains first and then ends this process.
  process.on('SIGINT', () => undefined);
  // Whoever waited for an answer is gone with it.
  process.once('disconnect', () => void stop('the relay is gone', 0));
  process.send?.({ type: 'ready' });
  log.info('control process ready');
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    // What an operator can mend is said in a sentence; anything else is a mistake of ours and needs its trace.
    const isForOperator = error instanceof ConfigError || error instanceof StoreError;
    console.error(isForOperator ? error.message : error);
    process.exit(1);
  });
}
