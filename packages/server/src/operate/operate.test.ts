import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, type TestContext, test } from 'node:test';
import { listenTargets } from '../config/listen-targets.ts';
import { loadConfig } from '../config/load.ts';
import { dataPaths } from '../config/names.ts';
import { findOpenInvitation } from '../store/invitations.ts';
import { migrations } from '../store/migrate.ts';
import { openStore } from '../store/open.ts';
import { createAdministrator } from './administrator.ts';
import { openData } from './open-data.ts';
import { operatorProgram, reportFailure } from './program.ts';
import { planRollback } from './rollback.ts';
import { writeUnits } from './service-units.ts';
import type { Terminal } from './terminal.ts';

const passphrase = 'four random words here';

interface Ran {
  readonly code: number;
  readonly printed: string;
  readonly noted: string;
}

/** Runs the operator's command line as a program would, with what a script pipes into it. */
async function postern(parameters: readonly string[], input = ''): Promise<Ran> {
  const printed: string[] = [];
  const noted: string[] = [];
  const terminal: Terminal = {
    isInteractive: false,
    print: line => void printed.push(line),
    note: line => void noted.push(line),
    ask: () => Promise.reject(new Error('nobody is there to answer')),
    askSecret: () => Promise.reject(new Error('nobody is there to answer')),
    readInput: async () => input,
  };
  const program = operatorProgram({
    environment: {},
    terminal,
    serve: () => Promise.reject(new Error('not in this test')),
    node: '/usr/bin/node',
    program: '/usr/lib/postern/postern-server.js',
  });
  const ended = (code: number) => ({ code, printed: printed.join('\n'), noted: noted.join('\n') });
  try {
    await program.parseAsync(['node', 'postern', ...parameters]);
    return ended(0);
  } catch (error) {
    return ended(reportFailure(error, terminal));
  }
}

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-operate-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface SetUpService {
  readonly folder: string;
  readonly config: string;
  readonly link: string;
}

async function setUpService(t: TestContext): Promise<SetUpService> {
  const folder = tempFolder(t);
  const config = path.join(folder, 'postern.yaml');
  const ran = await postern([
    ...['init', '--domain', 'access.example.com', '--certificates', 'local', '--admin', 'ada@example.com'],
    ...['--data', path.join(folder, 'data'), '--config', config, '--json'],
  ]);
  assert.equal(ran.code, 0, ran.noted);
  return { folder, config, link: JSON.parse(ran.printed).setUpLink };
}

