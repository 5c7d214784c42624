import { isWildcardHost } from '@postern/protocol/tunnel/wildcard-host';
import { type DirectoryError, invalid } from './directory-error.ts';

type Property = 'externalUrl' | 'internalUrl';

/** Names for networks of one's own, under which a wildcard may stand without a further label. */
const privateSuffixes = new Set([
  ...['corp', 'home', 'internal', 'intranet', 'lan', 'local', 'localdomain', 'localhost', 'private', 'test'],
]);

/**
 * Checks where the `*` stands, if the URL has one: alone, as the first label of the host, with the path `/`.
 *
 * @throws DirectoryError `invalid`, with a reason for each wrong place.
 */
export function checkWildcard(property: Property, { hostname, pathname }: URL): void {
  if (pathname.includes('*')) {
    throw refuse(property, 'There is no wildcard for paths: everything below a path is published with it.');
  }
  if (!hostname.includes('*')) return;
  const labels = hostname.split('.');
  if (labels.filter(label => label.includes('*')).length > 1) {
    throw refuse(property, 'Only one label may be a "*".');
  }
  if (labels.some(label => label !== '*' && label.includes('*'))) {
    throw refuse(property, 'The "*" must be a whole label: not "wiki*." but "*.".');
  }
  if (labels[0] !== '*') throw refuse(property, 'The "*" must be the first label of the host.');
  if (labels.length === 1) throw refuse(property, 'The "*" needs a name behind it.');
  if (pathname !== '/') throw refuse(property, 'A wildcard publishes whole hosts: its path must be /.');
  if (property === 'internalUrl' && labels.length === 2 && !privateSuffixes.has(labels[1]!)) {
    throw refuse(property, `Under *.${labels[1]} are hosts of everybody; name a domain of your own.`);
  }
}

/**
 * A wildcard outside needs one inside and the other way round, or the connector would be told hosts that nobody configured.
 *
 * @throws DirectoryError `invalid`
 */
export function checkWildcardPair(externalUrl: string, internalUrl: string): void {
  const isOutside = isWildcardUrl(externalUrl);
  if (isOutside === isWildcardUrl(internalUrl)) return;
  if (isOutside) {
    throw invalid(
      'internalUrl',
      'With a wildcard as external URL the internal URL must be one as well, such as http://*.corp.example/.',
    );
  }
  throw invalid(
    'externalUrl',
    'With a wildcard as internal URL the external URL must be one as well, such as https://*.apps.example.com/.',
  );
}

/** The wildcards that would stand for a URL's host, the longest first; for a wildcard those that are shorter. */
export function coveringWildcards(url: string): readonly string[] {
  const { hostname } = new URL(url);
  const labels = hostname.split('.').slice(isWildcardHost(hostname) ? 2 : 1);
  return labels.map((_, index) => `https://*.${labels.slice(index).join('.')}/`);
}

export function isWildcardUrl(url: string): boolean {
  return isWildcardHost(new URL(url).hostname);
}

function refuse(property: Property, reason: string): DirectoryError {
  const [name, example] =
    property === 'externalUrl'
      ? ['external', 'https://*.apps.example.com/']
      : ['internal', 'http://*.corp.example/'];
  return invalid(property, `The ${name} URL cannot be used. ${reason} Example: ${example}`);
}
