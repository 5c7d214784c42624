import { readFile, writeFile } from 'node:fs/promises';
import { withEventTable } from './event-table.ts';

// Run after a change of the catalogue: node packages/connector/src/events/write-event-table.ts
const file = new URL('../../../../docs/troubleshooting.md', import.meta.url);
await writeFile(file, withEventTable(await readFile(file, 'utf8')));
