import { type Connector, connectorGroup } from '@postern/protocol/admin/connectors';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findConnector, publishingPath } from '../../find-object.ts';
import { formatTime } from '../../format-time.ts';
import { formatProperties } from '../../output.ts';

export function addConnectorShow(parent: Command): void {
  parent
    .command('show')
    .argument('<connector>', 'machine name or id')
    .summary('show one connector as the service knows it')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const found = await findConnector(admin, nameOrId);
      const groups = await admin.list(`${publishingPath}/connectors/${found.id}/memberOf`, connectorGroup);
      context.output.result(
        { ...found, memberOf: groups },
        formatProperties([
          ['Machine', found.machineName],
          ['Status', statusText(found)],
          ['Connector group', groups.map(each => each.name).join(', ')],
          ['Region', found.region ?? null],
          ['Address', found.externalIp],
          ['Version', found.version],
          ['Operating system', found.os],
          ['Registered', formatTime(found.registeredDateTime)],
          ['Last seen', formatTime(found.lastSeenDateTime)],
          ['Revoked', formatTime(found.revokedDateTime)],
          ['Certificate', certificateText(found)],
          ['Id', found.id],
        ]),
      );
    });
}

function statusText({ status, isHidden, isDraining }: Connector): string {
  return [status, isDraining && 'drained', isHidden && 'left out of lists'].filter(Boolean).join(', ');
}

function certificateText({ certificate }: Connector): string | null {
  if (certificate === null) return null;
  const { thumbprint, expirationDateTime, expiresInDays, expiryWarning } = certificate;
  const days = expiresInDays === 1 ? '1 day' : `${expiresInDays} days`;
  const left = expiryWarning === 0 ? 'has expired' : `${days} left`;
  return `${thumbprint}, until ${formatTime(expirationDateTime)}${expiryWarning === null ? '' : ` (${left})`}`;
}
