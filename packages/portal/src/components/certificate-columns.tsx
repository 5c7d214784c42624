import type { PublicCertificate } from '@postern/protocol/admin/certificates';
import { nameCovers } from '@postern/protocol/x509/dns-names';
import { CertificateState } from './certificate-state.tsx';
import type { Column } from './data-table.tsx';
import { PageLink } from './links.tsx';
import { Moment } from './moment.tsx';
import { ApplicationsAt } from './published-hosts.tsx';

export const sourceWords: Readonly<Record<PublicCertificate['source'], string>> = {
  uploaded: 'Uploaded',
  automatic: 'By ACME',
};

/** Every list of certificates for public names. */
export const certificateColumns: readonly Column<PublicCertificate>[] = [
  {
    id: 'names',
    title: 'Names',
    sortKey: ({ names }) => names.join(),
    cell: ({ id, names }) => (
      <PageLink to="/certificates/$certificateId" params={{ certificateId: id }}>
        {shortened(names)}
      </PageLink>
    ),
  },
  {
    id: 'state',
    title: 'State',
    sortKey: ({ expiresInDays }) => expiresInDays,
    cell: certificate => <CertificateState certificate={certificate} />,
  },
  {
    id: 'source',
    title: 'Source',
    sortKey: ({ source }) => sourceWords[source],
    cell: ({ source }) => sourceWords[source],
  },
  {
    id: 'used',
    title: 'Used by',
    cell: ({ hosts, servedNames }) =>
      isOfService(servedNames) ? 'The service itself' : <ApplicationsAt hosts={hosts} />,
  },
  {
    id: 'expires',
    title: 'Expires',
    isMinor: true,
    sortKey: ({ expirationDateTime }) => Date.parse(expirationDateTime),
    cell: ({ expirationDateTime }) => <Moment at={expirationDateTime} />,
  },
];

/** Whether a certificate serves one of the service's own names, which follow from the portal's, at which this page is. */
export function isOfService(servedNames: readonly string[]): boolean {
  const domain = location.hostname.replace(/^portal\./, '');
  const own = ['login', 'portal', 'connect', 'portcheck'].map(label => `${label}.${domain}`);
  return servedNames.some(name => own.some(host => nameCovers(name, host)));
}

const namesShown = 3;

function shortened(names: readonly string[]): string {
  const left = names.length - namesShown;
  return `${names.slice(0, namesShown).join(', ')}${left > 0 ? ` and ${left} more` : ''}`;
}
