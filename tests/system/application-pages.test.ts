import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Chromium } from '../testbed/chromium.ts';
import {
  ownAccount,
  startFossil,
  startGitServer,
  startMonit,
  startNchan,
  startShellInABox,
  startTransmission,
} from '../testbed/debian-applications.ts';
import type { ForeignBackend } from '../testbed/foreign-backends.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-pages-'));
const backends: ForeignBackend[] = [];

let bed: Testbed;
let chromium: Chromium;

before(async () => {
  writeFileSync(path.join(folder, 'hour.wav'), silence(3600));
  const started = async <B extends ForeignBackend>(starting: Promise<B>): Promise<B> => {
    const backend = await starting;
    backends.push(backend);
    return backend;
  };
  const code = await started(startGitServer('project'));
  commitTo(path.join(code.repositories, 'project.git'));
  const fossil = await started(startFossil());
  const translated = { isTranslateLinksInBodyEnabled: true };
  bed = await startTestbed({
    applications: [
      { name: 'code', internalUrl: code.url, publishing: translated },
      { name: 'tickets', internalUrl: fossil.url, publishing: translated },
      { name: 'monit', internalUrl: (await started(startMonit())).url },
      { name: 'transfers', internalUrl: (await started(startTransmission())).url },
      { name: 'shell', internalUrl: (await started(startShellInABox())).url },
      { name: 'news', internalUrl: (await started(startNchan(folder))).url },
    ],
  });
  const origin = new URL(addressOf('monit')).origin;
  chromium = await Chromium.launch({ caFile: bed.caFile, httpCredentials: { ...ownAccount, origin } });
  await signIn();
});

