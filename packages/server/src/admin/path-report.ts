import { STATUS_CODES } from 'node:http';
import { isIP } from 'node:net';
import type { ApplicationTest, TestHop } from '@postern/protocol/admin/application-test';
import type { TestHopName } from '@postern/protocol/admin/test-hops';
import { failures } from '../edge/failure.ts';
import type { PathFacts } from '../feed/path-facts.ts';

/** What is known about a test beside what the relay saw. */
export interface TestSubject {
  readonly applicationId: string;
  readonly displayName: string;
  readonly url: string;
  /** Of the backend, as it was published. */
  readonly internalUrl: string;
  /** Whoever asks. */
  readonly userName: string;
  readonly isPassthrough: boolean;
  readonly groupName: string;
  /** Of the group, revoked ones left out. */
  readonly connectors: readonly {
    readonly id: string;
    readonly machineName: string;
    readonly state: ConnectorState;
  }[];
  readonly testedAt: number;
}

export type ConnectorState = 'live' | 'draining' | 'away';

/** What is wrong, and what to do about it. */
interface Finding {
  readonly state: 'failed' | 'warning';
  readonly code: string;
  readonly detail: string;
  readonly remedy: string;
}

/** From here on it is worth a word that a backend is slow. */
const slowMs = 2_000;

/** Tells what a test saw, station by station, with a remedy for whatever is wrong. */
export function reportOf(facts: PathFacts, subject: TestSubject): ApplicationTest {
  const found = findingsOf(facts, subject);
  const hops = timeline(facts, subject).map(hop => {
    const finding = found.get(hop.hop);
    return finding === undefined ? hop : { ...hop, ...finding };
  });
  return {
    applicationId: subject.applicationId,
    displayName: subject.displayName,
    url: subject.url,
    requestId: facts.requestId,
    testedDateTime: new Date(subject.testedAt).toISOString(),
    outcome: hops.some(({ state }) => state === 'failed') ? 'failed' : 'passed',
    status: facts.status === 0 || isRefusedOnly(facts) ? null : facts.status,
    redirectsTo: facts.location,
    totalMs: facts.totalMs,
    hops,
  };
}

function isRefusedOnly({ refusal, times, failure }: PathFacts): boolean {
  return refusal !== null && times.queue === null && failure === null;
}

/** The stations as they would read if nothing were wrong. */
function timeline(facts: PathFacts, subject: TestSubject): TestHop[] {
  const { times, wasOpened } = facts;
  const hops: TestHop[] = [];
  let at = 0;
  const add = (hop: TestHopName, durationMs: number | null, detail: string, wasCome: boolean) => {
    const state = wasCome ? 'passed' : 'notRun';
    const startMs = wasCome ? round(at) : null;
    hops.push({
      hop,
      state,
      startMs,
      durationMs: wasCome ? durationMs : null,
      detail: wasCome ? detail : 'not reached',
      code: null,
      remedy: null,
    });
    if (wasCome) at += durationMs ?? 0;
  };
  const isUntold = wasOpened && times.dns === null && times.connect === null;
  const untold = 'this connector is too old to say how long it took';
  const { protocol, hostname } = new URL(subject.internalUrl);
  add('admission', times.edge, admitted(subject), true);
  add('connector', times.queue, chosen(facts, subject), facts.connectorId !== null);
  add('tunnel', times.tunnel, isUntold ? untold : 'there and back', wasOpened);
  add(
    'backendDns',
    times.dns,
    isUntold ? untold : resolved(hostname),
    wasOpened && (isUntold || times.dns !== null),
  );
  const isConnected = times.connect !== null || isUntold;
  add('backendConnect', times.connect, isUntold ? untold : (facts.address ?? ''), wasOpened && isConnected);
  if (protocol === 'https:') {
    add(
      'backendTls',
      times.tls,
      isUntold ? untold : 'accepted',
      wasOpened && (isUntold || times.tls !== null),
    );
  }
  add('backendAnswer', times.backend, `from ${hostname}`, facts.status > 0 && times.backend !== null);
  add('answer', facts.contentMs, answered(facts), facts.contentMs !== null);
  return hops;
}

function resolved(hostname: string): string {
  return isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? hostname : 'an address: there is no name to resolve';
}

function admitted({ isPassthrough, userName }: TestSubject): string {
  return isPassthrough ? 'passthrough: everybody is let in' : `${userName} is let in`;
}

