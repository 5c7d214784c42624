import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { hiddenField } from '@postern/server/sign-in/test-browser';
import { password, type Run, startTestService, type TestService } from '../testing/service.ts';
import { createServiceFetch } from './service-fetch.ts';

let service: TestService;
before(async () => {
  service = await startTestService();
  await service.addUser('admin', 'Global Administrator');
  await service.addUser('publisher', 'Application Administrator');
  await service.addUser('nobody');
});
after(() => service[Symbol.asyncDispose]());

/** What was printed, with what differs from run to run replaced by its name. */
function transcript({ stdout, stderr }: Run): string {
  return `${stdout}${stderr}`
    .replaceAll(service.name, 'SERVICE')
    .replaceAll(service.folder, 'FOLDER')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'ID')
    .replace(/\b[0-9A-F]{40}\b/g, 'THUMBPRINT')
    .replace(/\d{1,2} \w{3,4} \d{4}, \d\d:\d\d:\d\d UTC/g, 'TIME')
    .replace(/secret=[\w-]+/g, 'secret=SECRET')
    .replace(/ +$/gm, '');
}

function assertRun(run: Run, code: number, expected: string): void {
  assert.equal(transcript(run).trim(), expected.trim());
  assert.equal(run.code, code);
}

describe('signing in', () => {
  test('with a name and a password', async () => {
    const login = ['login', '--service', service.name, '--ca-file', service.caFile, '--user', 'admin'];

    const run = await service.postern([...login, '--password-stdin'], {
      input: `${password}\n`,
      configDir: 'password',
    });
    const whoami = await service.postern(['whoami'], { configDir: 'password' });

    assertRun(run, 0, 'Signed in to SERVICE as admin.');
    assertRun(
      whoami,
      0,
      `
Service       SERVICE
Name          admin
Display name  Person admin
Mail          –
Roles         Global Administrator
Id            ID`,
    );
    assert.equal((await stat(service.credentialsFile('password'))).mode & 0o777, 0o600);
  });

  test('in a browser on this machine', async () => {
    const login = ['login', '--service', service.name, '--ca-file', service.caFile, '--browser'];
    const running = service.start(login, { configDir: 'browser' });
    const [, address] = await running.said(/^ {2}(https:\S+)$/m);

    const browser = service.browser();
    const page = await browser.follow(await browser.get(address));
    const back = await browser.follow(
      await browser.submitSignIn(page, 'publisher', password),
      url => url.hostname === '127.0.0.1',
    );
    const shown = await readPage(back.location!);
    const run = await running.ended;

    assert.match(shown, /You are signed in/);
    assert.equal(run.code, 0, run.stderr);
    assert.match(transcript(run), /^Signed in to SERVICE as publisher\.$/m);
  });

  test('with a code in a browser anywhere, where this machine has none', async () => {
    const running = service.start(['login', '--service', service.name, '--ca-file', service.caFile], {
      configDir: 'device',
    });
    const [, address] = await running.said(/^Open (https:\S+) /m);
    const [, userCode] = await running.said(/^ {2}(\S+)$/m);

    const browser = service.browser();
    const codePage = await browser.get(address);
    const form = { xsrf: hiddenField(codePage, 'xsrf'), user_code: userCode };
    const confirmation = await browser.post(codePage.url, form);
    const signInPage = await browser.follow(
      await browser.post(codePage.url, {
        xsrf: hiddenField(confirmation, 'xsrf'),
        user_code: userCode,
        confirm: 'yes',
      }),
    );
    const done = await browser.follow(await browser.submitSignIn(signInPage, 'publisher', password));
    const run = await running.ended;

    assert.match(done.body, /goes on by itself/);
    assert.equal(run.code, 0, run.stderr);
    assert.match(transcript(run), /^Signed in to SERVICE as publisher\.$/m);
  });

  test('a wrong password is exit code 3 and says no more than the page', async () => {
    const run = await service.postern(
      [
        ...['login', '--service', service.name, '--ca-file', service.caFile],
        ...['--user', 'admin', '--password-stdin'],
      ],
      { input: 'wrong' },
    );

    assertRun(run, 3, 'postern: That name and password do not match.');
  });

  test('an authority that is not trusted is named with its remedy', async () => {
    const run = await service.postern(
      ['login', '--service', service.name, '--user', 'admin', '--password-stdin'],
      { input: password },
    );

    assertRun(
      run,
      7,
      `
postern: The certificate of login.SERVICE comes from an authority that this machine does not trust.
  Name the file with the right CA certificate: --ca-file FILE.`,
    );
  });

  test('a service that does not answer is exit code 7', async () => {
    const run = await service.postern(['login', '--service', 'postern.localhost:1', '--device']);

    assertRun(
      run,
      7,
      `
postern: Nothing answers at login.postern.localhost:1.
  Is the service running, and is the port right?`,
    );
  });

  test('without a sign-in every command says how to get one', async () => {
    const run = await service.postern(['app', 'list', '--service', service.name]);

    assertRun(
      run,
      3,
      `
postern: You are not signed in to SERVICE.
  Run \`postern login --service SERVICE\`.`,
    );
  });

  test('an access token that has expired is renewed, by several programs at once as by one', async () => {
    const run = await service.as('admin');
    await expireAccessToken('admin');

    const runs = await Promise.all([1, 2, 3, 4].map(() => run('whoami', '--json')));
    const again = await run('whoami');

    assert.deepEqual(
      runs.map(each => each.code),
      [0, 0, 0, 0],
      runs.map(each => each.stderr).join(''),
    );
    assert.equal(again.code, 0, again.stderr);
  });

  test('a sign-in that was ended at the service is forgotten here', async () => {
    const run = await service.as('nobody');
    const admin = await service.as('admin');
    const { id } = JSON.parse((await run('whoami', '--json')).stdout);
    await admin('user', 'disable', id);
    await expireAccessToken('nobody');

    const refused = await run('whoami');
    const credentials = JSON.parse(await readFile(service.credentialsFile('nobody'), 'utf8'));
    await admin('user', 'enable', id);

    assertRun(refused, 3, 'postern: Your sign-in has ended.\n  Run `postern login`.');
    assert.equal(credentials.services[service.name].tokens, undefined);
    assert.equal(credentials.services[service.name].caFile, service.caFile);
  });

  test('logout ends the sign-in here and at the service', async () => {
    const run = await service.as('publisher');
    const before = JSON.parse(await readFile(service.credentialsFile('publisher'), 'utf8'));

    const out = await run('logout');
    await writeFile(service.credentialsFile('publisher'), JSON.stringify(before));
    const replayed = await run('whoami');

    assertRun(out, 0, 'Signed out of SERVICE.');
    assert.equal(replayed.code, 3);
  });

  async function expireAccessToken(configDir: string): Promise<void> {
    const file = service.credentialsFile(configDir);
    const credentials = JSON.parse(await readFile(file, 'utf8'));
    credentials.services[service.name].tokens.expiresAt = 0;
    await writeFile(file, JSON.stringify(credentials));
  }
});

