import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestService, type TestService } from '../testing/service.ts';

describe('complex applications', () => {
  let service: TestService;
  let run: Awaited<ReturnType<TestService['as']>>;
  let domain: string;

  before(async () => {
    service = await startTestService();
    await service.addUser('admin', 'Global Administrator');
    run = await service.as('admin');
    domain = service.name.replace(/:\d+$/, '');
    const external = ['--external-url', `https://*.shop.${domain}/`];
    await succeeds('app', 'publish', 'Shop', '--internal-url', 'http://*.corp.example/', ...external);
  });
  after(() => service[Symbol.asyncDispose]());

  async function succeeds(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await run(...args);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  test('say which certificate their wildcard needs, and that it has no tile without a home page', async () => {
    const shown = await succeeds('app', 'show', 'Shop');

    assert.match(shown, new RegExp(`^Needs certificate +\\*\\.shop\\.${domain}$`, 'm'));
    assert.match(shown, /^In My Apps +no, it has no home page$/m);
  });

  test('get segments, change them and lose them, by URL or host', async () => {
    const web = `https://web.shop.${domain}/`;
    await succeeds('app', 'segment', 'add', 'Shop', '--external-url', web, '--internal-url', 'http://web/');
    await succeeds(
      ...['app', 'segment', 'update', 'Shop', `web.shop.${domain}`],
      ...['--internal-url', 'http://web2:8080/'],
    );

    const listed = await succeeds('app', 'segment', 'list', 'Shop');
    assert.match(listed, /https:\/\/web\.shop\.\S+ +http:\/\/web2:8080\/ +0 /);

    assert.match(await succeeds('app', 'segment', 'remove', 'Shop', `web.shop.${domain}`), /Removed/);
    assert.match(await succeeds('app', 'segment', 'list', 'Shop'), /It has no segments/);
  });

  test('get rules for other origins, one for each path, for a segment or the whole', async () => {
    const set = ['app', 'cors', 'set', 'Shop', '--origin', `https://web.shop.${domain}`];
    await succeeds(...set);
    await succeeds(...set, '--resource', '/api', '--method', 'PUT', '--header', 'X-My-*', '--max-age', '60');
    await succeeds(...set, '--resource', '/api', '--method', '*');

    const listed = await succeeds('app', 'cors', 'list', 'Shop');
    assert.match(listed, /^\/ +https:\/\/web\.shop\.\S+ +GET, HEAD, POST +– +600 s$/m);
    assert.match(listed, /^\/api +https:\/\/web\.shop\.\S+ +\* +– +600 s$/m);

    await succeeds('app', 'cors', 'remove', 'Shop', '/api');
    const gone = await run('app', 'cors', 'remove', 'Shop', '/api');
    assert.match(gone.stderr, /There is no rule for \/api/);
    const foreign = await run('app', 'cors', 'set', 'Shop', '--origin', '*');
    assert.match(foreign.stderr, /each is named/);
  });

  test('an application gets an alternate URL, and loses it', async () => {
    const url = `https://anywhere.${domain}/`;
    await succeeds('app', 'publish', 'Wiki', '--internal-url', 'http://wiki/', '--alternate-url', url);
    assert.match(await succeeds('app', 'show', 'Wiki'), /^Alternate URL +https:\/\/anywhere\./m);
    await succeeds('app', 'update', 'Wiki', '--alternate-url', '');
    assert.doesNotMatch(await succeeds('app', 'show', 'Wiki'), /Alternate URL/);
  });
});
