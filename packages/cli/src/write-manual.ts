import { writeFile } from 'node:fs/promises';
import { writeManual } from './manual.ts';

// Run after a change of a command: node packages/cli/src/write-manual.ts
await writeFile(new URL('../../../docs/cli.md', import.meta.url), writeManual());
