import type { DomainDnsRecord } from '@postern/protocol/admin/domains';
import { formatTable } from './output.ts';

const types = { Txt: 'TXT', CName: 'CNAME', A: 'A', Aaaa: 'AAAA' } as const;

/** Where a custom domain is in the admin API; its id is its name. */
export function domainPath(name: string): string {
  return `domains/${encodeURIComponent(name.toLowerCase())}`;
}

/** Records as somebody types them into the page of a DNS provider. */
export function formatDnsRecords(records: readonly DomainDnsRecord[]): string {
  if (records.length === 0) return '(none: the service itself has no address yet)';
  return formatTable(records, [
    { title: 'NAME', value: each => each.label },
    { title: 'TYPE', value: each => types[each.recordType] },
    { title: 'VALUE', value: each => each.text ?? each.canonicalName ?? each.ipAddress ?? '' },
  ]);
}
