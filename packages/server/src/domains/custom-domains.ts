import { randomBytes } from 'node:crypto';
import { domainToASCII } from 'node:url';
import { isWithin } from '@postern/protocol/x509/dns-names';
import type { Kysely } from 'kysely';
import type { Directory } from '../directory/directory.ts';
import { DirectoryError, invalid, notFound } from '../directory/directory-error.ts';
import { domainOf, proves, verificationLabel, verificationText } from '../directory/verified-domains.ts';
import { readAllApplications } from '../store/applications.ts';
import * as store from '../store/custom-domains.ts';
import { listPublicCertificates } from '../store/public-certificates.ts';
import type { Database } from '../store/schema.ts';
import { hostsOfApplication } from './certificate-for-host.ts';
import type { NameServerError, NameServers } from './name-servers.ts';

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Adds a custom domain; nothing can be published under it until its ownership is proved. Under a domain that has been it
 * is proved at once.
 *
 * @throws DirectoryError `invalid`, `conflict`.
 */
export async function createCustomDomain(
  directory: Directory,
  given: string,
  automaticCertificates: boolean,
): Promise<store.CustomDomainRow> {
  const name = parseDomainName(given, directory.address.domain);
  return directory.change(async db => {
    const domains = await store.listCustomDomains(db);
    if (domains.some(domain => domain.name === name)) {
      throw new DirectoryError('conflict', `The domain ${name} has been added already.`, { property: 'id' });
    }
    const above = domainOf(name, domains);
    const isProved = above !== null && proves(above, name);
    const row: store.CustomDomainRow = {
      name,
      verificationToken: randomBytes(20).toString('hex'),
      automaticCertificates: automaticCertificates ? 1 : 0,
      verifiedAt: isProved ? directory.now() : null,
      verifiedBy: isProved ? 'parent' : null,
      createdAt: directory.now(),
    };
    await store.insertCustomDomain(db, row);
    return row;
  });
}

function parseDomainName(given: string, ownDomain: string): string {
  const name = domainToASCII(given.trim().replace(/\.$/, '')).toLowerCase();
  const labels = name.split('.');
  if (
    name.length > 253 ||
    labels.length < 2 ||
    !labels.every(each => label.test(each)) ||
    /^[\d.]+$/.test(name)
  ) {
    throw invalid(
      'id',
      `"${given}" is no domain name such as apps.contoso.com, without scheme, port and path.`,
    );
  }
  if (isWithin(name, ownDomain)) {
    throw invalid('id', `${name} is part of the service's own domain ${ownDomain}, which needs no proof.`);
  }
  return name;
}

/** @throws DirectoryError `not_found` */
export async function requireCustomDomain(
  db: Kysely<Database>,
  name: string,
): Promise<store.CustomDomainRow> {
  const row = await store.findCustomDomain(db, name.toLowerCase());
  if (row === null) throw notFound('domain', name);
  return row;
}

/** @throws DirectoryError `not_found` */
export async function updateCustomDomain(
  directory: Directory,
  name: string,
  automaticCertificates: boolean,
): Promise<store.CustomDomainRow> {
  return directory.change(async db => {
    const row = await requireCustomDomain(db, name);
    return store.updateCustomDomain(db, row.name, { automaticCertificates: automaticCertificates ? 1 : 0 });
  });
}

/**
 * Looks for the TXT record of a domain. One that was proved stays so: a record that is taken away later is no reason to
 * take applications off the web.
 *
 * @throws DirectoryError `not_found`, `conflict` where the record is not there; the message says which to create.
 */
export async function verifyCustomDomain(
  directory: Directory,
  nameServers: NameServers,
  name: string,
): Promise<store.CustomDomainRow> {
  const row = await requireCustomDomain(directory.db, name);
  const record = `${verificationLabel}.${row.name}`;
  let texts: readonly string[];
  try {
    texts = await nameServers.texts(record);
  } catch (error) {
    throw new DirectoryError(
      'conflict',
      `${row.name} cannot be verified now: ${(error as NameServerError).message}. Try again later, or name other servers in the option domains.nameServers.`,
      { cause: error },
    );
  }
  const wanted = verificationText(row);
  if (!texts.includes(wanted)) {
    const found =
      texts.length === 0 ? 'There is no such record yet' : `What is there is ${texts.map(quote).join(', ')}`;
    throw new DirectoryError(
      'conflict',
      `${row.name} is not proved to be yours. Create the TXT record ${record} with the text ${quote(wanted)}, then verify again. ${found}; name servers may remember that for a while.`,
    );
  }
  return markVerified(directory, row.name, 'txt');
}

/** Writes down that a domain has been proved, and gives relays the certificates that may be used now. */
export async function markVerified(
  directory: Directory,
  name: string,
  by: 'txt' | 'acme',
): Promise<store.CustomDomainRow> {
  return directory.change(async (db, touched) => {
    const row = await requireCustomDomain(db, name);
    // What the record proves is more than what an ACME server proves.
    if (row.verifiedAt !== null && (by === 'acme' || row.verifiedBy === 'txt')) return row;
    touched.addAll(
      'certificates',
      (await listPublicCertificates(db)).map(({ id }) => id),
    );
    return store.updateCustomDomain(db, name, { verifiedAt: directory.now(), verifiedBy: by });
  });
}

/**
 * Removes a domain. Certificates stay in the store, and are served no longer for names under it.
 *
 * @throws DirectoryError `not_found`; `conflict` where applications are published under it.
 */
export async function deleteCustomDomain(directory: Directory, name: string): Promise<void> {
  await directory.change(async (db, touched) => {
    const row = await requireCustomDomain(db, name);
    const others = (await store.listCustomDomains(db)).filter(domain => domain.name !== row.name);
    const hosts = (await readAllApplications(db)).filter(application =>
      hostsOfApplication(application).some(
        host => isWithin(host, row.name) && !isProvedBy(others, host, directory.address.domain),
      ),
    );
    if (hosts.length > 0) {
      const names = hosts.slice(0, 5).map(({ displayName }) => displayName);
      throw new DirectoryError(
        'conflict',
        `${row.name} is in use by ${hosts.length === 1 ? 'the application' : `${hosts.length} applications:`} ${names.join(', ')}. Give them another external URL first, or delete them.`,
      );
    }
    await store.deleteCustomDomain(db, row.name);
    touched.addAll(
      'certificates',
      (await listPublicCertificates(db)).map(({ id }) => id),
    );
  });
}

function isProvedBy(domains: readonly store.CustomDomainRow[], host: string, ownDomain: string): boolean {
  return isWithin(host, ownDomain) || domains.some(domain => proves(domain, host));
}

function quote(text: string): string {
  return `"${text.slice(0, 200).replace(/[^\x20-\x7e]/g, '?')}"`;
}
