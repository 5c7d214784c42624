import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { RawProxy } from '../../packages/outbound/testing/raw-proxy.ts';
import { CommandLine } from '../testbed/command-line.ts';
import { type GitServer, startGitServer, startWebDav } from '../testbed/debian-applications.ts';
import type { ForeignBackend } from '../testbed/foreign-backends.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const execute = promisify(execFile);
const connected = 'HTTP/1.1 200 Connection established\r\n\r\n';
const folder = mkdtempSync(path.join(tmpdir(), 'postern-client-programs-'));

let proxy: RawProxy;
let webDav: ForeignBackend;
let gitServer: GitServer;
let bed: Testbed;

before(async () => {
  // Not every program knows that names under localhost are the loopback's; this one takes it there.
  proxy = await RawProxy.start(() => ({ through: { host: '127.0.0.1', port: bed.port }, say: connected }));
  webDav = await startWebDav();
  gitServer = await startGitServer('project');
  bed = await startTestbed({
    applications: [
      { name: 'files', internalUrl: webDav.url },
      { name: 'code', internalUrl: gitServer.url },
    ],
  });
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await gitServer?.[Symbol.asyncDispose]();
  await webDav?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

interface Credential {
  readonly clientId: string;
  readonly secretText: string;
}

async function addCredential(application: string): Promise<Credential> {
  const { body } = await bed.api('POST', `/applications/${bed.applicationId(application)}/addPassword`, {
    passwordCredential: { displayName: 'program' },
  });
  return body as Credential;
}

/** Debian's git, with no settings but these. */
async function git(
  parameters: readonly string[],
  settings: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const all = { 'user.name': 'Ada', 'user.email': 'ada', ...settings };
  const { stdout } = await execute(
    'git',
    [...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]), ...parameters],
    {
      env: {
        ...process.env,
        GIT_SSL_CAINFO: bed.caFile,
        GIT_TERMINAL_PROMPT: '0',
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_CONFIG_SYSTEM: '/dev/null',
        ...environment,
      },
    },
  );
  return stdout;
}

async function commitSomething(name: string): Promise<string> {
  const work = path.join(folder, name);
  mkdirSync(work);
  writeFileSync(path.join(work, `${name}.txt`), name);
  await git(['-C', work, 'init', '--quiet', '--initial-branch', name]);
  await git(['-C', work, 'add', '.']);
  await git(['-C', work, 'commit', '--quiet', '--message', `add ${name}`]);
  return work;
}

describe('programs of Debian through pre-authentication, unmodified', { timeout: 600_000 }, () => {
  test('git pushes and clones with a credential of the application in its address', async () => {
    const { clientId, secretText } = await addCredential('code');
    const { host } = new URL(`https://${bed.hostOf('code')}:${bed.port}`);
    const address = `https://${clientId}:${secretText}@${host}/git/project.git`;
    const work = await commitSomething('robot');

    await git(['-C', work, 'push', '--quiet', address, 'robot']);
    const clone = path.join(folder, 'robot-clone');
    await git(['clone', '--quiet', '--branch', 'robot', address, clone]);

    assert.equal(readFileSync(path.join(clone, 'robot.txt'), 'utf8'), 'robot');
    await assert.rejects(git(['ls-remote', address.replace(secretText, 'wrong')]), /Authentication failed/);
  });

  test('git asks postern for the access token of whoever is signed in there', async () => {
    using commandLine = await CommandLine.signIn(bed);
    const { command, environment } = commandLine.asProgram;
    const origin = `https://${bed.hostOf('code')}:${bed.port}`;
    const settings = { [`credential.${origin}.helper`]: `!${command} app git-credential` };
    const work = await commitSomething('person');

    await git(['-C', work, 'push', '--quiet', `${origin}/git/project.git`, 'person'], settings, environment);
    const heads = await git(['ls-remote', '--heads', `${origin}/git/project.git`], settings, environment);

    assert.match(heads, /refs\/heads\/person/);
    await assert.rejects(git(['ls-remote', `${origin}/git/project.git`]), /fatal/);
  });

  test('rclone copies a folder over WebDAV and back', async () => {
    const { clientId, secretText } = await addCredential('files');
    const from = path.join(folder, 'from');
    const back = path.join(folder, 'back');
    mkdirSync(from);
    for (const name of ['one', 'two', 'three']) writeFileSync(path.join(from, name), name);
    const { stdout: obscured } = await execute('rclone', ['obscure', secretText]);
    const rclone = (...parameters: string[]) =>
      execute('rclone', ['--ca-cert', bed.caFile, '--config', '/dev/null', ...parameters], {
        env: {
          ...process.env,
          HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`,
          RCLONE_CONFIG_FILES_TYPE: 'webdav',
          RCLONE_CONFIG_FILES_URL: `https://${bed.hostOf('files')}:${bed.port}/`,
          RCLONE_CONFIG_FILES_VENDOR: 'other',
          RCLONE_CONFIG_FILES_USER: clientId,
          RCLONE_CONFIG_FILES_PASS: obscured.trim(),
        },
      });

    await rclone('copy', from, 'files:backup');
    await rclone('copy', 'files:backup', back);

    assert.equal(readFileSync(path.join(back, 'two'), 'utf8'), 'two');
  });
});
