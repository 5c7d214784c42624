import { enrolmentTokenCreated, maxEnrolmentLifetimeSeconds } from '@postern/protocol/admin/enrolment-tokens';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { findConnectorGroup, publishingPath } from '../../../find-object.ts';
import { formatTime } from '../../../format-time.ts';

interface CreateOptions {
  readonly connectorGroup?: string;
  readonly maxUses: number;
  readonly validFor: number;
  readonly name?: string;
}

export function addEnrolmentTokenCreate(parent: Command): void {
  parent
    .command('create')
    .summary('make a token with which machines register as connectors')
    .description(
      'Makes an enrolment token. It carries the address of the service, how to recognise it at first contact, and the ' +
        'connector group to join; whoever has it can register that many machines until it expires. It is shown once. ' +
        'Needs Application Administrator, and works as long as whoever made it has that role.',
    )
    .option('--connector-group <group>', 'connector group to join, by name or id (default: Default)')
    .option('--max-uses <number>', 'how many machines may register with it, 1 to 1000', readNumber, 1)
    .addOption(
      new Option('--valid-for <time>', 'how long it works: 30m, 24h, 7d; at most 30d')
        .argParser(readDuration)
        .default(86_400, '24h'),
    )
    .option('--name <text>', 'what it is for, for people to read')
    .action(async (options: CreateOptions, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const group = await findConnectorGroup(admin, options.connectorGroup ?? 'Default');
      const made = await admin.post(
        `${publishingPath}/enrolmentTokens`,
        {
          connectorGroupId: group.id,
          maxUses: options.maxUses,
          lifetimeSeconds: options.validFor,
          displayName: options.name,
        },
        enrolmentTokenCreated,
      );
      const machines = made.maxUses === 1 ? 'one machine' : `${made.maxUses} machines`;
      context.output.result(
        made,
        `Created an enrolment token for ${machines} and the connector group ${group.name}, until ` +
          `${formatTime(made.expirationDateTime)}. It is shown only now. On the machine that is to become a ` +
          `connector:\n\n${made.command}\n\nTo take it back: postern connector enrolment-token revoke ${made.id}`,
      );
    });
}

function readNumber(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= 1000) {
    return number;
  }
  throw new InvalidArgumentError('It is a whole number from 1 to 1000.');
}

const secondsOf: Readonly<Record<string, number>> = { m: 60, h: 3_600, d: 86_400 };

function readDuration(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (secondsOf[unit] ?? 0);
  if (seconds >= 60 && seconds <= maxEnrolmentLifetimeSeconds) {
    return seconds;
  }
  throw new InvalidArgumentError('It is a time such as 30m, 24h or 7d, from a minute to 30 days.');
}