describe('publishing', () => {
  test('creates, configures, binds and assigns an application in one command, and again', async () => {
    const run = await service.as('publisher');
    const admin = await service.as('admin');
    await admin('connector-group', 'create', 'Site A');
    const publish = [
      ...['app', 'publish', 'Wiki', '--internal-url', 'http://wiki.corp.example:8080'],
      ...['--group', 'site a', '--assign', 'nobody', '--timeout', 'long'],
    ];

    const first = await run(...publish);
    const second = await run(...publish);
    const list = await run('app', 'list');

    const shown = `
Name             Wiki
Status           unreachable (tunnel): no_connector
External URL     https://wiki.SERVICE/
Internal URL     http://wiki.corp.example:8080/
Sign-in          pre-authenticated
Connector group  Site A
Enabled          yes
Who may use it   Person nobody
In My Apps       yes
Home page        –
Backend timeout  180 seconds
Translate host   yes
Translate links  no
Verify backend   yes
Id               ID
Application id   ID

Backend http://wiki.corp.example:8080/`;
    assertRun(
      first,
      0,
      `${shown}
✔ created Wiki
✔ published http://wiki.corp.example:8080
✔ bound to connector group Site A
✔ assigned to nobody`,
    );
    assertRun(
      second,
      0,
      `${shown}
✔ found Wiki
✔ published http://wiki.corp.example:8080
✔ bound to connector group Site A`,
    );
    assert.match(
      transcript(list),
      /^Wiki +unreachable \(tunnel\) +https:\/\/wiki\.\S+ +http:\/\/wiki\.corp\.\S+ +required$/m,
    );
  });

  test('changes nothing when a name is wrong', async () => {
    const run = await service.as('publisher');

    const unknown = await run(
      'app',
      'publish',
      'New',
      '--internal-url',
      'http://a.example',
      '--assign',
      'anybody',
    );
    const badUrl = await run('app', 'publish', 'New', '--internal-url', 'ftp://a.example');
    const shown = await run('app', 'show', 'New');

    assertRun(
      unknown,
      5,
      `
postern: There is no user and no group "anybody".
  \`postern user list\` and \`postern group list\` show them all.`,
    );
    assert.equal(badUrl.code, 1);
    assert.match(badUrl.stderr, /removed New again/);
    assert.match(badUrl.stderr, /internalUrl: must be an http or https address/);
    assertRun(shown, 5, 'postern: There is no application "New".\n  `postern app list` shows them all.');
  });

  test('an application is changed, assigned and removed', async () => {
    const run = await service.as('publisher');
    await run('app', 'publish', 'Status', '--internal-url', 'http://status.corp.example', '--passthrough');

    const updated = await run('app', 'update', 'Status', '--name', 'State', '--pre-authentication', '--hide');
    const assigned = await run('app', 'assign', 'State', 'nobody');
    const unassigned = await run('app', 'unassign', 'State', 'user:nobody');
    const nothing = await run('app', 'update', 'State');
    const removed = await run('app', 'remove', 'State');

    assert.equal(updated.code, 0, updated.stderr);
    assert.match(updated.stdout, /^Name +State$/m);
    assert.match(updated.stdout, /^Sign-in +pre-authenticated$/m);
    assert.match(updated.stdout, /^In My Apps +no$/m);
    assertRun(assigned, 0, 'nobody may use State.');
    assertRun(unassigned, 0, 'nobody may no longer use State.');
    assert.equal(nothing.code, 2);
    assertRun(removed, 0, 'Removed State.');
  });

  test('a name that two applications have is refused with their ids', async () => {
    const run = await service.as('publisher');
    for (const [name, host] of [
      ['Twin', 'one'],
      ['Other', 'two'],
    ]) {
      await run('app', 'publish', name, '--internal-url', `http://${host}.example`);
    }
    await run('app', 'update', 'Other', '--name', 'Twin');

    const shown = await run('app', 'show', 'Twin');

    assertRun(
      shown,
      6,
      `
postern: 2 applications are called "Twin".
  Name one by its id: ID, ID.`,
    );
  });
});

