import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse as parseYaml, YAMLParseError } from 'yaml';
import type { z } from 'zod';
import { serviceOutbound } from '../outbound/service-outbound.ts';
import { allowedValues, findOption, type OptionNode, optionTree } from './options.ts';
import { type Config, configSchema } from './schema.ts';

/** Where the configuration is read from unless something else is said. */
export const DEFAULT_CONFIG_FILE = '/etc/postern/postern.yaml';

/** One wrong value. `given` is left out where the option is absent. */
export interface ConfigProblem {
  /** Dotted name, list positions in brackets: `certificates.files[0].keyFile`. */
  readonly option: string;
  readonly given?: string;
  readonly allowed: string;
  /** Where the value stands: the file's path or the environment variable's name. */
  readonly source: string;
}

/** The configuration cannot be used; `problems` holds every reason, not only the first. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code: 'config_unreadable' | 'config_invalid';
  readonly problems: readonly ConfigProblem[];

  constructor(code: ConfigError['code'], message: string, problems: readonly ConfigProblem[] = []) {
    super(message);
    this.code = code;
    this.problems = problems;
  }
}

/** Environment variables of the process, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the configuration: environment before file before default.
 *
 * @param file Path of a YAML file; where it is undefined, `POSTERN_CONFIG` and then {@link DEFAULT_CONFIG_FILE} are taken.
 * @throws ConfigError `config_unreadable` or `config_invalid`, with every problem found.
 */
export function loadConfig(file: string | undefined, environment: Environment): Config {
  const chosen = configFile(file, environment);
  const text = readConfigFile(chosen);
  return parseConfig(parseDocument(text, chosen), environment, chosen);
}

/** The file that {@link loadConfig} reads. */
export function configFile(file: string | undefined, environment: Environment): string {
  return path.resolve(file ?? environment['POSTERN_CONFIG'] ?? DEFAULT_CONFIG_FILE);
}

/**
 * Checks a configuration that is already a value, and fills in the defaults.
 *
 * @throws ConfigError `config_invalid`
 */
export function parseConfig(
  document: unknown,
  environment: Environment = {},
  source = 'configuration',
): Config {
  const tree = optionTree(configSchema);
  const merged: Record<string, unknown> = isRecord(document) ? structuredClone(document) : {};
  const problems: ConfigProblem[] = [];
  if (document !== undefined && document !== null && !isRecord(document)) {
    problems.push({ option: 'the document', given: show(document), allowed: 'a mapping of options', source });
  }
  const fromEnvironment = readEnvironment(tree, environment, problems);
  for (const { node, value } of fromEnvironment.values()) place(merged, node.path, value);

  const result = configSchema.safeParse(merged);
  if (!result.success) {
    for (const issue of flattenIssues(result.error.issues)) {
      problems.push(...describeIssue(issue, merged, tree, source, fromEnvironment));
    }
  }
  if (result.success && problems.length === 0) return finish(result.data, source);
  throw invalid(problems);
}

function finish(config: Config, source: string): Config {
  const problems: ConfigProblem[] = [];
  const runDir = config.runDir === '' ? path.join(config.dataDir, 'run') : config.runDir;
  // A Unix socket's address holds 107 bytes on Linux; "control.sock" and a slash are thirteen of them.
  if (Buffer.byteLength(runDir) > 90) {
    problems.push({
      option: 'runDir',
      given: show(runDir),
      allowed: 'a path of at most 90 bytes, because sockets are made in it',
      source,
    });
  }
  const { local, files, acme } = config.certificates;
  if (!local && files.length === 0 && acme.directoryUrl === '') {
    problems.push({
      option: 'certificates',
      allowed:
        'certificates.files with at least one certificate, certificates.acme.directoryUrl, or certificates.local: true',
      source,
    });
  }
  problems.push(...mailProblems(config, source), ...proxyProblems(config, source));
  problems.push(...acmeProblems(config, source));
  const named = Object.entries(config.identityHeaders).filter(([, name]) => name !== '');
  for (const [key, name] of named) {
    if (!reservedFields.has(name.toLowerCase())) continue;
    problems.push({
      option: `identityHeaders.${key}`,
      given: show(name),
      allowed: 'a field that HTTP itself and the service do not use',
      source,
    });
  }
  const lowered = named.map(([, name]) => name.toLowerCase());
  if (new Set(lowered).size < lowered.length) {
    problems.push({ option: 'identityHeaders', allowed: 'a different name for each field', source });
  }
  if (problems.length > 0) throw invalid(problems);
  return { ...config, runDir };
}

