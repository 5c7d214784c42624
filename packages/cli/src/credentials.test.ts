import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CredentialsFile } from './credentials.ts';

describe('the credentials file', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'postern-credentials-'));
  });
  after(() => rm(folder, { recursive: true }));

  const open = (name: string) => new CredentialsFile({ POSTERN_CONFIG_DIR: path.join(folder, name) });

  test('is empty where there is none, and readable by its owner alone', async () => {
    const file = open('new');

    const before = await file.read();
    await file.update(credentials => {
      credentials.current = 'example.com';
    });

    assert.deepEqual(before, { version: 1, services: {} });
    assert.equal((await file.read()).current, 'example.com');
    assert.equal((await stat(file.path)).mode & 0o777, 0o600);
    assert.equal((await stat(path.dirname(file.path))).mode & 0o777, 0o700);
  });

  test('loses no change of several at once', async () => {
    const file = open('many');

    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        file.update(credentials => {
          credentials.services[`s${index}.example`] = { caFile: `/ca/${index}` };
        }),
      ),
    );

    assert.equal(Object.keys((await file.read()).services).length, 20);
  });

  test('is left as it was by a change that fails, and can be changed again', async () => {
    const file = open('failing');
    await file.update(credentials => {
      credentials.current = 'kept.example';
    });
    const before = await readFile(file.path, 'utf8');

    await assert.rejects(
      file.update(credentials => {
        credentials.current = 'lost.example';
        throw new Error('no');
      }),
      /no/,
    );
    await file.update(() => undefined);

    assert.equal(await readFile(file.path, 'utf8'), before);
  });

  test('is not blocked for ever by a program that was killed', async () => {
    const file = open('killed');
    await file.update(() => undefined);
    await writeFile(`${file.path}.lock`, '');
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(`${file.path}.lock`, longAgo, longAgo);

    await file.update(credentials => {
      credentials.current = 'example.com';
    });

    assert.equal((await file.read()).current, 'example.com');
  });

  test('that is no such file is named with its remedy', async () => {
    const file = open('broken');
    await file.update(credentials => {
      credentials.current = 'example.com';
    });
    await writeFile(file.path, '{"version":2}');

    await assert.rejects(file.read(), { code: 'failed', remedy: 'Remove it and run `postern login`.' });
  });
});
