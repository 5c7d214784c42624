import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { describeAdminApi } from './openapi.ts';

test('docs/openapi.json describes the admin API as it is', async () => {
  const written = await readFile(new URL('../../../../docs/openapi.json', import.meta.url), 'utf8');

  const current = await describeAdminApi();

  assert.equal(written, current, 'run: node packages/server/src/admin/write-openapi.ts');
});

test('the description names every operation with its role, its errors and the bearer token', async () => {
  const { openapi, paths } = JSON.parse(await describeAdminApi());

  assert.equal(openapi, '3.1.0');
  for (const [path, operations] of Object.entries<Record<string, Record<string, unknown>>>(paths)) {
    assert.match(path, /^\/api\/v1\.0\//);
    for (const [method, operation] of Object.entries(operations)) {
      const name = `${method} ${path}`;
      assert.match(String(operation.description), /Needs |Everybody/, name);
      assert.deepEqual(operation.security, [{ bearer: [] }], name);
      assert.ok('4XX' in (operation.responses as object), name);
    }
  }
});
