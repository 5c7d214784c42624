import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { describeFailure } from './describe-failure.ts';

test('a file that this user may not touch is told with what to do', () => {
  const error = Object.assign(new Error("EACCES: permission denied, open '/d/Config/service.json'"), {
    code: 'EACCES',
    syscall: 'open',
  });

  assert.equal(
    describeFailure(error),
    "EACCES: permission denied, open '/d/Config/service.json'\n" +
      "Run this as root, or as the user that owns the connector's folder.\n",
  );
});

test('where nobody knows what to do, nothing is said of it', () => {
  assert.throws(
    () => readFileSync(tmpdir()),
    error => {
      assert.match(describeFailure(error), /^EISDIR: [^\n]*\n$/);
      return true;
    },
  );
});
