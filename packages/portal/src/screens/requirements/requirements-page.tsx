import { makeStyles, tokens } from '@fluentui/react-components';
import { type RequiredConnection, requiredConnections } from '@postern/protocol/required-connections';
import { CopyBlock } from '../../components/copy-text.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Page } from '../../components/page.tsx';
import { Section } from '../../components/section.tsx';

const useStyles = makeStyles({
  words: { maxWidth: '72ch', color: tokens.colorNeutralForeground3 },
  host: { fontFamily: tokens.fontFamilyMonospace, fontSize: '13px', overflowWrap: 'anywhere' },
});

/** What a firewall has to let out for a connector, before anything is installed. */
export function RequirementsPage() {
  const styles = useStyles();
  const domain = domainOf(location);
  const required = requiredConnections(domain, Number(location.port) || 443, plainHttpPort());
  return (
    <Page
      title="Names and ports"
      lead="What the machine of a connector has to reach. All of it is outbound; no port of your network is opened to the outside."
    >
      <DataTable
        label="Required names and ports"
        columns={columnsWith(styles.host)}
        rows={required}
        rowKey={({ host, port }) => `${host}:${port}`}
      />
      <Section title="For a firewall ticket">
        <CopyBlock text={ticketFor(domain, required)} what="the text for a firewall ticket" />
      </Section>
      <Section title="Where there is something in between">
        <p className={styles.words}>
          TLS to these names must not be opened on the way: the connector shows a client certificate, and an
          inspector breaks it. An HTTP proxy has to allow CONNECT to them and resolve them.
        </p>
        <p className={styles.words}>
          On the machine itself, <code>postern connector doctor --service {connectAddressOf(location)}</code>{' '}
          checks all of this before anything is registered.
        </p>
      </Section>
    </Page>
  );
}

function columnsWith(hostClass: string): readonly Column<RequiredConnection>[] {
  return [
    {
      id: 'name',
      title: 'Name',
      sortKey: row => row.host,
      cell: row => <span className={hostClass}>{row.host}</span>,
    },
    { id: 'port', title: 'Port', sortKey: row => row.port, cell: row => `TCP ${row.port}` },
    { id: 'purpose', title: 'Purpose', cell: row => capitalized(row.purpose) },
  ];
}

type Place = Pick<Location, 'hostname' | 'port'>;

/** The service's names follow from the portal's, at which this page is. */
function domainOf({ hostname }: Place): string {
  return hostname.replace(/^portal\./, '');
}

/** Where the service answers plain HTTP, as the document says; null where it does not. */
function plainHttpPort(): number | null {
  const port = document.querySelector<HTMLMetaElement>('meta[name=plain-http-port]')?.content ?? '';
  return port === '' ? null : Number(port);
}

function connectAddressOf(place: Place): string {
  return place.port === '' ? domainOf(place) : `${domainOf(place)}:${place.port}`;
}

function ticketFor(domain: string, required: readonly RequiredConnection[]): string {
  const ports = [...new Set(required.map(({ port }) => port))].join(' and ');
  const lines = required.map(({ host, port, purpose }) => `  ${host}  TCP ${port}  ${purpose}`);
  return [
    'To be allowed, outbound, from the machine of the connector:',
    ...lines,
    `As a wildcard: *.${domain}, TCP ${ports}.`,
    'No TLS inspection for these names. Inbound: nothing.',
  ].join('\n');
}

function capitalized(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