describe('users, groups and roles', () => {
  test('a user is created with a link, joins a group, gets a role and goes', async () => {
    const run = await service.as('admin');

    const created = await run('user', 'create', 'anna@example.com', '--display-name', 'Anna');
    const group = await run('group', 'create', 'Staff', '--description', 'Everybody here');
    const joined = await run('group', 'add-member', 'Staff', 'anna@example.com');
    const role = await run('user', 'role', 'Anna@Example.com', '--add', 'Application Administrator');
    const removed = await run('user', 'remove', 'anna@example.com');

    assertRun(
      created,
      0,
      `
Created anna@example.com. Give this link to the person; it works once, until TIME:

  https://login.SERVICE/set-up?secret=SECRET`,
    );
    assertRun(group, 0, 'Created group Staff.');
    assertRun(joined, 0, 'Added anna@example.com to Staff.');
    assertRun(
      role,
      0,
      `
Name          anna@example.com
Display name  Anna
Mail          –
Account       not signed in yet
Roles         Application Administrator
Groups        Staff
Created       TIME
Id            ID`,
    );
    assertRun(removed, 0, 'Removed anna@example.com.');
  });

  test('who lacks the role is told which one, and who can give it', async () => {
    const run = await service.as('publisher');

    const refused = await run('user', 'create', 'ben');

    assertRun(
      refused,
      4,
      'postern: You hold the role Application Administrator; this needs Global Administrator. A Global Administrator can grant it.',
    );
  });
});

