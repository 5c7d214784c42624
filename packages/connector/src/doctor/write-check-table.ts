import { readFile, writeFile } from 'node:fs/promises';
import { withConnectorChecks } from './check-table.ts';

// Run after a change of the checks: node packages/connector/src/doctor/write-check-table.ts
const file = new URL('../../../../docs/troubleshooting.md', import.meta.url);
await writeFile(file, withConnectorChecks(await readFile(file, 'utf8')));
