import { Button, Field, Input, makeStyles, Select, tokens } from '@fluentui/react-components';
import type { OnPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { usePublishApplication } from '../../api/applications.ts';
import { messageFor } from '../../api/client.ts';
import { activeConnectorsOf, connectorGroupsQuery } from '../../api/connector-groups.ts';
import { Failure } from '../../components/failure.tsx';
import { PageButton, PageLink } from '../../components/links.tsx';
import { Notice } from '../../components/notice.tsx';
import { Page } from '../../components/page.tsx';
import { Section } from '../../components/section.tsx';
import { externalUrl, internalUrl, preAuthentication } from '../application/publishing-settings.ts';
import { SettingField } from '../application/setting-field.tsx';

const useStyles = makeStyles({
  form: { display: 'flex', flexDirection: 'column', gap: '20px' },
  field: { maxWidth: '560px', gridTemplateColumns: 'minmax(0, 1fr)' },
  actions: { display: 'flex', flexWrap: 'wrap', gap: '8px' },
  words: { color: tokens.colorNeutralForeground3, maxWidth: '72ch' },
});

type Authentication = NonNullable<OnPremisesPublishingUpdate['externalAuthenticationType']>;

/** Publishes an application: what has to be said, with the rest as it is safe. */
export function PublishPage() {
  const styles = useStyles();
  const navigate = useNavigate();
  const groups = useQuery(connectorGroupsQuery);
  const publish = usePublishApplication();
  const [name, setName] = useState('');
  const [internal, setInternal] = useState('');
  // null as long as it follows the name.
  const [external, setExternal] = useState<string | null>(null);
  const [authentication, setAuthentication] = useState<Authentication>('aadPreAuthentication');
  const [groupId, setGroupId] = useState<string | null>(null);
  const group = groups.data?.find(one => (groupId === null ? one.isDefault : one.id === groupId));
  const externalShown = external ?? externalUrlFor(name);
  const isComplete = name.trim() !== '' && internal.trim() !== '' && externalShown.trim() !== '';

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (group === undefined || !isComplete || publish.isPending) return;
    publish.mutate(
      {
        displayName: name.trim(),
        connectorGroupId: group.id,
        publishing: {
          internalUrl: internal.trim(),
          externalUrl: externalShown.trim(),
          externalAuthenticationType: authentication,
        },
      },
      {
        onSuccess: applicationId =>
          navigate({ to: '/applications/$applicationId', params: { applicationId } }),
      },
    );
  };
  const errorOf = (property: string) => messageFor(publish.error, property);
  const isBesideField = ['displayName', 'internalUrl', 'externalUrl'].some(property => errorOf(property));
  return (
    <Page
      title="Publish an application"
      above={<PageLink to="/applications">Applications</PageLink>}
      lead="Say what it is called and where it is. Everything else has a safe default and can be changed on its page afterwards."
    >
      {groups.isError && <Failure error={groups.error} what="The connector groups cannot be read." />}
      <Section title="The application">
        <form className={styles.form} onSubmit={submit}>
          <Field
            className={styles.field}
            label="Name"
            hint="What people read in My Apps."
            required
            validationMessage={errorOf('displayName')}
          >
            <Input value={name} maxLength={256} onChange={(_event, { value }) => setName(value)} />
          </Field>
          <SettingField
            setting={internalUrl}
            input={internal}
            onChange={value => setInternal(String(value))}
            error={errorOf('internalUrl')}
            isRequired
          />
          <SettingField
            setting={externalUrl}
            input={externalShown}
            onChange={value => setExternal(String(value))}
            error={errorOf('externalUrl')}
            isRequired
          />
          <SettingField
            setting={preAuthentication}
            input={authentication}
            onChange={value => setAuthentication(value as Authentication)}
          />
          <Field
            className={styles.field}
            label="Connector group"
            hint="The connectors that reach the internal URL."
          >
            <Select value={group?.id ?? ''} onChange={(_event, { value }) => setGroupId(value)}>
              {groups.data?.map(({ id, name: groupName }) => (
                <option key={id} value={id}>
                  {groupName}
                </option>
              ))}
            </Select>
          </Field>
          {group !== undefined && activeConnectorsOf(group).length === 0 && (
            <Notice intent="warning">
              {group.name} has no active connector: nobody reaches the application until it has one.
            </Notice>
          )}
          {authentication === 'passthru' && (
            <Notice intent="warning">
              With passthrough everybody on the internet can send requests to the application.
            </Notice>
          )}
          {publish.error !== null && !isBesideField && (
            <Failure error={publish.error} what="It was not published." />
          )}
          <div className={styles.actions}>
            <Button
              type="submit"
              appearance="primary"
              disabled={!isComplete || group === undefined}
              disabledFocusable={publish.isPending}
            >
              {publish.isPending ? 'Publishing …' : 'Publish'}
            </Button>
            <PageButton to="/applications">Cancel</PageButton>
          </div>
          <p className={styles.words}>
            Nobody is assigned to a new application: you choose on its page who may use it.
          </p>
        </form>
      </Section>
    </Page>
  );
}

/** An address below the service's own domain, which is the portal's, made of a name; empty as long as there is none. */
function externalUrlFor(name: string): string {
  const label = name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, '');
  return label === '' ? '' : `https://${location.host.replace(/^portal\./, `${label}.`)}/`;
}
