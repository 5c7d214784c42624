import type { Connector } from '@postern/protocol/admin/connectors';
import { daysOf } from '../../components/certificate-state.tsx';
import { CopyText } from '../../components/copy-text.tsx';
import { Empty } from '../../components/empty.tsx';
import { Facts } from '../../components/facts.tsx';
import { Moment } from '../../components/moment.tsx';
import { Notice } from '../../components/notice.tsx';
import { Section } from '../../components/section.tsx';

/** The trust certificate of a connector: which it is, how long it is valid, and whether it should have been renewed. */
export function Certificate({ connector }: { readonly connector: Connector }) {
  const { certificate, revokedDateTime } = connector;
  return (
    <Section title="Trust certificate">
      {certificate === null ? (
        <Empty title="No certificate">It has never been given one, or it was removed long ago.</Empty>
      ) : (
        <>
          {certificate.expiryWarning !== null && revokedDateTime === null && (
            <Notice intent="warning">{warningFor(certificate)}</Notice>
          )}
          <Facts
            rows={[
              ['Expires', <Expiry key="expires" certificate={certificate} />],
              ['Issued', <Moment key="issued" at={certificate.startDateTime} />],
              [
                'Thumbprint (SHA-1)',
                <CopyText key="thumbprint" text={certificate.thumbprint} what="thumbprint" />,
              ],
            ]}
          />
        </>
      )}
    </Section>
  );
}

type ConnectorCertificate = NonNullable<Connector['certificate']>;

function Expiry({ certificate }: { readonly certificate: ConnectorCertificate }) {
  const { expirationDateTime, expiresInDays } = certificate;
  return (
    <>
      <Moment at={expirationDateTime} />
      {expiresInDays > 0 ? `, in ${daysOf(expiresInDays)}` : ', which is past'}
    </>
  );
}

function warningFor({ expiresInDays }: ConnectorCertificate): string {
  if (expiresInDays <= 0) {
    return 'It has expired: the service refuses the connector. Run “postern connector register” on its machine; it keeps its id and its group.';
  }
  return `It expires in ${daysOf(expiresInDays)} and should have been renewed by itself long ago. Run “postern connector doctor” on its machine to learn why it was not.`;
}