describe('connectors', () => {
  test('a machine without an identity does not run, and its supervisor is told that it never will', async () => {
    const run = await service.as('publisher');

    const { code, stderr } = await run('connector', 'run', '--data', path.join(service.folder, 'nobody'));

    assert.equal(code, 78);
    assert.match(stderr, /There is no registered connector in /);
  });

  test('this machine is registered, shown, moved and revoked', async () => {
    const run = await service.as('publisher');
    const data = path.join(service.folder, 'connector');
    await run('connector-group', 'create', 'Site B', '--region', 'eur');

    const registered = await run('connector', 'register', '--data', data, '--name', 'edge01');
    const status = await run('connector', 'status', '--data', data);
    const moved = await run('connector', 'move', 'edge01', 'Site B');
    const kept = await run('connector-group', 'remove', 'Site B');
    const revoked = await run('connector', 'revoke', 'edge01');
    const list = await run('connector', 'list');

    assertRun(
      registered,
      0,
      `
Registered edge01 as connector ID.
Its certificate THUMBPRINT is valid until TIME.
Start it: postern connector run --data FOLDER/connector`,
    );
    assertRun(
      status,
      1,
      `
State        stopped
Connector    edge01 (ID)
Service      connect.SERVICE
Certificate  THUMBPRINT, valid until TIME`,
    );
    assertRun(moved, 0, 'Moved connector edge01 to Site B.');
    assert.equal(kept.code, 6);
    assertRun(revoked, 0, 'Revoked connector edge01 (ID).');
    assert.match(list.stdout, /^edge01 +revoked /m);
  });

  test('registration signs in for itself where nobody is signed in, and keeps nothing', async () => {
    const data = path.join(service.folder, 'connector-alone');
    const register = [
      ...['connector', 'register', '--data', data, '--name', 'edge02', '--connector-group', 'Default'],
      ...['--service', service.name, '--ca-file', service.caFile],
      ...['--user', 'publisher', '--password-stdin', '--json'],
    ];

    const run = await service.postern(register, { input: password, configDir: 'alone' });

    assert.equal(run.code, 0, run.stderr);
    assert.equal(JSON.parse(run.stdout).machineName, 'edge02');
    await assert.rejects(stat(service.credentialsFile('alone')), { code: 'ENOENT' });
  });

  test('who may not register is refused', async () => {
    const data = path.join(service.folder, 'connector-refused');
    const run = await service.as('nobody');

    const refused = await run('connector', 'register', '--data', data);

    assert.equal(refused.code, 4, refused.stderr);
    assert.match(
      refused.stderr,
      /holds no role; registering a connector needs the role Application Administrator or Global Administrator/,
    );
    assert.match(refused.stderr, /A Global Administrator can grant it/);
    assert.match(refused.stderr, /The doctor looks for the cause:\npassed .* connectivity\.service /);
  });

  test('whoami says the same to whoever has no role', async () => {
    const run = await service.as('nobody');

    const whoami = await run('whoami');
    const document = JSON.parse((await run('whoami', '--json')).stdout);

    assert.match(
      whoami.stdout,
      /^Missing role +Application Administrator or Global Administrator, .* A Global Administrator can grant it\.$/m,
    );
    assert.equal(document.mayRegisterConnectors, false);
  });
});

