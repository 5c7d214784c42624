import type { FurtherBackend } from '@postern/protocol/admin/publishing-backends';
import { DirectoryError, invalid } from './directory-error.ts';
import { parseInternalUrl } from './published-urls.ts';
import { isWildcardUrl } from './wildcard-urls.ts';

/** A backend as an update names it. */
export type GivenBackend = Pick<FurtherBackend, 'url'> & {
  readonly weight?: number | undefined;
  readonly isBackup?: boolean | undefined;
};

const example = 'http://wiki-2.corp.example:8080/';

/**
 * Checks the backends beside an internal URL, and gives them as they are stored: origins that end in `/`, each once.
 *
 * @throws DirectoryError `invalid`, naming the one that cannot be used and why.
 */
export function parseBackends(given: readonly GivenBackend[], internalUrl: string): FurtherBackend[] {
  if (given.length === 0) return [];
  if (isWildcardUrl(internalUrl)) {
    throw refuse('An application with a wildcard has one backend for each host; give an empty list');
  }
  const seen = new Set([new URL(internalUrl).origin]);
  return given.map(({ url: text, weight = 1, isBackup = false }) => {
    const url = parseBackendUrl(text);
    if (seen.has(url.origin)) {
      throw refuse(`${url.origin} is there twice: the internal URL and the backends are each named once`);
    }
    seen.add(url.origin);
    return { url: url.href, weight, isBackup };
  });
}

function parseBackendUrl(text: string): URL {
  const url = new URL(asBackend(() => parseInternalUrl(text)));
  if (url.pathname !== '/') {
    throw refuse(`${text} has a path; the path is that of the internal URL. Give scheme, host and port`);
  }
  if (isWildcardUrl(url.href)) throw refuse(`${text} is a wildcard, which is no backend of its own`);
  return url;
}

function asBackend<Value>(parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    const reason = error.message.replace(/^The (internal URL|internalUrl)/, 'The URL of a backend');
    throw invalid('backends', `${reason} Example: ${example}`);
  }
}

function refuse(reason: string): DirectoryError {
  return invalid('backends', `The backends cannot be used. ${reason}. Example: ${example}`);
}
