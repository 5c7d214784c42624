import type { CertificateAuthority } from '@postern/protocol/admin/certificate-authorities';
import { formatAge, formatTime } from './format-time.ts';
import { formatTable } from './output.ts';

/** Authorities as people read them: a line for each, and below who is waited for. */
export function authorityTable(authorities: readonly CertificateAuthority[]): string {
  const table = formatTable(authorities, [
    { title: 'AUTHORITY', value: each => each.name },
    { title: 'STATE', value: stateOf, flexible: true },
    { title: 'EXPIRES', value: each => each.expirationDateTime.slice(0, 10) },
    { title: 'SHA-256', value: each => `${each.sha256.slice(0, 16)}…` },
  ]);
  return [table, ...authorities.flatMap(waitingLines)].join('\n');
}

function stateOf({
  state,
  retirementDateTime,
  signingDateTime,
  waitsForCount,
}: CertificateAuthority): string {
  if (state === 'signing') return 'signs';
  if (state === 'former') return `trusted until ${formatTime(retirementDateTime)}`;
  if (signingDateTime !== null) return `signs from ${signingDateTime.slice(0, 10)} on`;
  return waitsForCount === 0 ? 'trusted, signs within a minute' : 'trusted, does not sign yet';
}

function waitingLines({ waitsFor, waitsForCount }: CertificateAuthority): string[] {
  if (waitsForCount === 0) return [];
  const left = waitsForCount - waitsFor.length;
  return [
    '',
    'The new authority signs when these have connected, or were revoked:',
    ...waitsFor.map(({ machineName, lastSeenDateTime, id }) => {
      const seen =
        lastSeenDateTime === null ? 'never seen' : `seen ${formatAge(lastSeenDateTime, Date.now())}`;
      return `  ${machineName} (${id}), ${seen}`;
    }),
    ...(left === 0 ? [] : [`  and ${left} more`]),
  ];
}