function chosen({ connectorId }: PathFacts, { groupName, connectors }: TestSubject): string {
  const live = connectors.filter(({ state }) => state === 'live').length;
  const name = connectors.find(({ id }) => id === connectorId)?.machineName;
  return `${name ?? 'none'}, of ${live} connected in ${groupName}`;
}

function answered({ status, bytes, contentType, location }: PathFacts): string {
  const said = `${status} ${STATUS_CODES[status] ?? ''}`.trim();
  if (location !== null) return `${said} → ${location}`;
  const type = contentType?.split(';', 1)[0] ?? '';
  return [said, type, formatBytes(bytes)].filter(Boolean).join(', ');
}

function findingsOf(facts: PathFacts, subject: TestSubject): Map<TestHopName, Finding> {
  const found = new Map<TestHopName, Finding>();
  if (facts.refusal !== null) found.set('admission', refusalFinding(facts.refusal, subject));
  if (facts.failure !== null) found.set(...failureFinding(facts.failure, facts, subject));
  else if (facts.status > 0 && !isRefusedOnly(facts)) {
    const ofStatus = statusFinding(facts, subject);
    if (ofStatus !== null) found.set('answer', ofStatus);
    const slow = slowFinding(facts);
    if (slow !== null) found.set('backendAnswer', slow);
  }
  return found;
}

function refusalFinding(code: string, { displayName, userName }: TestSubject): Finding {
  const name = quote(displayName);
  const fail = (detail: string, remedy: string): Finding => ({ state: 'failed', code, detail, remedy });
  switch (code) {
    case 'not_allowed':
      return fail(
        `${userName} is not assigned to it`,
        `Assign it where that is wanted: postern app assign ${name} ${userName}. What follows was asked in nobody's name.`,
      );
    case 'maintenance':
      return fail(
        'closed for maintenance',
        `When the work is done: postern app maintenance ${name} off. What follows was asked in nobody's name.`,
      );
    case 'application_disabled':
      return fail('switched off', `Switch it on: postern app update ${name} --enable.`);
    case 'address_not_allowed':
      return fail(
        'your address may not use it',
        `Look at its networks, and at the service's own: postern app limits ${name}.`,
      );
    case 'answered_by_service':
      return {
        state: 'warning',
        code,
        detail: 'the service answers this address itself',
        remedy: 'Ask for another path with --path, or let the backend answer robots.txt (app headers).',
      };
    default: {
      const known = Object.hasOwn(failures, code) ? failures[code as keyof typeof failures] : null;
      return fail(
        known?.sentence ?? `refused (${code})`,
        known?.advice ?? 'Sign in again and repeat the test; the service’s log has the request id.',
      );
    }
  }
}

function failureFinding(
  { code, hop, detail }: NonNullable<PathFacts['failure']>,
  facts: PathFacts,
  subject: TestSubject,
): [TestHopName, Finding] {
  const { internalUrl, displayName } = subject;
  const machine =
    subject.connectors.find(({ id }) => id === facts.connectorId)?.machineName ?? "the connector's machine";
  const said = detail === '' ? code : detail;
  const fail = (at: TestHopName, remedy: string): [TestHopName, Finding] => [
    at,
    { state: 'failed', code, detail: said, remedy },
  ];
  switch (code) {
    case 'no_connector':
    case 'too_many_waiting':
      return ['connector', { state: 'failed', code, ...noConnector(subject) }];
    case 'tunnel_lost':
      return fail('tunnel', `Look at the connector's log on ${machine}: postern connector doctor.`);
    case 'connector_busy':
      return fail(
        'connector',
        'Add a connector to the group, or raise the limit of open files on its machine.',
      );
    case 'dial_not_allowed':
      return fail(
        'connector',
        `The allow-list on ${machine} does not name ${new URL(internalUrl).host}: add it there, or correct the internal URL.`,
      );
    case 'name_not_resolved':
      return fail(
        'backendDns',
        `${machine} cannot resolve ${new URL(internalUrl).hostname}. Correct the internal URL (postern app update ${quote(displayName)} --internal-url URL), or the name servers of ${machine}.`,
      );
    case 'backend_refused':
      return fail(
        'backendConnect',
        `Is the application running, and does it listen at ${new URL(internalUrl).host}? Try from ${machine}: curl -v ${internalUrl}`,
      );
    case 'connect_timeout':
      return fail(
        facts.times.tls === null ? 'backendConnect' : 'backendTls',
        `A firewall between ${machine} and ${new URL(internalUrl).host} drops the packets, or the host is down. Try from ${machine}: curl -v ${internalUrl}`,
      );
    case 'backend_tls':
      return fail(
        'backendTls',
        `Renew the backend's certificate, trust its authority (postern app update ${quote(displayName)} --backend-ca FILE), or do not verify it (--no-verify-backend).`,
      );
    case 'backend_not_http2':
      return fail(
        'backendAnswer',
        `Switch HTTP/2 on at the application, or speak HTTP/1.1 to it: postern app update ${quote(displayName)} --backend-protocol http1.`,
      );
    case 'backend_reset':
    case 'backend_busy':
      return fail(
        'backendAnswer',
        `The application refused the request. Its own log knows it as ${facts.requestId}.`,
      );
    case 'backend_timeout':
    case 'no_answer_in_time':
      if (hop === 'connector' || hop === 'tunnel') {
        return fail(hop, `${machine} did not answer in time: look at its load and its log.`);
      }
      return fail(
        'backendAnswer',
        `The application has the request and does not answer. Its own log knows it as ${facts.requestId}. If it needs longer: postern app update ${quote(displayName)} --timeout SECONDS.`,
      );
    case 'backend_closed':
    case 'bad_response':
      return fail(
        'backendAnswer',
        `Does ${internalUrl} speak ${internalUrl.startsWith('https') ? 'https' : 'plain http'} there? Try from ${machine}: curl -v ${internalUrl}`,
      );
    default:
      return fail(hop === 'backend' ? 'backendAnswer' : 'connector', "Look at the service's log.");
  }
}