describe('registering without a person at the machine', () => {
  const register = (...more: readonly string[]) => ['connector', 'register', '--key', 'p384', ...more];

  test('an enrolment token is made, shown once, used, listed and revoked', async () => {
    const run = await service.as('publisher');
    await run('connector-group', 'create', 'Branches');
    const create = ['connector', 'enrolment-token', 'create', '--connector-group', 'Branches'];

    const created = await run(...create, '--max-uses', '2', '--valid-for', '30m', '--name', 'Branch 7');
    const [token = ''] = /postern_enrolment_[\w-]+/.exec(created.stdout) ?? [];
    const id = /revoke (\S+)$/m.exec(created.stdout)?.[1] ?? '';
    const data = path.join(service.folder, 'enrolled');
    const fromInput = await service.postern(
      register('--data', data, '--name', 'branch', '--token-file', '-'),
      {
        input: `${token}\n`,
      },
    );
    const file = path.join(service.folder, 'enrolment');
    await writeFile(file, token);
    const again = await service.postern(register('--data', data, '--name', 'branch', '--token-file', file));
    const usedUp = await service.postern(
      register('--data', path.join(service.folder, 'too-many'), '--token-file', file),
    );
    const list = await run('connector', 'enrolment-token', 'list');
    const revoked = await run('connector', 'enrolment-token', 'revoke', id);
    const listAfterwards = await run('connector', 'enrolment-token', 'list', '--json');
    const group = JSON.parse((await run('connector', 'show', 'branch', '--json')).stdout).memberOf[0];

    assert.match(
      transcript(created),
      /^Created an enrolment token for 2 machines and the connector group Branches, until TIME\. It is shown only now\./,
    );
    assert.match(fromInput.stdout, /^Registered branch as connector /);
    assert.match(again.stdout, /^Registered branch as the same connector /);
    assert.equal(group.name, 'Branches');
    assert.equal(usedUp.code, 4);
    assert.match(usedUp.stderr, /used up: 2 connectors registered with it/);
    assert.match(transcript(list), /^Branch 7 +used up +2 of 2 +TIME +ID$/m);
    assert.equal(revoked.code, 0, revoked.stderr);
    const listed = JSON.parse(listAfterwards.stdout).find((each: { id: string }) => each.id === id);
    assert.equal(listed.status, 'revoked');
    const said = [fromInput, again, usedUp, list, revoked, listAfterwards].map(transcript).join('');
    assert.ok(!said.includes(token.slice(20, 60)));
  });

  test('an enrolment token is for administrators, and for times and numbers that mean something', async () => {
    const create = ['connector', 'enrolment-token', 'create'];

    const refused = await (await service.as('nobody'))(...create);
    const endless = await (await service.as('publisher'))(...create, '--valid-for', '31d');
    const none = await (await service.as('publisher'))(...create, '--max-uses', '0');

    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /You hold no role; this needs Application Administrator/);
    assert.deepEqual([endless.code, none.code], [2, 2]);
    assert.match(endless.stderr, /from a minute to 30 days/);
  });

  test('a token that was cut off is told from a wrong one, and the group is not up for choice', async () => {
    const run = await service.as('publisher');
    const { token } = JSON.parse((await run('connector', 'enrolment-token', 'create', '--json')).stdout);
    const args = register('--data', path.join(service.folder, 'cut'), '--token-file', '-');

    const cut = await service.postern(args, { input: token.slice(0, -1) });
    const withGroup = await service.postern([...args, '--connector-group', 'Branches'], { input: token });

    assertRun(
      cut,
      2,
      `
postern: The enrolment token is incomplete or was changed on its way: its checksum is wrong.
  Copy the whole token again, from "postern_enrolment_" to its end; if it is lost, make another with "postern connector enrolment-token create".`,
    );
    assert.equal(withGroup.code, 2);
    assert.match(withGroup.stderr, /for one connector group/);
  });

  test('an access token for registration is written for its owner alone, and is good for nothing else', async () => {
    const file = path.join(service.folder, 'access-token');
    const login = [
      ...['login', '--service', service.name, '--ca-file', service.caFile, '--user', 'publisher'],
      ...['--password-stdin', '--scope', 'register', '--token-file', file],
    ];

    const written = await service.postern(login, { input: password, configDir: 'token-mode' });
    const token = (await readFile(file, 'utf8')).trim();
    const known = await service.postern(['whoami', '--service', service.name], { configDir: 'token-mode' });
    const data = path.join(service.folder, 'by-token');
    const where = ['--service', service.name, '--ca-file', service.caFile, '--data', data];
    const registered = await service.postern(register(...where, '--name', 'by-token', '--token-file', file));
    const fetch = createServiceFetch({ caFile: service.caFile });
    const headers = { authorization: `Bearer ${token}` };
    const forApi = await fetch(`https://portal.${service.name}/api/v1.0/me`, { headers });

    assert.match(
      transcript(written),
      /^Wrote an access token for SERVICE to FOLDER\/access-token; it is good for "register" until TIME\.$/m,
    );
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.ok(!transcript(written).includes(token));
    assert.equal(known.code, 3, 'nothing is remembered here');
    assert.equal(registered.code, 0, registered.stderr);
    assert.match(await forApi.text(), /lacks the scope/);
  });

  test('an access token comes from POSTERN_TOKEN, too, and a wrong one says so', async () => {
    const where = ['--service', service.name, '--ca-file', service.caFile, '--data'];
    const args = register(...where, path.join(service.folder, 'by-variable'));

    const run = await service.postern(args, { environment: { POSTERN_TOKEN: 'forged-token' } });

    assert.equal(run.code, 3);
    assert.match(run.stderr, /The access token was not accepted/);
    assert.doesNotMatch(run.stderr, /forged-token/);
  });
});

describe('--json', () => {
  test('prints one document and nothing else, in success and in failure', async () => {
    const run = await service.as('admin');

    const good = await run('user', 'list', '--json');
    const bad = await run('--json', 'user', 'show', 'absent');
    const wrong = await run('user', 'lst', '--json');

    assert.deepEqual(
      JSON.parse(good.stdout).map((each: { userPrincipalName: string }) => each.userPrincipalName),
      ['admin', 'nobody', 'publisher'],
    );
    assert.deepEqual(JSON.parse(bad.stdout), {
      error: {
        code: 'notFound',
        message: 'There is no user "absent".',
        remedy: '`postern user list` shows them all.',
      },
    });
    assert.equal(JSON.parse(wrong.stdout).error.code, 'usage');
    assert.deepEqual([good.code, bad.code, wrong.code], [0, 5, 2]);
    assert.deepEqual([good.stderr, bad.stderr, wrong.stderr], ['', '', '']);
  });
});

function readPage(url: URL): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, response => {
      let text = '';
      response.setEncoding('utf8').on('data', chunk => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}
