import { X509Certificate } from 'node:crypto';
import type { LookupAddress } from 'node:dns';
import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import { lookupName } from '@postern/outbound/lookup-name';
import { failed, notRun, type Outcome, passed, warning } from '@postern/protocol/doctor/check';
import { echoProtocol } from '@postern/protocol/tunnel/messages';
import { certificateFiles } from '../config/names.ts';
import type { ServiceCheck, ServiceContext } from './context.ts';
import { readFailedOrders, readPublicCertificates } from './database.ts';
import { lookAt, reachable, type ShownCertificate } from './listener.ts';

const dayMs = 86_400_000;
const expiryWarningMs = 14 * dayMs;
const mostShown = 8;

/** The names of the service and of what it publishes: in DNS, and in certificates. */
export const nameChecks: readonly ServiceCheck[] = [
  {
    id: 'names.resolve',
    title: 'Every name of the service and of its applications resolves',
    otherwise: 'Nobody finds what has that name: browsers, and for the service’s own names connectors, fail.',
    limitMs: 12_000,
    run: context => resolveNames(context),
  },
  {
    id: 'names.certificates',
    title: 'A certificate covers every name',
    otherwise: 'Browsers refuse the names that none covers.',
    limitMs: 12_000,
    run: context => examineCoverage(context),
  },
  {
    id: 'names.expiry',
    title: 'The certificates of all names are valid, and for some time yet',
    otherwise: 'Browsers refuse the names whose certificate is over; a warning in the last two weeks.',
    limitMs: 12_000,
    run: context => examineExpiry(context),
  },
  {
    id: 'names.chain',
    title: 'The certificates come with their chain, from an authority that everybody knows',
    otherwise:
      'A warning: browsers without that authority, or without the certificate between, refuse the names.',
    limitMs: 12_000,
    run: context => examineChains(context),
  },
  {
    id: 'names.automatic',
    title: 'The service gets the certificates that it is to get by itself',
    otherwise: 'A warning: the names are without a certificate, or will be when the present one ends.',
    run: context => examineOrders(context),
  },
  {
    id: 'names.connect',
    title: 'Connectors are shown the certificate of the service’s own authority at connect.<domain>',
    otherwise: 'No connector can make a tunnel.',
    limitMs: 8_000,
    run: context => examineConnectName(context),
  },
];

async function resolveNames({ ownHosts, applicationHosts, config }: ServiceContext): Promise<Outcome> {
  const hosts = [...ownHosts, ...applicationHosts];
  const answers = await Promise.all(hosts.map(async host => ({ host, ...(await resolve(host)) })));
  const bad = answers.filter(one => one.problem !== '');
  const addresses = [...new Set(answers.flatMap(one => one.addresses))];
  const observation = {
    tried: `${hosts.length} names at the name servers of this machine: ${shorten(hosts)}`,
    seen:
      bad.length === 0
        ? `they lead to ${shorten(addresses)}`
        : bad
            .slice(0, mostShown)
            .map(one => `${one.host}: ${one.problem}`)
            .join('; '),
    command: `getent ahosts ${(bad[0] ?? answers[0])!.host}`,
  };
  if (bad.length === 0) return passed(observation);
  return failed(
    observation,
    `${shorten(bad.map(one => one.host))} cannot be resolved on this machine.`,
    `Add A and AAAA records with the public address of the service; one record for *.${config.domain} serves the service and every application below it. Where only outside name servers know the names, look there: the check by hand is \`dig\`.`,
  );
}

async function resolve(host: string): Promise<{ addresses: string[]; problem: string }> {
  return new Promise(done => {
    lookupName(host, { all: true }, (error, found) => {
      const addresses = error ? [] : (found as LookupAddress[]).map(one => one.address);
      done({ addresses, problem: error === null ? '' : (error.code ?? error.message) });
    });
  });
}

interface Covering {
  readonly host: string;
  /** The certificate that a browser gets for the host, or would; null where there is none. */
  readonly certificate: X509Certificate | null;
  readonly chainError: string;
  readonly problem: string;
}

interface Coverage {
  readonly source: string;
  readonly isLive: boolean;
  readonly names: readonly Covering[];
}

const coverages = new WeakMap<ServiceContext, Promise<Coverage>>();

/** What is shown for each name: by the listener where one runs, else what the files would let it show. */
function coverageOf(context: ServiceContext): Promise<Coverage> {
  let known = coverages.get(context);
  if (known === undefined) {
    known = findCoverage(context);
    coverages.set(context, known);
  }
  return known;
}