after(async () => {
  await chromium?.[Symbol.asyncDispose]();
  await bed?.[Symbol.asyncDispose]();
  for (const backend of backends) await backend[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  for (const page of chromium.context.pages().slice(1)) await page.close();
  chromium.takeErrors();
});

const addressOf = (application: string, target = '/') =>
  `https://${application}.${bed.domain}:${bed.port}${target}`;

async function signIn(): Promise<void> {
  const page = await chromium.newPage();
  await page.goto(addressOf('portal'));
  await page.getByLabel('Name').fill(bed.administrator.name);
  await page.getByLabel('Password').fill(bed.administrator.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(addressOf('portal'));
}

/** A WAV file of so many seconds, 8 kHz and 8 bits. */
function silence(seconds: number): Buffer {
  const length = seconds * 8000;
  const file = Buffer.alloc(44 + length, 128);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + length, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(8000, 24);
  file.writeUInt32LE(8000, 28);
  file.writeUInt16LE(1, 32);
  file.writeUInt16LE(8, 34);
  file.write('data', 36);
  file.writeUInt32LE(length, 40);
  return file;
}

/** Commits one file to a bare repository. */
function commitTo(bare: string): void {
  const git = (parameters: string[], input = '') =>
    execFileSync(
      'git',
      ['-C', bare, '-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...parameters],
      {
        input,
        encoding: 'utf8',
      },
    ).trim();
  const blob = git(['hash-object', '-w', '--stdin'], 'An idea that works.\n');
  const tree = git(['mktree'], `100644 blob ${blob}\tidea.txt\n`);
  git(['update-ref', 'refs/heads/main', git(['commit-tree', '-m', 'write the idea down', tree])]);
}

describe('pages of real applications, in a real browser behind pre-authentication', {
  timeout: 600_000,
}, () => {
  test('cgit: rendered pages work, and the internal addresses in them are turned outwards', async () => {
    const page = await chromium.newPage();
    await page.goto(addressOf('code'));

    await page.getByRole('link', { name: 'project.git' }).click();
    await page.getByRole('link', { name: 'write the idea down' }).last().click();
    await page.getByText('+An idea that works.').waitFor();
    await page.getByRole('link', { name: 'summary' }).click();
    const clone = page.getByRole('link', { name: /git\/project\.git$/ });

    assert.equal(await clone.getAttribute('href'), addressOf('code', '/git/project.git'));
    assert.deepEqual(chromium.takeErrors(), []);
  });

  test('Fossil: an application that builds its addresses from Host signs in with its own cookies', async () => {
    const page = await chromium.newPage();
    await page.goto(addressOf('tickets', '/login'));

    assert.equal(await page.evaluate('document.baseURI'), addressOf('tickets', '/login'));
    await page.getByLabel('User ID:').fill(ownAccount.username);
    await page.locator('input[name=p]').fill(ownAccount.password);
    await page.locator('input[name=in]').click();
    await page.getByRole('link', { name: 'Logout' }).waitFor();

    assert.equal(new URL(page.url()).origin, new URL(addressOf('tickets')).origin);
    const cookies = await chromium.context.cookies(addressOf('tickets'));
    assert.deepEqual(
      cookies
        .map(({ name, secure, httpOnly }) => [name.replace(/-[0-9a-f]+$/, ''), secure, httpOnly])
        .toSorted(),
      [
        ['__Host-postern', true, true],
        ['fossil', true, true],
      ],
    );
    assert.deepEqual(chromium.takeErrors(), []);
  });

  test('Monit: asks for its own password behind ours, and its forms come with the cookie that it set', async () => {
    const page = await chromium.newPage();
    await page.goto(addressOf('monit', '/notes'));

    await page.getByRole('button', { name: 'Disable monitoring' }).click();
    await page.waitForLoadState();
    // Monit carries the order out in its own time, and says so on the next page.
    const enable = page.getByRole('button', { name: 'Enable monitoring' });
    for (let attempt = 0; attempt < 120 && !(await enable.isVisible()); attempt++) {
      await delay(250);
      await page.goto(addressOf('monit', '/notes'));
    }
    assert.ok(await enable.isVisible());

    assert.deepEqual(chromium.takeErrors(), []);
  });

  test('Transmission: a single-page application with headers of its own against forged requests', async () => {
    const page = await chromium.newPage();
    await page.goto(addressOf('transfers'));
    assert.equal(page.url(), addressOf('transfers', '/transmission/web/'));

    await page.locator('#toolbar-open').click();
    await page
      .locator('#torrent_upload_url')
      .fill(`magnet:?xt=urn:btih:${'0123456789'.repeat(4)}&dn=The%20film`);
    await page.locator('#upload_confirm_button').click();
    await page.locator('.torrent_name', { hasText: 'The film' }).waitFor();
  });

  test('Shell In A Box: a terminal whose output waits in open requests', async () => {
    const page = await chromium.newPage();
    await page.goto(addressOf('shell'));
    // What is typed before the shell asks is lost.
    await page.locator('#vt100 #scrollable', { hasText: /[#$]/ }).click();
    await page.keyboard.type('echo $((6 * 7)) is the answer\n');
    await page.getByText('42 is the answer').waitFor();
  });

  test('Nchan: events reach EventSource one by one, as they happen', async () => {
    const page = await chromium.newPage();
    await page.goto(addressOf('news'));

    const heard = await page.evaluate(async () => {
      const source = new EventSource('/events');
      await new Promise(resolve => source.addEventListener('open', resolve));
      const texts: string[] = [];
      for (const body of ['first', 'second', 'third']) {
        const heardNext = new Promise<MessageEvent>(resolve =>
          source.addEventListener('message', resolve, { once: true }),
        );
        await fetch('/publish', { method: 'POST', body });
        texts.push((await heardNext).data);
      }
      source.close();
      return texts;
    });

    assert.deepEqual(heard, ['first', 'second', 'third']);
  });

  test('a recording of an hour is played from its 50th minute without what lies before', async () => {
    const page = await chromium.newPage();
    await page.goto(addressOf('news'));

    const late = page.waitForResponse(answer =>
      /^bytes 2[34]\d{6}-/.test(answer.headers()['content-range'] ?? ''),
    );
    const played: unknown = await page.evaluate(`(async () => {
      const audio = document.createElement('audio');
      audio.src = '/files/hour.wav';
      audio.preload = 'metadata';
      await new Promise((resolve, reject) => {
        audio.onloadedmetadata = resolve;
        audio.onerror = () => reject(new Error(audio.error.message));
      });
      audio.currentTime = 3000;
      await new Promise(resolve => (audio.onseeked = resolve));
      return { duration: audio.duration, at: audio.currentTime };
    })()`);

    assert.equal((await late).status(), 206);
    assert.deepEqual(played, { duration: 3600, at: 3000 });
  });
});