function mailProblems({ mail }: Config, source: string): ConfigProblem[] {
  if (mail.host === '') return [];
  const needed = (option: string, allowed: string) => ({ option, allowed, source });
  return [
    ...(mail.from === '' ? [needed('mail.from', 'an address: mail.host is set')] : []),
    ...(mail.to.length === 0 ? [needed('mail.to', 'at least one address: mail.host is set')] : []),
    ...((mail.user === '') !== (mail.passwordFile === '')
      ? [needed('mail.user', 'both mail.user and mail.passwordFile, or neither')]
      : []),
    ...(mail.user !== '' && mail.tls === 'none'
      ? [needed('mail.tls', 'starttls or tls: a password must not go in the clear')]
      : []),
  ];
}

// The value is not quoted: it may hold a password. Variables are for the service alone to look at, when it starts: the
// shell of another command may have others.
function proxyProblems(config: Config, source: string): ConfigProblem[] {
  try {
    serviceOutbound(config, {});
    return [];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return [{ option: 'outboundProxy.url', allowed: `an HTTP proxy. ${error.message}`, source }];
  }
}

function acmeProblems({ certificates: { acme }, listen }: Config, source: string): ConfigProblem[] {
  if (acme.directoryUrl === '') return [];
  const needed = (option: string, allowed: string) => ({
    option: `certificates.acme.${option}`,
    allowed,
    source,
  });
  const { challenges, dnsWebhook } = acme;
  const hasWebhook = dnsWebhook.url !== '' && dnsWebhook.secretFile !== '';
  return [
    ...(acme.termsAgreed
      ? []
      : [needed('termsAgreed', 'true, once you have read the terms of service that the directory names')]),
    ...((acme.externalAccountKeyId === '') !== (acme.externalAccountKeyFile === '')
      ? [needed('externalAccountKeyId', 'both externalAccountKeyId and externalAccountKeyFile, or neither')]
      : []),
    ...(challenges.includes('dns-01') && !hasWebhook
      ? [needed('dnsWebhook', 'url and secretFile: challenges has dns-01')]
      : []),
    ...(challenges.includes('http-01') && listen.http.length === 0
      ? [needed('challenges', 'without http-01, or listen.http with an address')]
      : []),
  ];
}

const reservedFields = new Set(
  'host connection keep-alive transfer-encoding content-length content-type upgrade te trailer expect cookie set-cookie authorization x-forwarded-for x-forwarded-host x-forwarded-proto forwarded x-request-id'.split(
    ' ',
  ),
);

function readConfigFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new ConfigError(
      'config_unreadable',
      missing
        ? `There is no configuration file ${file}. Run \`postern init\` to make one, or name another with --config.`
        : `The configuration file ${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'error'}).`,
    );
  }
}

function parseDocument(text: string, file: string): unknown {
  try {
    return parseYaml(text, { maxAliasCount: 0, prettyErrors: true });
  } catch (cause) {
    const where = cause instanceof YAMLParseError && cause.linePos ? `, line ${cause.linePos[0].line}` : '';
    const reason =
      cause instanceof Error ? cause.message.split('\n')[0].replace(/ at line .*$/, '') : 'unreadable';
    throw new ConfigError('config_unreadable', `${file}${where}: this is not valid YAML: ${reason}`);
  }
}

interface EnvironmentValue {
  readonly name: string;
  readonly node: OptionNode;
  readonly value: unknown;
}

/** Variables that begin like ours and belong to other programs of the product. */
const otherVariables = new Set(
  'CONFIG CONFIG_DIR SERVICE TOKEN CONNECTOR_DATA MASTER_KEY'.split(' ').map(name => `POSTERN_${name}`),
);

function readEnvironment(
  tree: readonly OptionNode[],
  environment: Environment,
  problems: ConfigProblem[],
): Map<string, EnvironmentValue> {
  const values = new Map<string, EnvironmentValue>();
  const byVariable = new Map(tree.filter(node => node.kind !== 'group').map(node => [node.variable, node]));
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('POSTERN_') || otherVariables.has(name) || text === undefined) continue;
    const node = byVariable.get(name);
    if (node) {
      values.set(node.name, { name, node, value: fromText(node, text) });
      continue;
    }
    problems.push({
      option: name,
      allowed: `a known variable; the nearest is ${nearest(name, [...byVariable.keys()])}`,
      source: 'environment',
    });
  }
  return values;
}

