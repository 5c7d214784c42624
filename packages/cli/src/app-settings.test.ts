import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { password, type Run, startTestService, type TestService } from '../testing/service.ts';

let service: TestService;

before(async () => {
  service = await startTestService();
  await service.addUser('publisher', 'Application Administrator');
  await postern(
    'login',
    '--service',
    service.name,
    '--ca-file',
    service.caFile,
    '--user',
    'publisher',
    '--password-stdin',
  );
  await postern('app', 'publish', 'Wiki', '--internal-url', 'http://wiki.corp.example/');
});
after(() => service[Symbol.asyncDispose]());

async function postern(...args: string[]): Promise<Run> {
  const input = args[0] === 'login' ? { input: `${password}\n` } : {};
  return await service.postern(args, { configDir: 'publisher', ...input });
}

async function done(...args: string[]): Promise<string> {
  const run = await postern(...args);
  assert.equal(run.code, 0, run.stderr);
  return run.stdout;
}

describe('headers of an application', () => {
  test('are set, changed and taken away by name', async () => {
    await done(
      ...['app', 'headers', 'Wiki', '--set-request', 'Remote-User: {user.userPrincipalName}', 'X-A: 1'],
      ...['--remove-response', 'Server', 'X-Powered-By'],
    );
    const shown = await done(
      ...[
        'app',
        'headers',
        'Wiki',
        '--set-request',
        'x-a: 2',
        '--unset',
        'server',
        '--hsts',
        '300',
        '--block-sniffing',
      ],
    );

    assert.equal(
      shown.trim(),
      `
To the backend        Remote-User: {user.userPrincipalName} | x-a: 2
Not from clients      –
To the client         –
Not from the backend  X-Powered-By
HSTS                  300 seconds
Sniffing blocked      yes
In frames             any
Referrer policy       –`.trim(),
    );
    assert.equal(await done('app', 'headers', 'Wiki'), shown);
  });

  test('are all gone with --clear; presets stay', async () => {
    const shown = JSON.parse(await done('app', 'headers', 'Wiki', '--clear', '--json'));

    assert.deepEqual(shown.customHeaders.setRequestHeaders, []);
    assert.deepEqual(shown.customHeaders.removeResponseHeaders, []);
    assert.equal(shown.securityHeaders.noSniff, true);
  });

  test('that belong to the relay are refused with the reason', async () => {
    const run = await postern('app', 'headers', 'Wiki', '--set-request', 'Host: wiki');

    assert.notEqual(run.code, 0);
    assert.match(run.stderr, /cannot be Host: the relay writes it/);
  });

  test('need a name and a value', async () => {
    const run = await postern('app', 'headers', 'Wiki', '--set-request', 'nonsense');

    assert.notEqual(run.code, 0);
    assert.match(run.stderr, /such as "X-Remote-User: \{user\.userPrincipalName\}"/);
  });
});

describe('limits of an application', () => {
  test('are set, and taken away with 0 and an empty text', async () => {
    const limited = await done(
      ...['app', 'limits', 'Wiki', '--requests-per-client', '600', '--upgrades', '10'],
      ...['--allow', '10.0.0.0/8', '2001:db8::/32', '--deny', '10.6.6.0/24'],
    );
    const freed = JSON.parse(await done('app', 'limits', 'Wiki', '--upgrades', '0', '--allow', '', '--json'));

    assert.match(limited, /^WebSockets at a time {2,}10$/m);
    assert.match(limited, /^ {2}of one client {2,}600$/m);
    assert.match(limited, /^Allowed {2,}10\.0\.0\.0\/8, 2001:db8::\/32$/m);
    assert.equal(freed.openUpgrades, 0);
    assert.equal(freed.requestsPerMinutePerClient, 600);
    assert.deepEqual(freed.allowedNetworks, []);
    assert.deepEqual(freed.deniedNetworks, ['10.6.6.0/24']);
  });
});

describe('maintenance of an application', () => {
  test('is switched on with a message and exceptions by name, and off again', async () => {
    const on = JSON.parse(
      await done(
        ...[
          'app',
          'maintenance',
          'Wiki',
          'on',
          '--message',
          'Back at ten.',
          '--except',
          'publisher',
          '--json',
        ],
      ),
    );
    const off = JSON.parse(await done('app', 'maintenance', 'Wiki', 'off', '--json'));

    assert.equal(on.isEnabled, true);
    assert.equal(on.message, 'Back at ten.');
    assert.equal(on.exceptPrincipalIds.length, 1);
    assert.deepEqual(off, { ...on, isEnabled: false });
  });
});

