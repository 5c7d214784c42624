import { readFile, writeFile } from 'node:fs/promises';
import { withServiceChecks } from './check-table.ts';

// Run after a change of the checks: node packages/server/src/doctor/write-check-table.ts
const file = new URL('../../../../docs/troubleshooting.md', import.meta.url);
await writeFile(file, withServiceChecks(await readFile(file, 'utf8')));