// A variable holds text: numbers and switches are read from it, lists are comma-separated or JSON.
function fromText(node: OptionNode, text: string): unknown {
  switch (node.kind) {
    case 'number':
      return /^-?\d+$/.test(text.trim()) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'list':
      return listFromText(text);
    case 'text':
    case 'group':
      return text;
  }
}

function listFromText(text: string): unknown {
  if (text.trim() === '') return [];
  if (!text.trim().startsWith('[{') && !text.trim().startsWith('["'))
    return text.split(',').map(item => item.trim());
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function place(document: Record<string, unknown>, keys: readonly string[], value: unknown): void {
  let target = document;
  for (const key of keys.slice(0, -1)) {
    const next = target[key];
    if (isRecord(next)) {
      target = next;
      continue;
    }
    const made: Record<string, unknown> = {};
    target[key] = made;
    target = made;
  }
  target[keys[keys.length - 1]] = value;
}

type Issue = z.core.$ZodIssue;

// A union reports one issue that hides the paths below it; ours are unions of plain values, so the issue itself is enough.
function flattenIssues(issues: readonly Issue[]): Issue[] {
  const seen = new Set<string>();
  return issues.filter(issue => {
    const key = issue.code === 'unrecognized_keys' ? `keys ${issue.path.join('.')}` : issue.path.join('.');
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function describeIssue(
  issue: Issue,
  document: unknown,
  tree: readonly OptionNode[],
  file: string,
  fromEnvironment: ReadonlyMap<string, EnvironmentValue>,
): ConfigProblem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = siblings(tree, issue.path);
    return issue.keys.map(key => ({
      option: optionName([...issue.path, key]),
      allowed: `a known option; the nearest is ${optionName([...issue.path, nearest(key, known)])}`,
      source: file,
    }));
  }
  const node = findOption(tree, issue.path);
  const value = valueAt(document, issue.path);
  const source = node && fromEnvironment.get(node.name);
  return [
    {
      option: issue.path.length === 0 ? 'the document' : optionName(issue.path),
      ...(value === undefined ? {} : { given: show(value) }),
      allowed: node ? allowedValues(node) : 'a known option',
      source: source ? source.name : file,
    },
  ];
}

function siblings(tree: readonly OptionNode[], parent: readonly PropertyKey[]): string[] {
  const keys = parent.filter(key => typeof key === 'string');
  return tree
    .filter(
      node => node.path.length === keys.length + 1 && keys.every((key, index) => node.path[index] === key),
    )
    .map(node => node.path[keys.length]);
}

function optionName(keys: readonly PropertyKey[]): string {
  return keys
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`))
    .join('');
}

function valueAt(document: unknown, keys: readonly PropertyKey[]): unknown {
  return keys.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    document,
  );
}

// Long values are cut; a PEM block pasted where a path belongs is a secret and never repeated.
function show(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (/PRIVATE KEY|BEGIN /.test(text)) return '(a PEM block, not shown)';
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function invalid(problems: readonly ConfigProblem[]): ConfigError {
  const lines = problems.map(formatProblem);
  return new ConfigError('config_invalid', lines.join('\n'), problems);
}

/** One line for people: option, what was given, what is allowed, where it stands. */
export function formatProblem(problem: ConfigProblem): string {
  const given =
    problem.given === undefined ? '' : ` is ${problem.given === '' ? 'empty' : `“${problem.given}”`}`;
  return `${problem.option}${given}; allowed: ${problem.allowed} (${problem.source})`;
}

/** The candidate with the fewest single-letter changes to `word`. */
export function nearest(word: string, candidates: readonly string[]): string {
  let best = candidates[0] ?? '';
  let fewest = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < fewest) [best, fewest] = [candidate, distance];
  }
  return best;
}

function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const current = [i];
    for (let j = 1; j <= right.length; j++) {
      const swap = previous[j - 1] + (left[i - 1] === right[j - 1] ? 0 : 1);
      current.push(Math.min(swap, previous[j] + 1, current[j - 1] + 1));
    }
    previous = current;
  }
  return previous[right.length];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
