import type { DomainDnsRecord } from '@postern/protocol/admin/domains';
import { CopyText } from './copy-text.tsx';
import { type Column, DataTable } from './data-table.tsx';

interface DnsRecordsProps {
  readonly label: string;
  readonly records: readonly DomainDnsRecord[];
}

/** Records as somebody types them into the page of a DNS provider: each value to be copied. */
export function DnsRecords({ label, records }: DnsRecordsProps) {
  return <DataTable isWide label={label} columns={columns} rows={records} rowKey={({ id }) => id} />;
}

const types = { Txt: 'TXT', CName: 'CNAME', A: 'A', Aaaa: 'AAAA' } as const;

const columns: readonly Column<DomainDnsRecord>[] = [
  {
    id: 'name',
    title: 'Name',
    cell: ({ label }) => <CopyText text={label} what={`the name ${label}`} />,
  },
  { id: 'type', title: 'Type', cell: ({ recordType }) => types[recordType] },
  {
    id: 'value',
    title: 'Value',
    cell: record => <CopyText text={contentOf(record)} what={`the value of ${record.label}`} />,
  },
  { id: 'ttl', title: 'TTL', isMinor: true, cell: ({ ttl }) => `${ttl} s` },
];

function contentOf({ text, canonicalName, ipAddress }: DomainDnsRecord): string {
  return text ?? canonicalName ?? ipAddress ?? '';
}