describe('postern init', () => {
  test('makes a service whose first administrator has no password, only a link that works', async t => {
    const { config, link } = await setUpService(t);
    const loaded = loadConfig(config, {});
    await using data = await openData(loaded, {});

    const user = await data.db.selectFrom('user').selectAll().executeTakeFirstOrThrow();
    const url = new URL(link);
    const secretHash = createHash('sha256')
      .update(url.searchParams.get('secret') ?? '')
      .digest('base64url');
    const invitation = await findOpenInvitation(data.db, secretHash, Date.now());

    assert.equal(user.userPrincipalName, 'ada@example.com');
    assert.equal(user.passwordHash, null);
    assert.equal(`${url.origin}${url.pathname}`, 'https://login.access.example.com/set-up');
    assert.equal(invitation?.userId, user.id);
    assert.equal(invitation?.purpose, 'setup');
    assert.equal(statSync(dataPaths(loaded).masterKey).mode & 0o777, 0o600);
    assert.equal(statSync(dataPaths(loaded).database).mode & 0o777, 0o600);
  });

  test('never overwrites: a second one changes nothing', async t => {
    const { config, folder } = await setUpService(t);
    const before = readFileSync(config);
    const again = ['init', '--domain', 'other.example', '--certificates', 'local'];

    const sameFile = await postern([...again, '--config', config, '--data', path.join(folder, 'other')]);
    const sameData = await postern([...again, '--config', `${config}2`, '--data', path.join(folder, 'data')]);

    assert.equal(sameFile.code, 6);
    assert.match(sameFile.noted, /configuration file already: .*postern\.yaml\. Nothing was changed/);
    assert.equal(sameData.code, 6);
    assert.match(sameData.noted, /database already/);
    assert.deepEqual(readFileSync(config), before);
  });

  test('makes nothing where the configuration cannot be written afterwards', async t => {
    const folder = tempFolder(t);
    const data = path.join(folder, 'data');
    writeFileSync(path.join(folder, 'etc'), 'no folder');

    const ran = await postern([
      ...['init', '--domain', 'access.example.com', '--certificates', 'local', '--data', data],
      ...['--config', path.join(folder, 'etc', 'postern.yaml')],
    ]);

    assert.equal(ran.code, 1);
    assert.throws(() => statSync(data), { code: 'ENOENT' });
  });

  test('lets certificates come from an authority, once its terms are agreed to', async t => {
    const folder = tempFolder(t);
    const config = path.join(folder, 'postern.yaml');
    const acme = [
      ...['init', '--domain', 'access.example.com', '--certificates', 'acme', '--config', config],
      ...['--data', path.join(folder, 'data'), '--acme-email', 'it@example.com'],
    ];

    const silent = await postern(acme);
    const agreed = await postern([...acme, '--acme-terms-agreed']);

    assert.equal(silent.code, 2);
    assert.match(silent.noted, /--acme-terms-agreed/);
    assert.equal(agreed.code, 0, agreed.noted);
    assert.match(agreed.printed, /Certificates come by themselves/);
    const loaded = loadConfig(config, {}).certificates.acme;
    assert.equal(loaded.directoryUrl, 'https://acme-v02.api.letsencrypt.org/directory');
    assert.equal(loaded.email, 'it@example.com');
  });

  test('tells the records to make and the names that the certificates lack', async t => {
    const folder = tempFolder(t);
    const ran = await postern([
      ...['init', '--domain', 'access.example.com', '--certificate', path.join(folder, 'a.pem')],
      ...[
        '--key',
        path.join(folder, 'a.key'),
        '--data',
        path.join(folder, 'd'),
        '--config',
        path.join(folder, 'c.yaml'),
      ],
    ]);

    assert.equal(ran.code, 0, ran.noted);
    assert.match(ran.printed, /DNS records to make:\n {2}login\.access\.example\.com/);
    assert.match(ran.printed, /a\.pem cannot be used: there is no such file/);
    assert.match(ran.printed, /No valid certificate covers connect\.access\.example\.com/);
  });

  test('a wrong value names its flag, and nothing is made', async t => {
    const folder = tempFolder(t);
    const config = path.join(folder, 'c.yaml');

    const ran = await postern([
      ...['init', '--domain', 'https://x', '--public-port', '70000', '--certificates', 'local'],
      ...['--data', path.join(folder, 'd'), '--config', config],
    ]);

    assert.equal(ran.code, 2);
    assert.match(ran.noted, /--domain https:\/\/x: allowed: a host name/);
    assert.match(ran.noted, /--public-port 70000: allowed: a whole number from 1 to 65 535/);
    assert.throws(() => statSync(config));
    assert.throws(() => statSync(path.join(folder, 'd')));
  });
});

describe('postern config', () => {
  test('check tells every problem at once and ends with 2', async t => {
    const file = path.join(tempFolder(t), 'postern.yaml');
    writeFileSync(file, 'domain: a.example\ncertificates: { local: true }\ndrainMs: soon\nlimit: {}\n');

    const ran = await postern(['config', 'check', '--config', file]);

    assert.equal(ran.code, 2);
    assert.match(ran.noted, /drainMs is “soon”; allowed: a whole number from 0 to 3 600 000 ms/);
    assert.match(ran.noted, /limit; allowed: a known option; the nearest is limits/);
  });

  test('what show prints is itself a configuration with the same meaning', async t => {
    const { config, folder } = await setUpService(t);
    const shown = path.join(folder, 'shown.yaml');

    writeFileSync(shown, (await postern(['config', 'show', '--config', config])).printed);

    assert.deepEqual(loadConfig(shown, {}), loadConfig(config, {}));
  });
});

describe('postern admin recover', () => {
  test('makes a new link and withdraws the one before', async t => {
    const { config } = await setUpService(t);

    const first = JSON.parse((await postern(['admin', 'recover', '--json', '--config', config])).printed);
    const second = JSON.parse((await postern(['admin', 'recover', '--json', '--config', config])).printed);

    await using data = await openData(loadConfig(config, {}), {});
    const open = await data.db.selectFrom('invitation').selectAll().execute();
    assert.notEqual(first.link, second.link);
    assert.equal(open.length, 1);
    assert.equal(open[0].purpose, 'recover');
    assert.equal(second.needsRestart, false);
  });

  test('asks for a name where there are two, and gives a disabled account back', async t => {
    const { config } = await setUpService(t);
    const loaded = loadConfig(config, {});
    {
      await using data = await openData(loaded, {});
      await createAdministrator(data.db, 'Bob@example.com', Date.now());
      await data.db
        .updateTable('user')
        .set({ accountEnabled: 0 })
        .where('signInName', '=', 'bob@example.com')
        .execute();
    }

    const unnamed = await postern(['admin', 'recover', '--config', config]);
    const named = await postern(['admin', 'recover', '--user', 'BOB@example.com', '--config', config]);

    assert.equal(unnamed.code, 2);
    assert.match(unnamed.noted, /2 Global Administrators: ada@example\.com, Bob@example\.com/);
    assert.equal(named.code, 0, named.noted);
    assert.match(named.printed, /restart the service/);
    await using data = await openData(loaded, {});
    const bob = await data.db
      .selectFrom('user')
      .selectAll()
      .where('signInName', '=', 'bob@example.com')
      .executeTakeFirst();
    assert.equal(bob?.accountEnabled, 1);
  });
});

