import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  failed,
  notRun,
  type Observation,
  type Outcome,
  passed,
  warning,
} from '@postern/protocol/doctor/check';
import { type EchoAnswer, echoProtocol, type RefusalReason } from '@postern/protocol/tunnel/messages';
import { sha256Of } from '@postern/protocol/x509/certificate';
import { remedyFor } from '../events/remedies.ts';
import {
  type CertificatePair,
  findPair,
  type StoreName,
  storeFolder,
} from '../identity/certificate-store.ts';
import { IdentityError } from '../identity/identity-error.ts';
import { machineFingerprint, refuseOtherMachine } from '../identity/machine-binding.ts';
import { readTrustSettings, type TrustSettings, trustSettingsFile } from '../identity/trust-settings.ts';
import { type ConnectorStatus, readConnectorStatus } from '../status.ts';
import { TunnelError } from '../tunnel-client.ts';
import { curl, sClient, shell } from './by-hand.ts';
import type { Check } from './check.ts';
import type { ClientPair, TrialCertificates } from './client-certificate.ts';
import { requiredNames } from './connectivity.ts';
import type { DoctorContext } from './context.ts';
import { type Endpoint, type Handshake, isReset, ProbeError } from './probe.ts';

type Version = 'TLSv1.2' | 'TLSv1.3';

const dayMs = 86_400_000;
/** Every certificate of the service is valid from two days before its issue. */
const backDatedMs = 2 * dayMs;
const clockWarningMs = 5 * 60_000;
const expiryWarningMs = 30 * dayMs;

const registerAgain =
  'Register the connector again on this machine with `postern connector register`; it keeps its id and group.';
const passUntouched = ({ service }: DoctorContext) =>
  `Let firewalls and proxies pass TLS to ${service!.connect} untouched: exempt *.${service!.domain} from TLS inspection.`;

/** Whether connector and service can know each other: TLS, certificates on both sides, clocks, files. */
export const trustChecks: readonly Check[] = [
  {
    id: 'trust.clock',
    title: "This machine's clock agrees with the service's",
    otherwise:
      'Certificates seem expired or not yet valid. Up to 48 hours the connector works on and the doctor warns.',
    needs: ['connectivity.tcp-443'],
    limitMs: 10_000,
    run: (context, signal) => compareClocks(context, signal),
  },
  {
    id: 'trust.tls-1.2',
    title: 'TLS 1.2 works',
    otherwise:
      'Something on the way ends TLS, or knows older versions only. It is a warning where another version works.',
    needs: ['connectivity.tcp-443'],
    limitMs: 10_000,
    run: (context, signal) => tryVersion(context, 'TLSv1.2', signal),
  },
  {
    id: 'trust.tls-1.3',
    title: 'TLS 1.3 works',
    otherwise: 'As for TLS 1.2.',
    needs: ['connectivity.tcp-443'],
    limitMs: 10_000,
    run: (context, signal) => tryVersion(context, 'TLSv1.3', signal),
  },
  {
    id: 'trust.tunnel-chain',
    title: "The tunnel listener's certificate is the service's own",
    otherwise: 'An inspector opens TLS and shows a certificate of its own, whose issuer is named.',
    needs: ['connectivity.tcp-443'],
    limitMs: 8_000,
    run: (context, signal) => examineTunnelChain(context, signal),
  },
  {
    id: 'trust.public-chain',
    title: 'The certificates for browsers are trusted by this machine',
    otherwise:
      'Registration and sign-in refuse to talk to the service. A connector that is registered works on.',
    needs: ['trust.tunnel-chain'],
    limitMs: 8_000,
    run: (context, signal) => examinePublicChains(context, signal),
  },
  {
    id: 'trust.client-certificate-1.2',
    title: 'A SHA-512 self-signed client certificate arrives unchanged over TLS 1.2',
    otherwise:
      'Something on the way drops, replaces or refuses client certificates, or SHA-512 signatures on them.',
    needs: ['trust.tls-1.2'],
    limitMs: 12_000,
    run: (context, signal) => tryClientCertificate(context, 'TLSv1.2', signal),
  },
  {
    id: 'trust.client-certificate-1.3',
    title: 'A SHA-512 self-signed client certificate arrives unchanged over TLS 1.3',
    otherwise:
      'As over TLS 1.2. In 1.3 the certificate is encrypted, so that only who ends TLS can object to it.',
    needs: ['trust.tls-1.3'],
    limitMs: 12_000,
    run: (context, signal) => tryClientCertificate(context, 'TLSv1.3', signal),
  },
  {
    id: 'trust.settings',
    title: 'TrustSettings.xml can be read',
    otherwise: 'The connector does not know which certificate to use and takes the newest valid one.',
    run: context => examineSettings(context),
  },
  {
    id: 'trust.store',
    title: 'The certificate that TrustSettings.xml names is in the store that it names',
    otherwise: 'The thumbprint is wrong, or the certificate lies in the other store.',
    needs: ['trust.settings'],
    run: context => examineStore(context),
  },
  {
    id: 'trust.key',
    title: 'The private key belongs to the certificate',
    otherwise: 'The connector cannot prove who it is.',
    needs: ['trust.store'],
    run: context => examineKey(context),
  },
  {
    id: 'trust.permissions',
    title: "The stores belong to the connector's user, and nobody else reads them",
    otherwise:
      'Another user of this machine could become this connector, or the connector cannot read its own key.',
    needs: ['trust.store'],
    run: context => examinePermissions(context),
  },
  {
    id: 'trust.machine',
    title: 'The identity belongs to this machine',
    otherwise:
      'A copy of the data folder does not run on another machine. Not run where the machine has no id that lasts, as in most containers: nothing would stop a copy there.',
    run: context => examineMachine(context),
  },
  {
    id: 'trust.validity',
    title: 'The trust certificate is valid and will be renewed in time',
    otherwise: 'The service refuses the connector (event 1000), or soon will.',
    needs: ['trust.store'],
    run: context => examineValidity(context),
  },
  {
    id: 'trust.issuer',
    title: "The trust certificate was issued by the service's registration authority, for connectors",
    otherwise: 'It is the certificate of another service, or none of a connector.',
    needs: ['trust.store'],
    run: context => examineIssuer(context),
  },
  {
    id: 'trust.revocation-list',
    title: 'The revocation list can be fetched',
    otherwise:
      'A warning: programs that check revocation by the list cannot. The service itself refuses what is revoked.',
    needs: ['connectivity.names', 'trust.store'],
    limitMs: 9_000,
    run: (context, signal) => fetchRevocationList(context, signal),
  },
  {
    id: 'trust.accepted',
    title: 'The service accepts the trust certificate',
    otherwise: 'It is expired, revoked, unknown there or of another authority; the reason is named.',
    needs: ['trust.tunnel-chain', 'trust.key'],
    limitMs: 8_000,
    run: (context, signal) => askForVerdict(context, signal),
  },
  {
    id: 'trust.tunnel',
    title: 'A tunnel is up',
    otherwise: 'The service cannot send requests to this connector.',
    run: (context, signal) => examineTunnel(context, signal),
  },
  {
    id: 'trust.round-trip',
    title: 'The tunnel answers pings, and soon',
    otherwise: 'Requests are slow, or the tunnel is about to be lost.',
    needs: ['trust.tunnel'],
    run: context => examineRoundTrip(context),
  },
];

