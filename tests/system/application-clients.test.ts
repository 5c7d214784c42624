import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type ClientOptions, WebSocket } from 'ws';
import {
  type GitServer,
  ownAccount,
  startAria2,
  startGitServer,
  startRadicale,
  startWebDav,
} from '../testbed/debian-applications.ts';
import type { ForeignBackend } from '../testbed/foreign-backends.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const execute = promisify(execFile);
const folder = mkdtempSync(path.join(tmpdir(), 'postern-clients-'));

let webDav: ForeignBackend;
let radicale: ForeignBackend;
let gitServer: GitServer;
let aria2: ForeignBackend;
let bed: Testbed;

before(async () => {
  webDav = await startWebDav();
  radicale = await startRadicale();
  gitServer = await startGitServer('project');
  aria2 = await startAria2();
  bed = await startTestbed({
    applications: [
      { name: 'downloads', internalUrl: aria2.url },
      { name: 'files', internalUrl: webDav.url },
      { name: 'calendar', internalUrl: radicale.url },
      { name: 'code', internalUrl: gitServer.url },
    ],
  });
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await aria2?.[Symbol.asyncDispose]();
  await gitServer?.[Symbol.asyncDispose]();
  await radicale?.[Symbol.asyncDispose]();
  await webDav?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const addressOf = (application: string, target = '/') =>
  `https://${application}.${bed.domain}:${bed.port}${target}`;

interface CurlAnswer {
  readonly status: number;
  readonly body: string;
}

/** Debian's curl with the session of the administrator at an application. */
async function curl(application: string, target: string, ...parameters: string[]): Promise<CurlAnswer> {
  const { stdout } = await execute('curl', [
    ...['--silent', '--show-error', '--cacert', bed.caFile, '--cookie', bed.cookie(application)],
    ...['--write-out', '\n%{http_code}', ...parameters, addressOf(application, target)],
  ]);
  const at = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) };
}

/** Debian's git with the session of the administrator in a file, as browsers' extensions export it. */
async function git(...parameters: string[]): Promise<string> {
  const cookies = path.join(folder, 'cookies.txt');
  const [name, value] = bed.cookie('code').split('=');
  writeFileSync(cookies, `${bed.hostOf('code')}\tFALSE\t/\tTRUE\t0\t${name}\t${value}\n`);
  const settings = { 'http.cookieFile': cookies, 'user.name': 'Ada', 'user.email': 'ada' };
  const environment = {
    GIT_SSL_CAINFO: bed.caFile,
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
  };
  const { stdout } = await execute(
    'git',
    [...Object.entries(settings).flatMap(([key, setting]) => ['-c', `${key}=${setting}`]), ...parameters],
    { env: { ...process.env, ...environment } },
  );
  return stdout;
}

