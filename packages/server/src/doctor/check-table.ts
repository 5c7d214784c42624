import { type CheckTable, withCheckTables } from '@postern/protocol/doctor/check-table';
import { serviceChecks } from './doctor.ts';

/** docs/troubleshooting.md with the tables of the service's checks brought up to date. */
export function withServiceChecks(document: string): string {
  const tables = serviceChecks.map(
    ({ group, checks }): CheckTable => ({
      group: `the service, ${group}`,
      source: `packages/server/src/doctor/${group}.ts`,
      checks,
    }),
  );
  return withCheckTables(document, tables);
}