/**
 * Loads what some checks load only when they need it: the program may lie where the connector's user, whose place the
 * doctor takes, cannot read. What was found once is found again, but only from the module that has found it.
 */
export async function loadBeforehand(): Promise<void> {
  await Promise.all([import('./client-certificate.ts'), import('./revocation-list.ts')]);
}

function tunnelEndpoint({ service }: DoctorContext): Endpoint {
  return { host: service!.connect, port: service!.port };
}

async function compareClocks(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const tried = `the time of ${context.service!.connect} compared with this machine's`;
  const command = `${curl(context, `https://${context.service!.login}:${context.service!.port}/`, ['-I'])}; date -u`;
  const aheadMs = await clockAhead(context, signal);
  if (aheadMs === null) return notRun('The service told no time, since no TLS connection with it was made.');
  const off = `${describeSpan(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} the service's`;
  const observation = { tried, seen: `this machine's clock is ${off}`, command };
  if (Math.abs(aheadMs) <= clockWarningMs) return passed(observation);
  const remedy =
    'Set the clock and keep it set: `timedatectl set-ntp true`, or a time server of your own. No restart is needed afterwards.';
  if (Math.abs(aheadMs) <= backDatedMs) {
    return warning(
      observation,
      `This machine's clock is ${off}. Tunnels work, since certificates are valid from 48 hours before their issue; sign-in and the dates in logs suffer.`,
      remedy,
    );
  }
  return failed(
    observation,
    `This machine's clock is ${off}: certificates look expired, or not yet valid.`,
    remedy,
  );
}

const clocks = new WeakMap<DoctorContext, Promise<number | null>>();

/** Milliseconds by which this machine is ahead; null where nobody told the time. Measured once per run. */
function clockAhead(context: DoctorContext, signal: AbortSignal): Promise<number | null> {
  let measured = clocks.get(context);
  if (measured === undefined) {
    measured = measureClock(context, signal).then(aheadMs => {
      context.found.clockAheadMs = aheadMs;
      return aheadMs;
    });
    clocks.set(context, measured);
  }
  return measured;
}

/** Milliseconds by which this machine is ahead; null where nobody told the time. Who told it is not verified. */
async function measureClock(context: DoctorContext, signal: AbortSignal): Promise<number | null> {
  const { probes, now, service } = context;
  try {
    const { answer, receivedAt } = await probes.echo(tunnelEndpoint(context), { signal }, now);
    return receivedAt - answer.time;
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
  }
  try {
    const answer = await probes.get(
      new URL(`https://${service!.login}:${service!.port}/.well-known/openid-configuration`),
      { signal },
    );
    const date = Date.parse(String(answer.headers.date));
    return Number.isNaN(date) ? null : now() - date;
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    return null;
  }
}