describe('cookies and robots', () => {
  test('HttpOnly is on, and can be left to the backend; robots.txt can come from the application', async () => {
    const published = JSON.parse(await done('app', 'show', 'Wiki', '--json')).application
      .onPremisesPublishing;
    await done(
      'app',
      'update',
      'Wiki',
      '--no-http-only-cookies',
      '--persistent-cookie',
      '--robots',
      'fromApplication',
    );
    const updated = JSON.parse(await done('app', 'show', 'Wiki', '--json')).application.onPremisesPublishing;

    assert.equal(published.isHttpOnlyCookieEnabled, true);
    assert.equal(published.robotsTxt, 'disallowAll');
    assert.equal(updated.isHttpOnlyCookieEnabled, false);
    assert.equal(updated.isPersistentCookieEnabled, true);
    assert.equal(updated.robotsTxt, 'fromApplication');
  });
});

describe('backends of an application', () => {
  test('are set, shown with their health, and taken away', async () => {
    await done(
      ...['app', 'backends', 'Wiki', '--weight', '5', '--set', 'http://wiki-2.corp.example', '--set'],
      ...['http://wiki-3.corp.example:8080,weight=3', 'http://spare.corp.example,backup'],
    );
    const shown = await done(
      ...[
        'app',
        'backends',
        'Wiki',
        '--probe',
        '/healthz',
        '--interval',
        '30',
        '--statuses',
        '204',
        '200-299',
      ],
    );

    assert.equal(
      shown.trim(),
      `
Probes     GET /healthz every 30 s, 5 s at most
Healthy    204, 200-299; 2 in a row after a failure
Unhealthy  after 3 failures in a row

Backend http://wiki.corp.example/, weight 5
Backend http://wiki-2.corp.example/, weight 1
Backend http://wiki-3.corp.example:8080/, weight 3
Backend http://spare.corp.example/, backup, weight 1`.trim(),
    );
    assert.match(await done('app', 'show', 'Wiki'), /^Backend http:\/\/wiki-2\.corp\.example\/, weight 1$/m);

    const after = JSON.parse(await done('app', 'backends', 'Wiki', '--set', '', '--no-probe', '--json'));
    assert.deepEqual(after.backends, []);
    assert.equal(after.internalUrlWeight, 5);
    assert.deepEqual(after.healthProbe.expectedStatuses, ['204', '200-299']);
    assert.equal(after.healthProbe.isEnabled, false);
    assert.equal(after.backendHealth.length, 1);
  });

  test('that cannot be used are refused with the field, the reason and an example', async () => {
    for (const [given, expected] of [
      [['--set', 'http://wiki-2.corp.example/app/'], /backends.*has a path.*Example: http/s],
      [['--set', 'http://wiki.corp.example'], /is there twice/],
      [['--set', 'http://wiki-2.corp.example,weight=0'], /weight.*at least 1/s],
      [['--set', 'http://wiki-2.corp.example,spare'], /"spare" is neither weight=NUMBER nor backup/],
      [['--probe', 'healthz'], /must begin with \//],
    ] as const) {
      const run = await postern('app', 'backends', 'Wiki', ...given);
      assert.notEqual(run.code, 0);
      assert.match(run.stderr, expected);
    }
  });
});

describe('credentials of an application', () => {
  test('are made, listed without their secrets, given a second secret, and removed by name', async () => {
    const added = await done('app', 'credential', 'add', 'Wiki', '--name', 'backup', '--valid-for', '90');
    const [, clientId = '', secret = ''] = /Client id +(\S+)\nClient secret +(\S+)/.exec(added) ?? [];
    const second = JSON.parse(
      await done('app', 'credential', 'add', 'Wiki', '--name', 'next', '--client', clientId, '--json'),
    ) as { clientId: string; keyId: string; endDateTime: string };
    const listed = await done('app', 'credential', 'list', 'Wiki');
    const refused = await postern('app', 'credential', 'add', 'Wiki', '--valid-for', '731');
    await done('app', 'credential', 'remove', 'Wiki', 'backup');
    await done('app', 'credential', 'remove', 'Wiki', second.keyId);
    const gone = await postern('app', 'credential', 'remove', 'Wiki', 'backup');
    const empty = await done('app', 'credential', 'list', 'Wiki');

    assert.match(secret, /^[0-9a-f]{64}$/);
    assert.equal(second.clientId, clientId);
    assert.match(listed, new RegExp(`backup +${clientId} +${secret.slice(0, 3)}… .* never `));
    assert.ok(!listed.includes(secret));
    assert.equal(refused.code, 2);
    assert.equal(gone.code, 5);
    assert.match(empty, /No program has a credential/);
  });

  test('and tokens can be switched off, one by one', async () => {
    await done('app', 'update', 'Wiki', '--no-accept-basic');
    await done('app', 'update', 'Wiki', '--pass-on-tokens');
    const shown = JSON.parse(await done('app', 'show', 'Wiki', '--json')) as {
      application: { onPremisesPublishing: { clientAuthentication: unknown } };
    };

    assert.deepEqual(shown.application.onPremisesPublishing.clientAuthentication, {
      isBasicAllowed: false,
      isBearerAllowed: true,
      isTokenPassedOn: true,
    });
  });
});