describe('postern backup and restore', () => {
  test('a backup restored elsewhere has the same accounts, keys and authorities', async t => {
    const { config, folder } = await setUpService(t);
    const file = path.join(folder, 'backup.postern');
    const elsewhere = tempFolder(t);
    const newConfig = path.join(elsewhere, 'postern.yaml');

    const backup = await postern(['backup', file, '--config', config], `${passphrase}\n`);
    const restored = await postern(
      ['restore', file, '--config', newConfig, '--data', path.join(elsewhere, 'data')],
      passphrase,
    );

    assert.equal(backup.code, 0, backup.noted);
    assert.equal(restored.code, 0, restored.noted);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    await using before = await openData(loadConfig(config, {}), {});
    await using after = await openData(loadConfig(newConfig, {}), {});
    const users = (data: typeof before) => data.db.selectFrom('user').selectAll().execute();
    assert.deepEqual(await users(after), await users(before));
    assert.deepEqual(
      await after.secrets.unseal('registration-ca'),
      await before.secrets.unseal('registration-ca'),
    );
    assert.ok(await after.secrets.unseal('registration-ca'));
  });

  test('the file tells nothing without the passphrase, and a changed byte is noticed', async t => {
    const { config, folder } = await setUpService(t);
    const file = path.join(folder, 'backup.postern');
    await postern(['backup', file, '--config', config], passphrase);
    const target = ['--config', path.join(folder, 'new.yaml'), '--data', path.join(folder, 'new')];

    const wrong = await postern(['restore', file, ...target], 'another passphrase');
    const sealed = readFileSync(file);
    assert.ok(!sealed.includes('ada@example.com'));
    sealed[sealed.length - 40] ^= 1;
    writeFileSync(`${file}2`, sealed);
    const changed = await postern(['restore', `${file}2`, ...target], passphrase);
    const other = await postern(['restore', config, ...target], passphrase);

    for (const ran of [wrong, changed]) {
      assert.equal(ran.code, 1);
      assert.match(ran.noted, /passphrase is wrong, or the file is damaged/);
    }
    assert.match(other.noted, /no backup that this release can read/);
    assert.throws(() => statSync(path.join(folder, 'new')));
  });

  test('neither overwrites what is there, and a short passphrase is refused', async t => {
    const { config, folder } = await setUpService(t);
    const file = path.join(folder, 'backup.postern');

    const short = await postern(['backup', file, '--config', config], 'short');
    await postern(['backup', file, '--config', config], passphrase);
    const again = await postern(['backup', file, '--config', config], passphrase);
    const onto = await postern(['restore', file, '--config', config], passphrase);
    const ontoData = await postern(['restore', file, '--config', path.join(folder, 'c2.yaml')], passphrase);

    assert.equal(short.code, 2);
    assert.deepEqual([again.code, onto.code, ontoData.code], [6, 6, 6]);
    assert.throws(() => statSync(path.join(folder, 'c2.yaml')));
  });
});

describe('postern restore, where a database was moved away', () => {
  for (const suffix of ['-wal', '-journal']) {
    test(`does not put the backup before its ${suffix}, which SQLite would write into it`, async t => {
      const { config, folder } = await setUpService(t);
      const file = path.join(folder, 'backup.postern');
      await postern(['backup', file, '--config', config], passphrase);
      const left = path.join(folder, 'new', `postern.db${suffix}`);
      mkdirSync(path.dirname(left));
      writeFileSync(left, 'changes of another database');

      const target = ['--config', path.join(folder, 'new.yaml'), '--data', path.join(folder, 'new')];
      const ran = await postern(['restore', file, ...target], passphrase);

      assert.equal(ran.code, 6, ran.noted);
      assert.match(ran.noted, new RegExp(`postern\\.db${suffix} exists already\\. Nothing was changed`));
      assert.deepEqual(readdirSync(path.dirname(left)), [path.basename(left)]);
    });
  }
});