async function tryVersion(context: DoctorContext, version: Version, signal: AbortSignal): Promise<Outcome> {
  const endpoint = tunnelEndpoint(context);
  const tried = `a handshake with ${endpoint.host}:${endpoint.port} in ${nameOf(version)} and no other version`;
  const command = sClient(context, endpoint, [
    version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3',
    '-alpn',
    echoProtocol,
  ]);
  try {
    const seen = await context.probes.look(endpoint, { version, protocols: [echoProtocol], signal });
    return passed({ tried, seen: `agreed, with ${describeCertificate(seen.certificate)}`, command });
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    const observation = { tried, seen: error.message, command };
    if (error.stage === 'connection') return notRun(error.message);
    const other = await negotiate(context, endpoint, signal);
    const why = explainHandshake(error, version);
    if (other === null) return failed(observation, why, passUntouched(context));
    return warning(
      observation,
      `${why} The connector works with ${nameOf(other.version)}.`,
      `${passUntouched(context)} It matters when the other version is switched off one day.`,
    );
  }
}

async function negotiate(
  context: DoctorContext,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<Omit<Handshake, 'socket'> | null> {
  try {
    return await context.probes.look(endpoint, { protocols: [echoProtocol], signal });
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    return null;
  }
}

function explainHandshake(error: ProbeError, version: Version): string {
  const name = nameOf(version);
  if (/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION/.test(error.code)) {
    return `Who answers does not offer ${name}, only other versions; the service offers 1.2 and 1.3, so that something on the way ends TLS.`;
  }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST|UNKNOWN_PROTOCOL/.test(error.code)) {
    return 'Who answers speaks no TLS: another program has this port, or a proxy answers in its place.';
  }
  if (error.code === 'timed_out')
    return `The handshake in ${name} got no answer: something on the way drops it.`;
  if (isReset(error)) return `The handshake in ${name} was cut off: something on the way objects to it.`;
  return `The handshake in ${name} was refused (${error.message}).`;
}

async function examineTunnelChain(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const { probes, settings, service } = context;
  const endpoint = tunnelEndpoint(context);
  const tried =
    settings === null
      ? `who issued the certificate of ${endpoint.host}:${endpoint.port}`
      : `the certificate of ${endpoint.host}:${endpoint.port} against the authorities that the service gave at registration`;
  const command = sClient(context, endpoint, ['-alpn', echoProtocol, '-showcerts']);
  let seen: Omit<Handshake, 'socket'>;
  try {
    seen = await probes.look(endpoint, {
      protocols: [echoProtocol],
      signal,
      ...(settings !== null && { authorities: settings.anchors }),
    });
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    return notRun(`There was no handshake: ${error.message}.`);
  }
  const observation = { tried, seen: describeCertificate(seen.certificate), command };
  const isNamedRight = commonNameOf(seen.certificate.issuer) === `serviceca.${service!.domain}`;
  if (settings === null) {
    // Only the name can be compared before registration has brought the authority itself.
    return isNamedRight ? passed(observation) : inspected(observation, seen.certificate, context);
  }
  if (seen.chainError === '') return passed(observation);
  if (isAboutDates(seen.chainError)) return wrongDates(seen.certificate, observation, context, signal);
  return explainChain(seen, observation, context, isNamedRight);
}

function explainChain(
  { chainError, certificate }: Pick<Handshake, 'chainError' | 'certificate'>,
  observation: Observation,
  context: DoctorContext,
  isNamedRight: boolean,
): Outcome {
  if (chainError === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return failed(
      observation,
      `The certificate is made out to other names (${certificate.subjectAltName ?? oneLine(certificate.subject)}): another server answers.`,
      `Check that ${context.service!.connect} leads to the service, and that nothing on the way answers in its place.`,
    );
  }
  if (!isNamedRight) return inspected(observation, certificate, context);
  return failed(
    observation,
    `The service has another authority than when this connector was registered (${chainError}): it was set up anew, or another one answers under its name.`,
    `If the service was set up anew: ${registerAgain} If not, see who answers as ${context.service!.connect}.`,
  );
}

function inspected(observation: Observation, certificate: X509Certificate, context: DoctorContext): Outcome {
  return failed(
    observation,
    `TLS is opened on the way: the certificate that answers as ${context.service!.connect} was issued by "${issuerOf(certificate)}", not by the service's own authority.`,
    passUntouched(context),
  );
}

function isAboutDates(chainError: string): boolean {
  return chainError === 'CERT_HAS_EXPIRED' || chainError === 'CERT_NOT_YET_VALID';
}

const setThisClock = 'Set the clock of this machine and keep it set: `timedatectl set-ntp true`.';

/** A certificate that is wrong in its dates alone: that may be a clock, this machine's or the service's, or neither. */
async function wrongDates(
  certificate: X509Certificate,
  observation: Observation,
  context: DoctorContext,
  signal: AbortSignal,
): Promise<Outcome> {
  const aheadMs = await clockAhead(context, signal);
  const dates = `valid from ${certificate.validFromDate.toISOString()} until ${certificate.validToDate.toISOString()}`;
  if (aheadMs === null) {
    return failed(
      observation,
      `By this machine's clock (${day(context.now())}), the certificate of the service is not valid today (${dates}). The service told no time to compare with.`,
      `Compare \`date -u\` here and on the service with a clock that you trust, and set the one that is wrong. If both are right: let the service's operator renew the certificate.`,
    );
  }
  if (Math.abs(aheadMs) > clockWarningMs) {
    return failed(
      observation,
      `By this machine's clock, which is ${describeSpan(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} the service's, the certificate of the service is not valid (${dates}).`,
      `${setThisClock} If this one is right (compare \`date -u\` with a clock that you trust): let the service's operator set the clock there.`,
    );
  }
  return failed(
    observation,
    `The certificate of the service is not valid today (${dates}); this machine's clock (${day(context.now())}) and the service's agree.`,
    "Let the service's operator renew it (`postern doctor` there names it); this machine has nothing to mend, unless both clocks are wrong.",
  );
}

