import { checkGroups } from '@postern/protocol/doctor';
import { type CheckTable, withCheckTables } from '@postern/protocol/doctor/check-table';
import { checksByGroup } from './doctor.ts';

/** docs/troubleshooting.md with the tables of the connector's checks brought up to date. */
export function withConnectorChecks(document: string): string {
  const tables = checkGroups.map(
    (group): CheckTable => ({
      group,
      source: `packages/connector/src/doctor/${group}.ts`,
      checks: checksByGroup[group],
    }),
  );
  return withCheckTables(document, tables);
}