function noConnector({ connectors, groupName }: TestSubject): Pick<Finding, 'detail' | 'remedy'> {
  if (connectors.length === 0) {
    return {
      detail: `no connector is registered in the group ${groupName}`,
      remedy: 'Register one on a machine beside the application: postern connector register.',
    };
  }
  const names = connectors
    .map(({ machineName }) => machineName)
    .slice(0, 5)
    .join(', ');
  if (connectors.some(({ state }) => state === 'live')) {
    return {
      detail: `no connector of the group ${groupName} could take the request`,
      remedy: `Look at them: postern connector doctor --connector ${connectors.find(({ state }) => state === 'live')!.machineName}.`,
    };
  }
  if (connectors.some(({ state }) => state === 'draining')) {
    const draining = connectors.find(({ state }) => state === 'draining')!;
    return {
      detail: `the connectors of the group ${groupName} take no new requests (${names})`,
      remedy: `Take one into use again: postern connector resume ${draining.machineName}.`,
    };
  }
  return {
    detail: `no connector of the group ${groupName} is connected (${names})`,
    remedy:
      'Start one; where it runs already, postern connector doctor on its machine says what is in its way.',
  };
}

function statusFinding({ status, location, requestId }: PathFacts, subject: TestSubject): Finding | null {
  const detail = `${status} ${STATUS_CODES[status] ?? ''}`.trim();
  if (status === 508) {
    return {
      state: 'failed',
      code: 'loop_detected',
      detail,
      remedy: `${subject.internalUrl} leads back to this service: correct the internal URL, or give its name another address inside.`,
    };
  }
  if (status >= 500) {
    return {
      state: 'failed',
      code: 'backend_error',
      detail: `${detail}, from the application itself`,
      remedy: `The way to it works. Its own log says why; it knows the request as ${requestId} (X-Request-Id).`,
    };
  }
  if (status === 404) {
    return {
      state: 'warning',
      code: 'backend_not_found',
      detail: `${detail}, from the application itself`,
      remedy: 'Ask for a page that it has with --path, or look at the path of the internal URL.',
    };
  }
  if (location !== null && URL.parse(location)?.origin === new URL(subject.internalUrl).origin) {
    return {
      state: 'warning',
      code: 'redirect_inside',
      detail: `${detail} → ${location}`,
      remedy: `That address only works inside. Translate it: postern app update ${quote(subject.displayName)} --translate-headers.`,
    };
  }
  return null;
}

function slowFinding({ times, totalMs, requestId }: PathFacts): Finding | null {
  if (times.backend === null || times.backend < slowMs) return null;
  const share = Math.min(100, Math.round((100 * times.backend) / Math.max(1, totalMs)));
  return {
    state: 'warning',
    code: 'backend_slow',
    detail: `slow: ${share} % of the whole`,
    remedy: `The application itself is slow, not the way to it. Its own log knows the request as ${requestId}.`,
  };
}

function formatBytes(bytes: number): string {
  if (bytes === 1) return '1 byte';
  return bytes < 1_000 ? `${bytes} bytes` : `${(bytes / 1_000).toFixed(1)} kB`;
}

/** A name as a shell takes it. */
function quote(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