async function examinePublicChains(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const { service, authorities, probes } = context;
  const names = requiredNames(service!);
  const looks = await Promise.all(
    names.map(async host => {
      const endpoint = { host, port: service!.port };
      try {
        return {
          host,
          ...(await probes.look(endpoint, { protocols: ['http/1.1'], authorities, signal })),
          problem: '',
        };
      } catch (error) {
        if (!(error instanceof ProbeError)) throw error;
        return { host, certificate: null, chainError: '', problem: error.message };
      }
    }),
  );
  const bad = looks.filter(one => one.problem !== '' || one.chainError !== '');
  const shown = bad[0] ?? looks[0]!;
  const observation = {
    tried: `the certificates of ${names.join(', ')} against the authorities of this machine${context.caFile === null ? '' : ` and of ${context.caFile}`}`,
    seen: (bad.length === 0 ? looks.slice(0, 1) : bad)
      .map(
        one =>
          `${one.host}: ${one.certificate === null ? one.problem : describeCertificate(one.certificate)}${one.chainError === '' ? '' : ` (${one.chainError})`}`,
      )
      .join('; '),
    command: sClient(context, { host: shown.host, port: service!.port }, [
      '-showcerts',
      '-verify_return_error',
    ]),
  };
  if (bad.length === 0) return passed(observation);
  const outcome =
    shown.certificate !== null && isAboutDates(shown.chainError)
      ? await wrongDates(shown.certificate, observation, context, signal)
      : explainPublicChain(shown, observation, context);
  // Tunnels go by the service's own authority, which the check before this one has found in order.
  return context.settings === null ? outcome : { ...outcome, status: 'warning' };
}

function explainPublicChain(
  {
    host,
    certificate,
    chainError,
    problem,
  }: { host: string; certificate: X509Certificate | null; chainError: string; problem: string },
  observation: Observation,
  context: DoctorContext,
): Outcome {
  if (certificate === null) {
    return failed(observation, `No TLS connection with ${host}: ${problem}.`, passUntouched(context));
  }
  if (chainError === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return failed(
      observation,
      `The certificate of ${host} is made out to other names (${certificate.subjectAltName ?? 'none'}).`,
      `Let the service's operator add ${host} to a certificate (\`postern config check\` shows what is missing), and check that the name leads to the service.`,
    );
  }
  return failed(
    observation,
    `The certificate of ${host} was issued by "${issuerOf(certificate)}", which this machine does not trust. The tunnel listener's certificate is the service's own, so that the service itself uses this authority, or only the names for browsers are inspected.`,
    `If "${issuerOf(certificate)}" is the service's authority: register with an enrolment token, which names it, give its certificate with --ca-file, or add it to the authorities of this machine. If it is an inspector's: exempt *.${context.service!.domain} from TLS inspection.`,
  );
}

const trials = new WeakMap<DoctorContext, Promise<TrialCertificates>>();

/** Made once per run: an RSA key takes a while. */
function trialCertificates(context: DoctorContext): Promise<TrialCertificates> {
  let made = trials.get(context);
  if (made === undefined) {
    // What makes certificates is loaded only here, since a running connector has no other use for it.
    made = import('./client-certificate.ts').then(({ createTrialCertificates }) => createTrialCertificates());
    trials.set(context, made);
  }
  return made;
}

async function tryClientCertificate(
  context: DoctorContext,
  version: Version,
  signal: AbortSignal,
): Promise<Outcome> {
  const { sha512, sha256 } = await trialCertificates(context);
  const endpoint = tunnelEndpoint(context);
  const name = nameOf(version);
  const tried = `a self-signed certificate with a SHA-512 signature presented to ${endpoint.host}:${endpoint.port} over ${name}; the service tells what it saw`;
  const command = byHand(context, endpoint, version);
  const present = (client?: ClientPair) =>
    echoOrProblem(context, { version, ...(client && { client }) }, signal);
  const given = await present(sha512);
  if (!(given instanceof ProbeError))
    return compareArrived(given, sha512, { tried, command, context, version });
  const observation = { tried, seen: given.message, command };
  if (given.code === 'not_the_service') {
    return failed(
      observation,
      `The connection ends before the service: ${given.message}.`,
      passUntouched(context),
    );
  }
  const without = await present();
  if (without instanceof ProbeError)
    return notRun(`The connection breaks without a certificate, too: ${without.message}.`);
  const withSha256 = await present(sha256);
  const what =
    withSha256 instanceof ProbeError
      ? `client certificates in ${name}`
      : `client certificates with a SHA-512 signature in ${name}; one with SHA-256 passes`;
  const cause = `Something between here and the service objects to ${what} (${given.message}).`;
  const remedy = `${passUntouched(context)} Its rules must allow client certificates with SHA-512 signatures.`;
  const other = await echoOrProblem(context, { client: sha512 }, signal);
  if (other instanceof ProbeError || other.certificate === null) return failed(observation, cause, remedy);
  return warning(
    observation,
    `${cause} Without a fixed version it arrives (${other.tlsVersion}), so that tunnels work.`,
    remedy,
  );
}