describe('postern rollback', () => {
  test('says what would be lost, puts the copy back and keeps the present database', async t => {
    const { config } = await setUpService(t);
    const loaded = loadConfig(config, {});
    const { database, backups } = dataPaths(loaded);
    const newer = { ...migrations, '9999-next-release': { up: async () => {} } };
    {
      const db = await openStore(database, { backupsDir: backups, migrations: newer });
      await createAdministrator(db, 'late@example.com', Date.now());
      await db.destroy();
    }

    const asked = await postern(['rollback', '--config', config]);
    const done = await postern(['rollback', '--yes', '--config', config]);

    assert.equal(asked.code, 1);
    assert.match(asked.printed, /before the migration 9999-next-release/);
    assert.match(asked.printed, /accounts: 1 added \(late@example\.com\)/);
    assert.match(asked.noted, /Nothing was changed/);
    assert.equal(done.code, 0, done.noted);
    await using data = await openData(loaded, {});
    const names = await data.db.selectFrom('user').select('userPrincipalName').execute();
    assert.deepEqual(
      names.map(user => user.userPrincipalName),
      ['ada@example.com'],
    );
    const kept = /kept in (\S+)\.$/m.exec(done.printed)?.[1] ?? '';
    using before = new DatabaseSync(kept, { readOnly: true });
    assert.equal(before.prepare('select count(*) as n from user').get()?.['n'], 2);
    assert.throws(() => planRollback(loaded), /no copy from before a migration/);
  });

  test('changes nothing while another program reads the database, whose last changes are not in its file', async t => {
    const { config } = await setUpService(t);
    const { database, backups } = dataPaths(loadConfig(config, {}));
    const newer = { ...migrations, '9999-next-release': { up: async () => {} } };
    await (await openStore(database, { backupsDir: backups, migrations: newer })).destroy();
    using reader = new DatabaseSync(database, { readOnly: true });
    reader.exec('begin; select * from user');
    const db = await openStore(database, { backupsDir: backups, migrations: newer });
    await createAdministrator(db, 'late@example.com', Date.now());
    await db.destroy();

    const ran = await postern(['rollback', '--yes', '--config', config]);

    assert.equal(ran.code, 1);
    assert.match(ran.noted, /Another program uses the database\. Nothing was changed\./);
    assert.ok(!readdirSync(backups).some(name => name.startsWith('rolled-back-')));
  });

  test('without a migration there is nothing to go back to', async t => {
    const { config } = await setUpService(t);

    const ran = await postern(['rollback', '--yes', '--config', config]);

    assert.equal(ran.code, 1);
    assert.match(ran.noted, /no copy from before a migration/);
  });
});

describe('postern service', () => {
  test('systemd finds nothing wrong with the units', async t => {
    const { config, folder } = await setUpService(t);
    const program = path.join(folder, 'with space & 100%.js');
    writeFileSync(program, '');
    const units = writeUnits({
      config: loadConfig(config, {}),
      configFile: config,
      user: 'root',
      node: process.execPath,
      program,
    });
    const unitDir = path.join(folder, 'units');
    mkdirSync(unitDir);
    for (const [name, text] of Object.entries(units)) writeFileSync(path.join(unitDir, name), text);

    const files = Object.keys(units).map(name => path.join(unitDir, name));
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], { encoding: 'utf8' });

    assert.equal(verified.error, undefined);
    const ours = verified.stderr.split('\n').filter(line => line.includes('postern'));
    assert.deepEqual(ours, []);
  });

  test('sockets that systemd passes are taken in the order of the unit’s lines', async t => {
    const { config } = await setUpService(t);
    const loaded = loadConfig(config, {});
    const lines = writeUnits({
      config: loaded,
      configFile: config,
      user: 'postern',
      node: 'n',
      program: 'p',
    })['postern.socket'].match(/ListenStream=.*/g);

    const targets = listenTargets(loaded, { LISTEN_PID: '77', LISTEN_FDS: '5' }, 77);
    const descriptors = [...targets.https, ...targets.http, ...targets.private].map(target =>
      target.kind === 'descriptor' ? [target.fd, target.endpoint.port] : [],
    );

    assert.deepEqual(descriptors, [
      [3, 443],
      [4, 443],
      [5, 80],
      [6, 80],
      [7, 9440],
    ]);
    assert.deepEqual(
      lines?.map(line => Number(line.split(':').at(-1))),
      [443, 443, 80, 80, 9440],
    );
    assert.equal(listenTargets(loaded, { LISTEN_PID: '78', LISTEN_FDS: '5' }, 77).https[0].kind, 'address');
    assert.throws(
      () => listenTargets(loaded, { LISTEN_PID: '77', LISTEN_FDS: '4' }, 77),
      /service install` again/,
    );
  });
});
