import {
  certificateAuthority,
  certificateAuthorityName,
} from '@postern/protocol/admin/certificate-authorities';
import { collection } from '@postern/protocol/admin/collection';
import { Argument, type Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { publishingPath } from '../../find-object.ts';
import { authorityTable } from '../../show-authorities.ts';

export function addCaRotate(parent: Command): void {
  parent
    .command('rotate')
    .addArgument(
      new Argument('<authority>', 'which one to exchange').choices(certificateAuthorityName.options),
    )
    .summary('exchange an authority for a new one; no connector has to register again')
    .description(
      'Makes a new authority, which everybody trusts before it signs; no connector has to register again. registration issues the ' +
        'trust certificates of connectors: the new one signs as soon as every relay trusts it. service issues the certificate that ' +
        'connectors see: the new one signs when every connector that could come back has said that it trusts it; revoke those that ' +
        'never will. local issues the certificate of the public names where the service has no other: people have to trust the new one ' +
        'on their machines, and it signs 90 days later. The service does all this by itself in time before an authority expires.',
    )
    .action(async (authority: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { value } = await admin.post(
        `${publishingPath}/certificateAuthorities/${authority}/rotate`,
        undefined,
        collection(certificateAuthority),
      );
      context.output.result(value, authorityTable(value));
    });
}