async function echoOrProblem(
  context: DoctorContext,
  options: { version?: Version; client?: ClientPair },
  signal: AbortSignal,
): Promise<EchoAnswer | ProbeError> {
  try {
    return (await context.probes.echo(tunnelEndpoint(context), { ...options, signal }, context.now)).answer;
  } catch (error) {
    if (error instanceof ProbeError) return error;
    throw error;
  }
}

function byHand(context: DoctorContext, endpoint: Endpoint, version: Version): string {
  const make =
    'openssl req -x509 -newkey rsa:3072 -nodes -sha512 -subj /CN=test -days 1 -keyout /tmp/postern-test.key -out /tmp/postern-test.pem';
  const versionOption = version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3';
  return `${make} && ${sClient(context, endpoint, [versionOption, '-alpn', echoProtocol, '-cert', '/tmp/postern-test.pem', '-key', '/tmp/postern-test.key', '-ign_eof'])}`;
}

function compareArrived(
  answer: EchoAnswer,
  sent: ClientPair,
  {
    tried,
    command,
    context,
    version,
  }: { tried: string; command: string; context: DoctorContext; version: Version },
): Outcome {
  const { certificate, tlsVersion } = answer;
  const seen = `the service saw ${tlsVersion} and ${certificate === null ? 'no certificate' : `a certificate signed with ${certificate.signatureAlgorithm}`}`;
  const observation = { tried, seen, command };
  if (certificate === null) {
    return failed(
      observation,
      'The client certificate did not arrive: something on the way ends TLS and drops it.',
      passUntouched(context),
    );
  }
  if (certificate.sha256 !== sha256Of(new X509Certificate(sent.certificate))) {
    return failed(
      observation,
      'Another client certificate arrived than was sent: something on the way ends TLS and presents its own.',
      passUntouched(context),
    );
  }
  if (tlsVersion !== version) {
    return failed(
      observation,
      `${nameOf(version)} was spoken here, and ${tlsVersion} at the service: something on the way ends TLS.`,
      passUntouched(context),
    );
  }
  return passed(observation);
}

