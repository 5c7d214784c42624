import { Link, makeStyles } from '@fluentui/react-components';
import type { OnPremisesPublishing } from '@postern/protocol/admin/publishing';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { certificateQuery } from '../../api/applications.ts';
import { assignmentsQuery } from '../../api/assignments.ts';
import { activeConnectorsOf } from '../../api/connector-groups.ts';
import { CopyButton, CopyText } from '../../components/copy-text.tsx';
import { Facts } from '../../components/facts.tsx';
import { GroupLink, PageButton } from '../../components/links.tsx';
import { Moment } from '../../components/moment.tsx';
import { Notice } from '../../components/notice.tsx';
import { Section } from '../../components/section.tsx';
import { ApplicationFrame, type ShownApplication } from './application-frame.tsx';

const useStyles = makeStyles({ address: { display: 'inline-flex', alignItems: 'center', gap: '4px' } });

/** One application at a glance: where it is, who may use it, what carries it, and what is missing. */
export function OverviewPage() {
  const { applicationId } = useParams({ from: '/applications/$applicationId' });
  return (
    <ApplicationFrame applicationId={applicationId}>{shown => <Overview shown={shown} />}</ApplicationFrame>
  );
}

function Overview({ shown }: { readonly shown: ShownApplication }) {
  const { application, access, group } = shown;
  const publishing = application.onPremisesPublishing;
  return (
    <>
      <Missing shown={shown} />
      {publishing !== null && (
        <>
          <Addresses publishing={publishing} />
          <CertificateOf applicationId={application.id} />
        </>
      )}
      <Section title="Who may use it">
        <Facts rows={[['Users and groups', <WhoMayUse key="who" shown={shown} />]]} />
      </Section>
      {group !== undefined && (
        <Section title="Connector group">
          <Facts
            rows={[
              ['Group', <GroupLink key="group" group={group} />],
              [
                'Active connectors',
                activeConnectorsOf(group)
                  .map(({ machineName }) => machineName)
                  .join(', ') || 'None',
              ],
            ]}
          />
        </Section>
      )}
      <Section title="Details">
        <Facts
          rows={[
            ['My Apps', access.tags.includes('HideApp') ? 'Not shown' : 'Shown to whoever may use it'],
            ['Home page', application.web.homePageUrl ?? 'The external URL'],
            ['Created', <Moment key="created" at={application.createdDateTime} />],
            ['Application id', <CopyText key="app" text={application.appId} what="application id" />],
            ['Object id', <CopyText key="id" text={application.id} what="object id" />],
          ]}
        />
      </Section>
    </>
  );
}

function Addresses({ publishing }: { readonly publishing: OnPremisesPublishing }) {
  const styles = useStyles();
  const { externalUrl, internalUrl, externalAuthenticationType } = publishing;
  return (
    <Section title="Addresses">
      <Facts
        rows={[
          [
            'External URL',
            <span key="external" className={styles.address}>
              <Link href={externalUrl} target="_blank" rel="noreferrer">
                {externalUrl}
              </Link>
              <CopyButton text={externalUrl} what="external URL" isSmall />
            </span>,
          ],
          ['Internal URL', <CopyText key="internal" text={internalUrl} what="internal URL" />],
          [
            'Pre-authentication',
            externalAuthenticationType === 'passthru'
              ? 'Passthrough: the application decides alone'
              : 'People sign in first',
          ],
        ]}
      />
    </Section>
  );
}

/** The certificate of a custom domain; names below the service's own domain have the service's. */
function CertificateOf({ applicationId }: { readonly applicationId: string }) {
  const { data: certificate } = useQuery(certificateQuery(applicationId));
  if (certificate === undefined || certificate === null) return null;
  return (
    <Section title="Certificate">
      <Facts
        rows={[
          ['Expires', <Moment key="expires" at={certificate.expiryDate} />],
          ['Issued', <Moment key="issued" at={certificate.issueDate} />],
          ['Subject', certificate.subjectName],
          ['Issuer', certificate.issuerName],
          [
            'Thumbprint (SHA-1)',
            <CopyText key="thumbprint" text={certificate.thumbprint} what="thumbprint" />,
          ],
        ]}
      />
    </Section>
  );
}

/** What has to be done before people can use it. */
function Missing({ shown }: { readonly shown: ShownApplication }) {
  const { application, access, group } = shown;
  const assignments = useQuery(assignmentsQuery(access.id));
  const params = { applicationId: application.id };
  const asksForSignIn =
    application.onPremisesPublishing?.externalAuthenticationType === 'aadPreAuthentication';
  return (
    <>
      {group !== undefined && activeConnectorsOf(group).length === 0 && (
        <Notice
          intent="warning"
          actions={
            <PageButton to="/connector-groups/$groupId" params={{ groupId: group.id }}>
              {group.name}
            </PageButton>
          }
        >
          {group.name} has no active connector. Start one of its connectors, add one, or bind the application
          to another group.
        </Notice>
      )}
      {asksForSignIn && access.appRoleAssignmentRequired && assignments.data?.length === 0 && (
        <Notice
          intent="warning"
          actions={
            <PageButton to="/applications/$applicationId/users" params={params}>
              Users and groups
            </PageButton>
          }
        >
          Nobody is assigned to the application yet, so nobody can use it.
        </Notice>
      )}
    </>
  );
}

function WhoMayUse({ shown }: { readonly shown: ShownApplication }) {
  const { application, access } = shown;
  const assignments = useQuery(assignmentsQuery(access.id));
  if (application.onPremisesPublishing?.externalAuthenticationType === 'passthru') {
    return 'Everybody who reaches the external URL: the application decides alone';
  }
  if (!access.appRoleAssignmentRequired) return 'Everybody who can sign in';
  if (assignments.data === undefined) return '…';
  const names = assignments.data.map(({ principalDisplayName }) => principalDisplayName);
  if (names.length <= namesShown) return names.join(', ') || 'Nobody yet';
  return `${names.slice(0, namesShown).join(', ')} and ${names.length - namesShown} more`;
}

const namesShown = 8;
