import { Link, makeStyles } from '@fluentui/react-components';
import type { Application } from '@postern/protocol/admin/applications';
import type { OnPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import type { ServicePrincipal, ServicePrincipalUpdate } from '@postern/protocol/admin/service-principals';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import {
  type ApplicationChange,
  type ApplicationWithAccess,
  applicationQuery,
  useChangeApplication,
} from '../../api/applications.ts';
import { connectorGroupsQuery, type GroupWithMembers } from '../../api/connector-groups.ts';
import { Notice } from '../../components/notice.tsx';
import { ApplicationFrame, type ShownApplication } from './application-frame.tsx';
import { addressSettings, otherSettings, publishingGroups } from './publishing-settings.ts';
import { nested, type SettingGroup, valueAt } from './setting.ts';
import { SettingsForm, type SettingValues, sectionIdOf } from './settings-form.tsx';

const useStyles = makeStyles({ groups: { display: 'flex', flexWrap: 'wrap', gap: '4px 16px' } });

/** Every setting of one application, by groups that are saved each by itself. */
export function SettingsPage() {
  const { applicationId } = useParams({ from: '/applications/$applicationId/settings' });
  return (
    <ApplicationFrame applicationId={applicationId}>{shown => <Settings shown={shown} />}</ApplicationFrame>
  );
}

function Settings({ shown }: { readonly shown: ShownApplication }) {
  const query = useQuery(applicationQuery(shown.application.id));
  const groups = useQuery(connectorGroupsQuery);
  const change = useChangeApplication(shown);
  const reload = async () => {
    const { data, error } = await query.refetch();
    if (data === undefined || error !== null) throw error ?? new Error('It could not be read again.');
    return data;
  };
  const styles = useStyles();
  const parts = publishedParts(groups.data ?? [], shown);
  return (
    <>
      {shown.application.onPremisesPublishing === null && (
        <Notice intent="warning">
          The application is not published yet. Give it an internal URL; what you leave out takes its default.
        </Notice>
      )}
      <nav className={styles.groups} aria-label="Groups of settings">
        {parts.map(({ group }) => (
          <Link key={group.title} href={`#${sectionIdOf(group)}`}>
            {group.title}
          </Link>
        ))}
      </nav>
      {parts.map(part => (
        <SettingsForm
          key={part.group.title}
          group={part.group}
          current={{ values: part.read(shown), tag: shown.tag }}
          onReload={async (): Promise<SettingValues> => {
            const fresh = await reload();
            return { values: part.read(fresh), tag: fresh.tag };
          }}
          onSave={(values, tag) => change.mutateAsync({ wanted: part.write(values, shown), tag })}
        />
      ))}
    </>
  );
}

/** A group of settings with where its values are read from and written to. */
interface Part {
  readonly group: SettingGroup;
  readonly read: (shown: ApplicationWithAccess) => object;
  readonly write: (values: Record<string, unknown>, shown: ApplicationWithAccess) => ApplicationChange;
}

function publishedParts(groups: readonly GroupWithMembers[], { application }: ApplicationWithAccess): Part[] {
  const publishing = application.onPremisesPublishing;
  const addresses = publishingPart(addressSettings);
  if (publishing === null) return [addresses];
  return [
    addresses,
    connectorGroupPart(groups),
    namePart,
    accessPart,
    ...[...publishingGroups, otherSettings(publishing)]
      .map(group => presentIn(group, publishing))
      .filter(({ settings }) => settings.length > 0)
      .map(publishingPart),
  ];
}

/** A group without what the service does not have. */
function presentIn(group: SettingGroup, publishing: object): SettingGroup {
  const settings = group.settings.filter(({ property }) => valueAt(publishing, property) !== undefined);
  return { ...group, settings };
}

function publishingPart(group: SettingGroup): Part {
  return {
    group,
    read: ({ application }) => ({ ...application.onPremisesPublishing }),
    write: values => ({ part: 'publishing', values: nested(values) as OnPremisesPublishingUpdate }),
  };
}

function connectorGroupPart(groups: readonly GroupWithMembers[]): Part {
  return {
    group: {
      title: 'Connector group',
      settings: [
        {
          property: 'connectorGroupId',
          label: 'Group',
          help: 'The connectors that reach the internal URL. Requests in flight end on the connectors that they began on.',
          control: { kind: 'choice', options: groups.map(({ id, name }) => [id, name]) },
        },
      ],
    },
    read: ({ application }) => ({ connectorGroupId: application.connectorGroupId }),
    write: values => ({
      part: 'connectorGroup',
      values: { connectorGroupId: String(values.connectorGroupId) },
    }),
  };
}

const namePart: Part = {
  group: {
    title: 'Name and home page',
    settings: [
      {
        property: 'displayName',
        label: 'Name',
        help: 'What people read in My Apps and on pages about the application.',
        control: { kind: 'text' },
      },
      {
        property: 'homePageUrl',
        label: 'Home page URL',
        help: 'Where its tile in My Apps leads, below the external URL. Empty for the external URL itself.',
        control: { kind: 'text', isNullable: true },
      },
    ],
  },
  read: ({ application: { displayName, web } }: { application: Application }) => ({
    displayName,
    homePageUrl: web.homePageUrl,
  }),
  write: values => ({ part: 'application', values }),
};

const accessPart: Part = {
  group: {
    title: 'Access',
    settings: [
      {
        property: 'accountEnabled',
        label: 'Enabled for users to sign in',
        help: 'Off, nobody is let in, assigned or not.',
        control: { kind: 'switch' },
      },
      {
        property: 'appRoleAssignmentRequired',
        label: 'Assignment required',
        help: 'Off, everybody who can sign in may use the application.',
        control: { kind: 'switch' },
      },
      {
        property: 'isVisible',
        label: 'Visible to users',
        help: 'Off, it is left out of My Apps; its address works all the same.',
        control: { kind: 'switch' },
      },
    ],
  },
  read: ({ access }) => ({ ...access, isVisible: !access.tags.includes(hideAppTag) }),
  write: ({ isVisible, ...values }, { access }) => ({
    part: 'access',
    values: { ...values, ...(isVisible !== undefined && { tags: tagsOf(access, isVisible === true) }) },
  }),
};

const hideAppTag = 'HideApp';

function tagsOf(access: ServicePrincipal, isVisible: boolean): ServicePrincipalUpdate['tags'] {
  const others = access.tags.filter(tag => tag !== hideAppTag);
  return (isVisible ? others : [...others, hideAppTag]) as ServicePrincipalUpdate['tags'];
}