interface Named {
  readonly settings: TrustSettings;
  readonly store: StoreName;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** What TrustSettings.xml names; the checks before this one have read it. */
async function named({ dataDir }: DoctorContext): Promise<Named> {
  const settings = await readTrustSettings(dataDir);
  if (settings === null) throw new Error('there is no TrustSettings.xml any more');
  const store = settings.isInUserStore ? 'user' : 'machine';
  const stem = join(storeFolder(dataDir, store), settings.thumbprint);
  return { settings, store, certificateFile: `${stem}.pem`, keyFile: `${stem}.key` };
}

function notRegistered(context: DoctorContext): Outcome | null {
  if (context.settings !== null || context.settingsProblem !== '') return null;
  return notRun(`No connector is registered in ${context.dataDir}.`);
}

async function examineSettings(context: DoctorContext): Promise<Outcome> {
  const absent = notRegistered(context);
  if (absent !== null) return absent;
  const file = trustSettingsFile(context.dataDir);
  const command = shell(['cat', file]);
  let settings: TrustSettings | null;
  try {
    settings = await readTrustSettings(context.dataDir);
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    const remedy =
      code === 'EACCES' || code === 'EPERM'
        ? `Run the doctor as the user that owns ${context.dataDir}, or as root.`
        : `Put back the file from a backup. Or: ${registerAgain}`;
    return failed({ tried: file, seen: message, command }, message, remedy);
  }
  if (settings === null) {
    return failed(
      { tried: file, seen: 'no such file', command },
      `There is no ${file}, though the connector is registered.`,
      registerAgain,
    );
  }
  const store = settings.isInUserStore ? 'user' : 'machine';
  return passed({
    tried: file,
    seen: `thumbprint ${settings.thumbprint}, in the ${store} store (IsInUserStore ${settings.isInUserStore})`,
    command,
  });
}

async function examineStore(context: DoctorContext): Promise<Outcome> {
  const { settings, store, certificateFile } = await named(context);
  const observe = (seen: string): Observation => ({
    tried: certificateFile,
    seen,
    command: shell([
      'openssl',
      'x509',
      '-in',
      certificateFile,
      '-noout',
      '-fingerprint',
      '-sha1',
      '-subject',
      '-issuer',
      '-dates',
    ]),
  });
  const read = readCertificate(certificateFile);
  if (read.certificate !== null) {
    const thumbprint = read.certificate.fingerprint.replaceAll(':', '');
    if (thumbprint === settings.thumbprint) return passed(observe(describeCertificate(read.certificate)));
    return failed(
      observe(`a certificate with the thumbprint ${thumbprint}`),
      `The file named ${settings.thumbprint} holds the certificate ${thumbprint}.`,
      `Put back the right file, or name ${thumbprint} in TrustSettings.xml. Or: ${registerAgain}`,
    );
  }
  if (read.code !== 'ENOENT') {
    return failed(
      observe(read.problem),
      `The certificate ${settings.thumbprint} cannot be read: ${read.problem}.`,
      readRemedy(read.code, context),
    );
  }
  const other = store === 'user' ? 'machine' : 'user';
  const elsewhere = await findPair(context.dataDir, other, settings.thumbprint);
  if (elsewhere !== null) {
    return failed(
      observe(`not there, but in the ${other} store`),
      `TrustSettings.xml says IsInUserStore ${settings.isInUserStore}, and the certificate is in the ${other} store.`,
      `Set IsInUserStore to ${!settings.isInUserStore} in ${trustSettingsFile(context.dataDir)}. No restart is needed to look again.`,
    );
  }
  return failed(
    observe('no such file'),
    `Neither store holds the certificate ${settings.thumbprint} that TrustSettings.xml names: the thumbprint is wrong, or the file is lost.`,
    `\`postern connector certificates\` lists what there is; name one of them in TrustSettings.xml. Or: ${registerAgain}`,
  );
}

function readCertificate(file: string): {
  certificate: X509Certificate | null;
  code: string;
  problem: string;
} {
  try {
    return { certificate: new X509Certificate(readFileSync(file)), code: '', problem: '' };
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    return { certificate: null, code, problem: message };
  }
}

function readRemedy(code: string, { dataDir }: DoctorContext): string {
  if (code === 'EACCES' || code === 'EPERM')
    return `Run the doctor as the user that owns ${dataDir}, or as root.`;
  return registerAgain;
}

async function examineKey(context: DoctorContext): Promise<Outcome> {
  const { certificateFile, keyFile } = await named(context);
  const observe = (seen: string): Observation => ({
    tried: `${keyFile} against the certificate beside it`,
    seen,
    command: `${shell(['openssl', 'pkey', '-in', keyFile, '-pubout'])}; ${shell(['openssl', 'x509', '-in', certificateFile, '-noout', '-pubkey'])}`,
  });
  try {
    const key = createPrivateKey(readFileSync(keyFile));
    if (new X509Certificate(readFileSync(certificateFile)).checkPrivateKey(key))
      return passed(observe('they belong together'));
    return failed(
      observe('they do not belong together'),
      'The private key is not that of the certificate.',
      `Put back the key from a backup. Or: ${registerAgain}`,
    );
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const cause =
      code === 'ENOENT'
        ? `The private key ${keyFile} is missing.`
        : `The private key cannot be read: ${message}.`;
    return failed(observe(message), cause, readRemedy(code, context));
  }
}

async function examinePermissions(context: DoctorContext): Promise<Outcome> {
  if (process.platform === 'win32')
    return notRun('On Windows, access is a matter of the folder that the data is in.');
  const { store, certificateFile, keyFile } = await named(context);
  const folder = storeFolder(context.dataDir, store);
  const owner = statSync(context.dataDir).uid;
  const entries = [
    { path: folder, allowed: 0o700 },
    { path: certificateFile, allowed: 0o600 },
    { path: keyFile, allowed: 0o600 },
  ].flatMap(one => {
    // What is lost is for other checks to say.
    const found = statSync(one.path, { throwIfNoEntry: false });
    return found === undefined ? [] : [{ ...one, uid: found.uid, mode: found.mode & 0o777 }];
  });
  const command = shell(['ls', '-ld', context.dataDir, ...entries.map(one => one.path)]);
  const seen = entries.map(one => `${one.path} ${one.mode.toString(8)} uid ${one.uid}`).join('; ');
  const observation = {
    tried: `owner and permissions below ${context.dataDir} (uid ${owner})`,
    seen,
    command,
  };
  const foreign = entries.filter(one => one.uid !== owner);
  if (foreign.length > 0) {
    return failed(
      observation,
      `${foreign[0]!.path} belongs to uid ${foreign[0]!.uid}, and the data folder to uid ${owner}: the connector cannot use or renew its certificate.`,
      `Run: ${shell(['chown', '-R', `--reference=${context.dataDir}`, join(context.dataDir, 'certificates'), join(context.dataDir, 'Config')])}`,
    );
  }
  const wide = entries.filter(one => (one.mode & ~one.allowed) !== 0);
  if (wide.length > 0) {
    const [first] = wide;
    return failed(
      observation,
      `${first!.path} has permissions ${first!.mode.toString(8)}: other users of this machine may read it, and who has the key is this connector.`,
      `Run: ${wide.map(one => shell(['chmod', one.allowed.toString(8), one.path])).join(' && ')}. If others could have read the key: ${registerAgain} Then revoke the old certificate.`,
    );
  }
  return passed(observation);
}

async function examineMachine(context: DoctorContext): Promise<Outcome> {
  const absent = notRegistered(context);
  if (absent !== null) return absent;
  if (machineFingerprint() === null) {
    return notRun(
      'The check of the machine is off: this machine has no id that lasts (/etc/machine-id), as in most containers. A copy of the data folder would run elsewhere as the same connector.',
    );
  }
  const observation = {
    tried: `the machine that ${context.dataDir} was registered on, and this one (/etc/machine-id)`,
    command: shell(['cat', '/etc/machine-id']),
  };
  try {
    const isRemembered = await refuseOtherMachine(context.dataDir);
    if (isRemembered) return passed({ ...observation, seen: 'the same machine' });
    return notRun(
      'The check of the machine is off: the identity remembers no machine, because it was registered by an older release or in a container. Registering again turns it on.',
    );
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    return failed({ ...observation, seen: 'another machine' }, error.message, error.remedy);
  }
}

async function examineValidity(context: DoctorContext): Promise<Outcome> {
  const { certificateFile } = await named(context);
  const { certificate, problem } = readCertificate(certificateFile);
  if (certificate === null) return notRun(problem);
  const notBefore = certificate.validFromDate.getTime();
  const notAfter = certificate.validToDate.getTime();
  // The service's clock decides; by this machine's own, a wrong clock would look like an expired certificate.
  const now = context.now() - (context.found.clockAheadMs ?? 0);
  const renewal = notBefore + ((notAfter - notBefore) * 2) / 3;
  const observation = {
    tried: `the dates of ${certificateFile}`,
    seen: `valid from ${day(notBefore)} until ${day(notAfter)}; renewal is due from about ${day(renewal)} on`,
    command: shell(['openssl', 'x509', '-in', certificateFile, '-noout', '-dates']),
  };
  if (now > notAfter) {
    return failed(
      observation,
      `The trust certificate expired on ${day(notAfter)} (event 1000). A connector that is off for months cannot renew.`,
      `Run \`postern connector register\` on this machine; the connector keeps its id and group, and a running one takes the new certificate without a restart.`,
    );
  }
  if (now < notBefore) {
    return failed(
      observation,
      `The trust certificate is valid only from ${day(notBefore)} on.`,
      "Set the clock of this machine, or the service's.",
    );
  }
  if (notAfter - now < expiryWarningMs) {
    return warning(
      observation,
      `The trust certificate expires on ${day(notAfter)}, and its renewal has been due since ${day(renewal)}.`,
      'The connector renews by itself while its tunnel is up: see why it is not, or look for failed renewals with `postern connector events`.',
    );
  }
  return passed(observation);
}

async function examineIssuer(context: DoctorContext): Promise<Outcome> {
  const { certificateFile } = await named(context);
  const { certificate, problem } = readCertificate(certificateFile);
  if (certificate === null) return notRun(problem);
  const wanted = `connectorregistrationca.${context.service?.domain ?? ''}`;
  const observation = {
    tried: `issuer, usage and signature of ${certificateFile}`,
    seen: `issued by ${issuerOf(certificate)}, for ${(certificate.keyUsage ?? []).join(', ') || 'any use'}, signed with ${certificate.signatureAlgorithm}`,
    command: shell([
      'openssl',
      'x509',
      '-in',
      certificateFile,
      '-noout',
      '-issuer',
      '-ext',
      'extendedKeyUsage',
    ]),
  };
  if (context.settings !== null && commonNameOf(certificate.issuer) !== wanted) {
    return failed(
      observation,
      `The certificate was issued by "${issuerOf(certificate)}" and not by ${wanted}.`,
      registerAgain,
    );
  }
  if (!(certificate.keyUsage as readonly string[] | undefined)?.includes('1.3.6.1.5.5.7.3.2')) {
    return failed(observation, 'The certificate is not meant for client authentication.', registerAgain);
  }
  return passed(observation);
}

async function fetchRevocationList(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const { certificateFile } = await named(context);
  const { revocationListUrls, readRevocationList } = await import('./revocation-list.ts');
  const [address] = revocationListUrls(readFileSync(certificateFile, 'utf8'));
  const url = address === undefined ? null : URL.parse(address);
  if (url === null || url.protocol !== 'http:')
    return notRun('The trust certificate names no revocation list.');
  const tried = `GET ${url.href}`;
  const command = `${curl(context, url.href, ['-o', '/tmp/postern.crl'])} && openssl crl -inform DER -in /tmp/postern.crl -noout -nextupdate`;
  const lost =
    'Programs that check revocation by the list cannot; the service itself refuses revoked certificates all the same.';
  try {
    const answer = await context.probes.get(url, { signal });
    const list = answer.status === 200 ? readRevocationList(answer.bytes) : null;
    const observation = {
      tried,
      seen:
        list === null
          ? `HTTP status ${answer.status}, and no revocation list`
          : `${answer.bytes.length} bytes, next update ${list.nextUpdate ?? 'not told'}`,
      command,
    };
    if (list !== null) return passed(observation);
    return warning(
      observation,
      `What answers at ${url.host} sends no revocation list. ${lost}`,
      `Let filters and proxies pass plain HTTP to ${url.host}.`,
    );
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    return warning(
      { tried, seen: error.message, command },
      `The revocation list cannot be fetched. ${lost}`,
      `Let the firewall or proxy pass outbound TCP port ${url.port || 80} to ${url.hostname}.`,
    );
  }
}

async function askForVerdict(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const { settings, store } = await named(context);
  const pair: CertificatePair | null = await findPair(context.dataDir, store, settings.thumbprint);
  if (pair === null) return notRun('The certificate or its key cannot be read.');
  const endpoint = tunnelEndpoint(context);
  const tried = `the trust certificate ${settings.thumbprint} presented to ${endpoint.host}:${endpoint.port}`;
  const files = join(storeFolder(context.dataDir, store), settings.thumbprint);
  const command = sClient(context, endpoint, [
    '-alpn',
    echoProtocol,
    '-cert',
    `${files}.pem`,
    '-key',
    `${files}.key`,
    '-ign_eof',
  ]);
  const answer = await echoOrProblem(context, { client: pair }, signal);
  if (answer instanceof ProbeError) {
    return failed(
      { tried, seen: answer.message, command },
      `The service could not be asked with the trust certificate: ${answer.message}.`,
      passUntouched(context),
    );
  }
  const observation = {
    tried,
    seen: answer.verdict === 'accepted' ? 'accepted' : `${answer.verdict}: ${answer.detail}`,
    command,
  };
  if (answer.verdict === 'accepted') return passed(observation);
  if (answer.verdict === 'busy') return notRun(`The service cannot tell now: ${answer.detail}.`);
  return failed(
    observation,
    `The service refuses this connector (${answer.verdict}): ${answer.detail}.`,
    refusalRemedy(answer.verdict, answer.detail, endpoint),
  );
}

function refusalRemedy(refusal: RefusalReason, detail: string, { host, port }: Endpoint): string {
  return remedyFor(new TunnelError('refused', detail, { refusal }), host, port);
}

async function examineTunnel(context: DoctorContext, signal: AbortSignal): Promise<Outcome> {
  const absent = notRegistered(context);
  if (absent !== null) return absent;
  const status = await settledStatus(context, signal);
  context.found.status = status;
  if (status === null || !status.isRunning)
    return notRun('The connector is not running; the group machine looks into that.');
  const observation = {
    tried: `what the connector's process ${status.processId} says of itself`,
    seen: `${status.state}, ${status.tunnels.map(one => `tunnel to ${one.address} since ${day(one.since)}`).join(', ') || 'no tunnel'}`,
    command: shell(['postern', 'connector', 'status', '--data', context.dataDir]),
  };
  if (status.state === 'connected' && status.tunnels.length > 0) return passed(observation);
  const { lastError } = status;
  if (lastError === null) {
    return failed(
      observation,
      `The connector is ${status.state} and has no tunnel yet.`,
      'Wait some seconds and look again; the checks above say what may be in the way.',
    );
  }
  return failed(
    observation,
    `The connector has no tunnel: ${lastError.message} (${lastError.code}).`,
    lastError.remedy,
  );
}

const settleMs = 3_000;
const settleStepMs = 200;

/** What the process says of itself, once its first attempt is over: the doctor is mostly asked right after a start. */
async function settledStatus(
  { dataDir }: DoctorContext,
  signal: AbortSignal,
): Promise<ConnectorStatus | null> {
  for (let waitedMs = 0; ; waitedMs += settleStepMs) {
    const status = await readConnectorStatus({ dataDir }).catch(() => null);
    const isUndecided =
      status?.isRunning === true && status.state === 'connecting' && status.lastError === null;
    if (!isUndecided || waitedMs >= settleMs) return status;
    await setTimeout(settleStepMs, undefined, { signal });
  }
}

const slowRoundTripMs = 1_000;

function examineRoundTrip({ found, dataDir }: DoctorContext): Outcome {
  const { tunnels } = found.status!;
  const observation = {
    tried: 'the pings of the tunnels',
    seen: tunnels
      .map(
        one =>
          `${one.address}: ${one.roundTripMs === null ? 'not measured yet' : `${Math.round(one.roundTripMs)} ms`}, ${one.unansweredPings} unanswered`,
      )
      .join('; '),
    command: shell(['postern', 'connector', 'status', '--data', dataDir, '--json']),
  };
  if (tunnels.some(one => one.unansweredPings >= 2)) {
    return warning(
      observation,
      'Pings are not answered: the tunnel is about to be lost.',
      'Look at what lies between this machine and the service: loss, a firewall that forgets connections, a sleeping link.',
    );
  }
  if (tunnels.some(one => (one.roundTripMs ?? 0) > slowRoundTripMs)) {
    return warning(
      observation,
      'The way to the service is slow: each request takes a round trip at least.',
      'Look for a full link or a detour (VPN) between this machine and the service.',
    );
  }
  return passed(observation);
}

function nameOf(version: string): string {
  return version.replace('TLSv', 'TLS ');
}

function describeCertificate(certificate: X509Certificate): string {
  return `a certificate for ${oneLine(certificate.subject)}, issued by ${issuerOf(certificate)}, valid until ${day(certificate.validToDate.getTime())}`;
}

function issuerOf(certificate: X509Certificate): string {
  return oneLine(commonNameOf(certificate.issuer) ?? certificate.issuer);
}

/** The first common name of a distinguished name as Node writes it: an attribute a line. */
function commonNameOf(name: string | undefined): string | null {
  return /^CN=(.*)$/m.exec(name ?? '')?.[1] ?? null;
}

// Who answers chooses these names; control characters must not reach a terminal.
function oneLine(name: string | undefined): string {
  return (
    (name ?? '')
      .replaceAll('\n', ', ')
      .replace(/[\x00-\x1f\x7f]/g, '?')
      .slice(0, 300) || 'nobody it names'
  );
}

function day(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
}

function describeSpan(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 2 * 3_600_000) return `${Math.round(ms / 60_000)} minutes`;
  if (ms < 2 * dayMs) return `${Math.round(ms / 3_600_000)} hours`;
  return `${Math.round(ms / dayMs)} days`;
}
