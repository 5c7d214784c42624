import { accessSync, constants, existsSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { userPrincipalName } from '@postern/protocol/admin/directory';
import { stringify } from 'yaml';
import {
  checkCertificateNames,
  describeCertificateFindings,
  requiredNames,
} from '../config/certificate-names.ts';
import { ConfigError, type ConfigProblem, type Environment, parseConfig } from '../config/load.ts';
import { controlHosts, dataPaths, originOf } from '../config/names.ts';
import type { Config, ConfigInput } from '../config/schema.ts';
import { openAuthorities } from '../registration/authorities.ts';
import { writeLocalCertificates } from '../registration/local-certificates.ts';
import { createInvitation } from '../sign-in/invitations.ts';
import { createAdministrator, type SetUpLink } from './administrator.ts';
import { giveToOwner, openData } from './open-data.ts';
import { OperateError } from './operate-error.ts';
import type { Terminal } from './terminal.ts';

/** What the command line said; what is left out is asked for, or takes its default where nobody can answer. */
export interface InitOptions {
  readonly domain?: string;
  readonly certificates?: string;
  readonly certificate?: readonly string[];
  readonly key?: readonly string[];
  readonly acmeDirectory?: string;
  readonly acmeTermsAgreed?: boolean;
  readonly acmeEmail?: string;
  readonly admin?: string;
  readonly data?: string;
  readonly publicPort?: string;
  readonly https?: string;
  readonly http?: string;
  readonly private?: string;
  /** The configuration file to write. */
  readonly config: string;
  readonly json?: boolean;
}

/** What has been set up. */
export interface SetUp {
  readonly config: Config;
  readonly configFile: string;
  readonly administrator: string;
  readonly link: SetUpLink;
  readonly warnings: readonly string[];
}

/**
 * Sets a service up: configuration file, database, master key, authorities and the first administrator, who chooses a
 * password through a single-use link.
 *
 * @throws OperateError `conflict` where there is a configuration or a database already; nothing is changed then.
 */
export async function init(
  options: InitOptions,
  environment: Environment,
  terminal: Terminal,
): Promise<SetUp> {
  refuseExisting(options.config, 'configuration file');
  const answers = await answer(options, terminal);
  const document = configDocument(answers);
  const config = parseConfig(document, environment, options.config);
  refuseUnusableName(answers.admin);
  refuseExisting(dataPaths(config).database, 'database');
  requireWritable(path.dirname(options.config));

  const setUp = await createService(config, answers.admin, environment);
  // The configuration comes last: it marks a set-up that was finished.
  writeNewFile(options.config, configText(document));
  return { ...setUp, config, configFile: options.config, administrator: answers.admin };
}

/** What the operator reads afterwards: the records to make, what is missing, the link, and what to type next. */
export function describeSetUp(setUp: SetUp): string {
  const { config, link } = setUp;
  const names = requiredNames(config);
  const width = config.domain.length + 12;
  const record = (name: string) => `  ${name.padEnd(width)} A / AAAA   the public address of this machine`;
  return [
    `Configuration  ${setUp.configFile}`,
    `Data           ${config.dataDir}`,
    '',
    'DNS records to make:',
    ...[...names, `*.${config.domain}`].map(record),
    '',
    ...certificateLines(config, names),
    ...(config.certificates.local ? ['', ...localAuthorityLines(config)] : []),
    ...(setUp.warnings.length > 0 ? ['', ...setUp.warnings.map(warning => `⚠ ${warning}`)] : []),
    '',
    `Choose the password of ${setUp.administrator}, once the service runs, at (works once, until ${new Date(link.expiresAt).toISOString()}):`,
    `  ${link.url}`,
    '',
    'Next: `postern service install` runs the service under systemd, `postern serve` in the foreground.',
  ].join('\n');
}

/** The same as one JSON document. */
export function setUpDocument(setUp: SetUp): Record<string, unknown> {
  const { config, link } = setUp;
  return {
    configFile: setUp.configFile,
    dataDir: config.dataDir,
    domain: config.domain,
    portal: originOf(config, controlHosts(config).portal),
    administrator: setUp.administrator,
    setUpLink: link.url,
    setUpLinkExpiresAt: new Date(link.expiresAt).toISOString(),
    localAuthorityFile: config.certificates.local ? dataPaths(config).localAuthority : null,
    dnsRecords: [...requiredNames(config), `*.${config.domain}`],
    warnings: setUp.warnings,
  };
}

type CertificateSource = 'files' | 'acme' | 'local';

interface Answers extends InitOptions {
  readonly domain: string;
  readonly certificates: CertificateSource;
  readonly certificate: readonly string[];
  readonly key: readonly string[];
  readonly admin: string;
}

async function answer(options: InitOptions, terminal: Terminal): Promise<Answers> {
  const ask = (given: string | undefined, question: string, byDefault: string) =>
    given !== undefined || !terminal.isInteractive
      ? Promise.resolve(given ?? byDefault)
      : terminal.ask(question, byDefault);
  const domain = await ask(options.domain, 'Domain of the service, for example access.example.com', '');
  if (domain === '') {
    throw new OperateError('usage', 'The domain of the service is missing.', {
      remedy: 'Give it: postern init --domain access.example.com',
    });
  }
  const certificates = certificatesFrom(
    await ask(
      options.certificates ?? (options.certificate ? 'files' : undefined),
      'Certificates: “files” of your own, “acme” to get them from an authority such as Let’s Encrypt, or “local” for a CA made here, to try out',
      'files',
    ),
  );
  const [certificate, key] = certificates === 'files' ? await askFiles(options, terminal, domain) : [[], []];
  const acmeDirectory =
    certificates === 'acme' ? await askAcme(options, terminal, ask) : options.acmeDirectory;
  const admin = await ask(options.admin, 'Name of the first administrator', `admin@${domain}`);
  return { ...options, domain, certificates, certificate, key, acmeDirectory, admin };
}

const letsEncrypt = 'https://acme-v02.api.letsencrypt.org/directory';

/** The directory of the ACME server, whose terms have been agreed to. */
async function askAcme(
  options: InitOptions,
  terminal: Terminal,
  ask: (given: string | undefined, question: string, byDefault: string) => Promise<string>,
): Promise<string> {
  const directory = await ask(options.acmeDirectory, 'ACME directory of the authority', letsEncrypt);
  const isAgreed =
    options.acmeTermsAgreed === true ||
    (terminal.isInteractive &&
      /^y(es)?$/i.test(await terminal.ask('Do you agree to the terms of service of that authority?', 'no')));
  if (isAgreed) return directory;
  throw new OperateError('usage', 'Without agreement to its terms of service the authority issues nothing.', {
    remedy: 'Read the terms that the directory names, then give --acme-terms-agreed.',
  });
}

function certificatesFrom(text: string): CertificateSource {
  if (text === 'files' || text === 'acme' || text === 'local') return text;
  throw new OperateError('usage', `“${text}” is no source of certificates.`, {
    remedy: 'Use files, acme or local.',
  });
}

async function askFiles(
  options: InitOptions,
  terminal: Terminal,
  domain: string,
): Promise<readonly [readonly string[], readonly string[]]> {
  const usual = `/etc/postern/tls/${domain}`;
  const one = async (given: readonly string[] | undefined, question: string, byDefault: string) =>
    given ?? [terminal.isInteractive ? await terminal.ask(question, byDefault) : byDefault];
  const certificate = await one(options.certificate, 'Certificate with its chain (PEM)', `${usual}.pem`);
  const key = await one(options.key, 'Private key of that certificate (PEM)', `${usual}.key`);
  if (certificate.length === key.length) return [certificate, key];
  throw new OperateError('usage', `There are ${certificate.length} certificates and ${key.length} keys.`, {
    remedy: 'Give --certificate and --key the same number of times, in the same order.',
  });
}

function refuseUnusableName(admin: string): void {
  if (userPrincipalName.safeParse(admin).success) return;
  throw new OperateError('usage', `“${admin}” cannot be the name of an account.`, {
    remedy: 'Use a name such as admin@example.com.',
  });
}

function configDocument(answers: Answers): ConfigInput {
  const listen = {
    ...(answers.https !== undefined && { https: list(answers.https) }),
    ...(answers.http !== undefined && { http: list(answers.http) }),
    ...(answers.private !== undefined && { private: list(answers.private) }),
  };
  return {
    domain: answers.domain,
    ...(answers.publicPort !== undefined && { publicPort: Number(answers.publicPort) }),
    ...(Object.keys(listen).length > 0 && { listen }),
    ...(answers.data !== undefined && { dataDir: path.resolve(answers.data) }),
    certificates: certificatesDocument(answers),
  };
}

function certificatesDocument(answers: Answers): ConfigInput['certificates'] {
  const { certificates, certificate, key, acmeDirectory, acmeEmail } = answers;
  switch (certificates) {
    case 'local':
      return { local: true };
    case 'acme': {
      const email = acmeEmail === undefined ? {} : { email: acmeEmail };
      return { acme: { directoryUrl: acmeDirectory, termsAgreed: true, ...email } };
    }
    case 'files':
      return {
        files: certificate.map((file, index) => ({
          certificateFile: path.resolve(file),
          keyFile: path.resolve(key[index]),
        })),
      };
  }
}

function list(text: string): string[] {
  return text === 'off'
    ? []
    : text
        .split(',')
        .map(item => item.trim())
        .filter(item => item !== '');
}

function configText(document: ConfigInput): string {
  return `# Every option: docs/configuration.md, or \`postern config manual\`. Check changes with \`postern config check\`.\n${stringify(document)}`;
}

async function createService(
  config: Config,
  admin: string,
  environment: Environment,
): Promise<Pick<SetUp, 'link' | 'warnings'>> {
  const now = Date.now();
  await using data = await openData(config, environment);
  const authorities = await openAuthorities({
    secrets: {
      seal: (name, secret) => data.secrets.seal(name, secret),
      unseal: name => data.secrets.unseal(name),
    },
    domain: config.domain,
    now: () => now,
  });
  if (config.certificates.local) {
    await writeLocalCertificates(authorities.rotating.local, config.domain, config.dataDir, now);
  }
  const administrator = await createAdministrator(data.db, admin, now);
  const link = await createInvitation(
    { db: data.db, config },
    { userId: administrator.id, purpose: 'setup', now },
  );
  giveToOwner(config.dataDir);
  if (config.certificates.acme.directoryUrl !== '') return { link, warnings: [] };
  const findings = checkCertificateNames(config, requiredNames(config), now);
  return { link, warnings: describeCertificateFindings(findings) };
}

function certificateLines(config: Config, names: readonly string[]): string[] {
  if (config.certificates.acme.directoryUrl !== '') {
    return [
      'Certificates come by themselves, once the names lead here and the authority reaches ports 80 and 443:',
      `  ${names.join(', ')}, and the host of every application`,
    ];
  }
  return [
    'Names that the certificates must cover:',
    `  ${names.join(', ')}, and the host of every application`,
    `  (one wildcard certificate for *.${config.domain} covers them all)`,
  ];
}

function localAuthorityLines(config: Config): string[] {
  return ['CA that every browser and connector must trust:', `  ${dataPaths(config).localAuthority}`];
}

function refuseExisting(file: string, what: string): void {
  if (!existsSync(file)) return;
  throw new OperateError('conflict', `There is a ${what} already: ${file}. Nothing was changed.`, {
    remedy: 'Use that set-up, or move the file away, or name other places with --config and --data.',
  });
}

/** Told before anything is made: a set-up without its configuration could neither be used nor made again. */
function requireWritable(folder: string): void {
  mkdirSync(folder, { recursive: true });
  accessSync(folder, constants.W_OK);
}

// Linked into place, so that two set-ups at the same moment cannot overwrite each other's file.
function writeNewFile(file: string, text: string): void {
  const draft = `${file}.${process.pid}.new`;
  mkdirSync(path.dirname(file), { recursive: true });
  try {
    writeFileSync(draft, text, { mode: 0o644 });
    linkSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Problems that come from the command line of `postern init`, told with the flag's name. */
export function flagProblems(error: unknown): readonly string[] {
  if (!(error instanceof ConfigError)) return [];
  return error.problems.map(problem => `${flagOf(problem)}: allowed: ${problem.allowed}`);
}

function flagOf({ option, given }: ConfigProblem): string {
  const flags: Readonly<Record<string, string>> = {
    domain: '--domain',
    publicPort: '--public-port',
    dataDir: '--data',
    runDir: '--data',
    'certificates.acme.directoryUrl': '--acme-directory',
    'certificates.acme.email': '--acme-email',
  };
  const listen = /^listen\.(https|http|private)/.exec(option);
  const flag = listen ? `--${listen[1]}` : (flags[option] ?? option);
  return given === undefined ? flag : `${flag} ${given}`;
}
