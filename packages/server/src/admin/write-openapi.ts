import { writeFile } from 'node:fs/promises';
import { describeAdminApi } from './openapi.ts';

// Run after a change of the admin API: node packages/server/src/admin/write-openapi.ts
await writeFile(new URL('../../../../docs/openapi.json', import.meta.url), await describeAdminApi());