describe('clients of real applications, through pre-authentication', { timeout: 600_000 }, () => {
  test('git pushes 12 MB and clones it back, and without a session gets nothing', async () => {
    const work = path.join(folder, 'work');
    mkdirSync(work);
    writeFileSync(path.join(work, 'photograph.raw'), randomBytes(12 * 1_048_576));
    await git('-C', work, 'init', '--quiet', '--initial-branch', 'main');
    await git('-C', work, 'add', '.');
    await git('-C', work, 'commit', '--quiet', '--message', 'add the photograph');

    // Bodies beyond a megabyte leave git chunked, after a question with an empty pack.
    await git('-C', work, 'push', '--quiet', addressOf('code', '/git/project.git'), 'main');
    const clone = path.join(folder, 'clone');
    await git('clone', '--quiet', addressOf('code', '/git/project.git'), clone);

    assert.deepEqual(
      readFileSync(path.join(clone, 'photograph.raw')),
      readFileSync(path.join(work, 'photograph.raw')),
    );
    await assert.rejects(
      git('-c', 'http.cookieFile=', 'ls-remote', addressOf('code', '/git/project.git')),
      /fatal/,
    );
  });

  test('WebDAV: folders, locks, and files that move to the address that people see', async () => {
    assert.equal((await curl('files', '/papers/', '-X', 'MKCOL')).status, 201);
    const draft = path.join(folder, 'draft.txt');
    writeFileSync(draft, 'a draft');
    assert.equal((await curl('files', '/papers/draft.txt', '-T', draft)).status, 201);

    const moved = await curl(
      'files',
      '/papers/draft.txt',
      ...['-X', 'MOVE', '-H', `Destination: ${addressOf('files', '/papers/final.txt')}`],
    );
    assert.equal(moved.status, 201, moved.body);
    const listing = await curl('files', '/papers/', '-X', 'PROPFIND', '-H', 'Depth: 1');
    assert.equal(listing.status, 207);
    assert.deepEqual(
      [...listing.body.matchAll(/<D:href>([^<]*)</g)].map(match => match[1]),
      ['/papers/', '/papers/final.txt'],
    );

    const lock = await curl(
      'files',
      '/papers/final.txt',
      ...['-X', 'LOCK', '-H', 'Content-Type: application/xml', '--data'],
      '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>',
    );
    assert.equal(lock.status, 200, lock.body);
    const token = /opaquelocktoken:[^<]+/.exec(lock.body)?.[0];
    assert.equal((await curl('files', '/papers/final.txt', '-X', 'DELETE')).status, 423);
    const own = await curl(
      'files',
      '/papers/final.txt',
      ...['-X', 'DELETE', '-H', `If: <${addressOf('files', '/papers/final.txt')}> (<${token}>)`],
    );
    assert.equal(own.status, 204, own.body);
  });

  test('a gibibyte is uploaded in one request, and its last bytes are read back', async () => {
    const large = path.join(folder, 'disk.img');
    const size = 1_073_741_824;
    const file = openSync(large, 'w');
    writeSync(file, 'the end', size);
    closeSync(file);

    const put = await curl('files', '/disk.img', '-T', large, '--max-time', '300');
    const last = await curl('files', '/disk.img', '--range', `${size}-`);
    const removed = await curl('files', '/disk.img', '-X', 'DELETE');

    assert.equal(put.status, 201, put.body);
    assert.deepEqual(last, { status: 206, body: 'the end' });
    assert.equal(removed.status, 204);
    rmSync(large);
  });

  test('Radicale asks for its own name and password behind ours, and keeps a calendar', async () => {
    const calendar = `/${ownAccount.username}/meetings/`;
    const basic = ['--user', `${ownAccount.username}:${ownAccount.password}`];
    const event =
      'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:tests\r\nBEGIN:VEVENT\r\nUID:lunch\r\nDTSTAMP:20260101T000000Z\r\n' +
      'DTSTART:20260301T110000Z\r\nDTEND:20260301T120000Z\r\nSUMMARY:Lunch\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n';

    const refused = await curl('calendar', calendar, '-X', 'PROPFIND', '--dump-header', '-');
    const made = await curl('calendar', calendar, ...basic, '-X', 'MKCALENDAR');
    const put = await curl(
      'calendar',
      `${calendar}lunch.ics`,
      ...[...basic, '-X', 'PUT', '-H', 'Content-Type: text/calendar', '--data-binary', event],
    );
    const found = await curl(
      'calendar',
      calendar,
      ...[...basic, '-X', 'REPORT', '-H', 'Depth: 1', '-H', 'Content-Type: application/xml', '--data'],
      '<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><C:calendar-data/></prop>' +
        '<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter></C:calendar-query>',
    );

    assert.equal(refused.status, 401);
    assert.match(refused.body, /^www-authenticate: Basic realm="Radicale/im);
    assert.equal(made.status, 201, made.body);
    assert.equal(put.status, 201, put.body);
    assert.equal(found.status, 207, found.body);
    assert.match(found.body, /SUMMARY:Lunch/);
  });

  test('aria2 takes orders over a WebSocket, and says there by itself when they are done', async () => {
    const { status } = await curl('files', '/ordered.txt', '--upload-file', import.meta.filename);
    const { host, hostname, origin } = new URL(addressOf('downloads'));
    // `servername` is the TLS client's; the types know it for HTTP requests only.
    const options: ClientOptions & { servername: string } = {
      ca: bed.ca,
      servername: hostname,
      headers: { Host: host, Cookie: bed.cookie('downloads'), Origin: origin },
    };
    const socket = new WebSocket(`wss://127.0.0.1:${bed.port}/jsonrpc`, options);
    const heard: string[] = [];
    const done = new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('close', () => reject(new Error(`closed after ${heard.join(', ')}`)));
      socket.on('message', data => {
        const { method = 'answer' } = JSON.parse(String(data)) as { method?: string };
        heard.push(method);
        if (/Complete|Error/.test(method)) resolve();
      });
    });
    const order = { jsonrpc: '2.0', id: 1, method: 'aria2.addUri', params: [[`${webDav.url}ordered.txt`]] };
    socket.on('open', () => socket.send(JSON.stringify(order)));
    await done;
    socket.removeAllListeners('close');
    socket.close();

    assert.equal(status, 201);
    assert.deepEqual(heard.toSorted(), ['answer', 'aria2.onDownloadComplete', 'aria2.onDownloadStart']);
  });
});