async function findCoverage(context: ServiceContext): Promise<Coverage> {
  const { running, config } = context;
  const hosts = [...context.ownHosts, ...context.applicationHosts];
  if (running === null) {
    const source = 'the files of the configuration and the certificates in the database';
    return { source, isLive: false, names: fromFiles(context, hosts) };
  }
  const endpoint = reachable(config.listen.https[0]!);
  const authorities = [...getCACertificates('default'), ...getCACertificates('system')];
  const look = async (host: string, isSecond = false): Promise<Covering> => {
    try {
      return { host, ...(await lookAt(endpoint, host, authorities)), problem: '' };
    } catch (error) {
      // A machine that does much else may be late once.
      if (!isSecond) return look(host, true);
      return { host, certificate: null, chainError: '', problem: (error as Error).message };
    }
  };
  // One after the other would take seconds for hundreds of applications, all at once a handshake each at one moment.
  const results: Covering[] = [];
  const waiting = [...hosts];
  const worker = async () => {
    for (let host = waiting.shift(); host !== undefined; host = waiting.shift())
      results.push(await look(host));
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  const inOrder = hosts.map(host => results.find(one => one.host === host)!);
  return { source: `the listener at ${endpoint.host}:${endpoint.port}`, isLive: true, names: inOrder };
}

function fromFiles({ config, paths, now }: ServiceContext, hosts: readonly string[]): Covering[] {
  const problems: string[] = [];
  const ofFiles = certificateFiles(config).flatMap(({ certificateFile }) => {
    try {
      return [new X509Certificate(readFileSync(certificateFile))];
    } catch (error) {
      problems.push(`${certificateFile}: ${(error as NodeJS.ErrnoException).code ?? 'no certificate'}`);
      return [];
    }
  });
  const ofDatabase = readPublicCertificates(paths.database).map(pem => new X509Certificate(pem));
  const certificates = [...ofFiles, ...ofDatabase];
  return hosts.map(host => {
    const covering = certificates.filter(one => one.checkHost(host) !== undefined);
    const best = covering.find(one => isValid(one, now())) ?? covering[0] ?? null;
    return { host, certificate: best, chainError: '', problem: best === null ? problems.join('; ') : '' };
  });
}

async function examineCoverage(context: ServiceContext): Promise<Outcome> {
  const coverage = await coverageOf(context);
  const bad = coverage.names.filter(
    ({ host, certificate }) => certificate === null || certificate.checkHost(host) === undefined,
  );
  const observation = {
    tried: `what ${coverage.source} ${coverage.isLive ? 'shows' : 'hold'} for ${coverage.names.length} names`,
    seen:
      bad.length === 0
        ? shorten([...new Set(coverage.names.map(one => describe(one.certificate!)))])
        : bad
            .slice(0, mostShown)
            .map(
              one =>
                `${one.host}: ${one.certificate === null ? one.problem || 'none' : describe(one.certificate)}`,
            )
            .join('; '),
    command: commandFor(context, (bad[0] ?? coverage.names[0])!.host),
  };
  if (bad.length === 0) return passed(observation);
  if (coverage.isLive && bad.every(({ certificate }) => certificate === null)) {
    return failed(
      observation,
      `Nothing is shown for ${shorten(bad.map(one => one.host))}: ${bad[0]!.problem}.`,
      'See the group ports. Is this machine busy with something else, or has it too little memory? Else look into the log of the service.',
    );
  }
  return failed(
    observation,
    `No certificate covers ${shorten(bad.map(one => one.host))}.`,
    `Add one to certificates.files, upload one (\`postern certificate upload\`), or let the service get them by itself (certificates.acme). *.${context.config.domain} covers the service and every application one label below it, and no name of another depth. Files are read again when they change.`,
  );
}

async function examineExpiry(context: ServiceContext): Promise<Outcome> {
  const { config, now } = context;
  const coverage = await coverageOf(context);
  const covered = coverage.names.filter(one => one.certificate !== null);
  if (covered.length === 0) return notRun('There is no certificate to look at; names.certificates says why.');
  const soonest = covered.reduce((one, other) => (until(one) <= until(other) ? one : other));
  const observation = {
    tried: `the dates of the certificates of ${covered.length} names, in ${coverage.source}`,
    seen: `the first to end is that of ${soonest.host}: ${describe(soonest.certificate!)}`,
    command: commandFor(context, soonest.host),
  };
  const remedy = config.certificates.local
    ? 'The service renews what its local CA has issued while it runs: start it, and look into its log. Was the clock of this machine wrong? See the group clock.'
    : 'Put the renewed certificate into the files of certificates.files, which are read again when they change; and let what renews them do so in time. Is the clock of this machine right? See the group clock.';
  const over = covered.filter(one => !isValid(one.certificate!, now()));
  if (over.length > 0) {
    const [first] = over;
    const isEarly = first!.certificate!.validFromDate.getTime() > now();
    return failed(
      observation,
      `The certificate of ${shorten(over.map(one => one.host))} is not valid ${isEarly ? 'yet' : 'any more'} (${describe(first!.certificate!)}).`,
      remedy,
    );
  }
  if (until(soonest) - now() < expiryWarningMs) {
    return warning(
      observation,
      `The certificate of ${soonest.host} ends in ${Math.ceil((until(soonest) - now()) / dayMs)} days.`,
      remedy,
    );
  }
  return passed(observation);
}

async function examineChains(context: ServiceContext): Promise<Outcome> {
  const { config } = context;
  if (config.certificates.local && config.certificates.files.length === 0) {
    return notRun('The certificates are of the service’s local CA, which browsers have to be told of.');
  }
  const coverage = await coverageOf(context);
  if (!coverage.isLive) return notRun('The service does not run, so that nobody shows a chain.');
  const shown = coverage.names.filter(
    one => one.certificate !== null && isValid(one.certificate, context.now()),
  );
  if (shown.length === 0) return notRun('No certificate that is valid today is shown.');
  const bad = shown.filter(one => one.chainError !== '' && one.chainError !== 'ERR_TLS_CERT_ALTNAME_INVALID');
  const observation = {
    tried: `the chains that ${coverage.source} shows, against the authorities of Node and of this machine`,
    seen:
      bad.length === 0
        ? 'all of them lead to one'
        : bad
            .slice(0, mostShown)
            .map(one => `${one.host}: ${one.chainError}`)
            .join('; '),
    command: commandFor(context, (bad[0] ?? shown[0])!.host),
  };
  if (bad.length === 0) return passed(observation);
  return warning(
    observation,
    `The chain of ${shorten(bad.map(one => one.host))} leads to no authority that is known here (${bad[0]!.chainError}): the certificate between is missing, or the authority is a private one.`,
    'Let the file hold the certificate followed by those between it and the authority ("fullchain.pem"). A private authority has to be known to every browser and to whoever registers a connector.',
  );
}

function examineOrders({ paths }: ServiceContext): Outcome {
  const { count, failed } = readFailedOrders(paths.database);
  if (count === 0) return notRun('The service gets no certificate by itself (certificates.acme).');
  const observation = {
    tried: `what became last of ${count} certificates that the service gets by itself`,
    seen: failed.length === 0 ? 'nothing failed' : shorten(failed.map(one => `${one.names}: ${one.error}`)),
    command: 'postern certificate list',
  };
  const [first] = failed;
  if (first === undefined) return passed(observation);
  return warning(
    observation,
    `No certificate could be had for ${first.names}: ${first.error}`,
    first.remedy || 'Look into the log of the service; it tries again by itself.',
  );
}

async function examineConnectName(context: ServiceContext): Promise<Outcome> {
  const { running, config, now } = context;
  if (running === null) return notRun('The service does not run.');
  const endpoint = reachable(config.listen.https[0]!);
  const host = `connect.${config.domain}`;
  const observation = {
    tried: `what ${endpoint.host}:${endpoint.port} shows to a connector at ${host}`,
    command: `${commandFor(context, host)} -alpn ${echoProtocol}`,
  };
  let shown: ShownCertificate;
  try {
    shown = await lookAt(endpoint, host, [], [echoProtocol]);
  } catch (error) {
    const { message } = error as Error;
    return failed(
      { ...observation, seen: message },
      `The tunnel listener does not answer: ${message}.`,
      'Look into the log of the service; a restart may help.',
    );
  }
  const { certificate } = shown;
  const seen = { ...observation, seen: `${describe(certificate)}, issued by ${oneLine(certificate.issuer)}` };
  const isOwn = /^CN=serviceca\./m.test(certificate.issuer);
  if (isOwn && certificate.checkHost(host) !== undefined && isValid(certificate, now())) return passed(seen);
  return failed(
    seen,
    isOwn
      ? `The certificate for tunnels is not valid now, or not for ${host}.`
      : 'Connectors are shown a certificate that is not of the service’s own authority.',
    'See that nothing stands before the service that ends TLS for connect.<domain>, look at the clock, and restart the service: it makes this certificate itself.',
  );
}

function commandFor({ config }: ServiceContext, host: string): string {
  const { host: address, port } = reachable(config.listen.https[0]!);
  return `openssl s_client -connect ${address.includes(':') ? `[${address}]` : address}:${port} -servername ${host} -showcerts`;
}

function until({ certificate }: Covering): number {
  return certificate!.validToDate.getTime();
}

function isValid(certificate: X509Certificate, now: number): boolean {
  return certificate.validFromDate.getTime() <= now && now < certificate.validToDate.getTime();
}

function describe(certificate: X509Certificate): string {
  const covered =
    certificate.subjectAltName?.replaceAll('DNS:', '').slice(0, 200) ?? oneLine(certificate.subject);
  return `${covered} until ${certificate.validToDate.toISOString().slice(0, 10)}`;
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ').slice(0, 200);
}

function shorten(list: readonly string[]): string {
  const rest = list.length - mostShown;
  return `${list.slice(0, mostShown).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
