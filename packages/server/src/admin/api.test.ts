import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { onPremisesTemplateId } from '@postern/protocol/admin/applications';
import { roleTemplateIds } from '@postern/protocol/admin/directory';
import { publishingDefaults } from '@postern/protocol/admin/publishing';
import { defaultAppRoleId } from '@postern/protocol/admin/service-principals';
import { recordStillSeen } from '../directory/sightings.ts';
import { TestAuthority } from '../domains/test-authority.ts';
import { type AdminApiBench, openAdminApi } from './testing.ts';

const absentId = 'c56a4180-65aa-42ec-a945-5fd21dec0538';
const profile = 'onPremisesPublishingProfiles/applicationProxy';

describe('admin API', () => {
  let bench: AdminApiBench;
  let call: AdminApiBench['call'];
  before(async () => {
    bench = await openAdminApi();
    call = bench.call;
  });
  after(() => bench[Symbol.asyncDispose]());

  async function instantiate(displayName: string) {
    const answer = await call(
      'application',
      'POST',
      `applicationTemplates/${onPremisesTemplateId}/instantiate`,
      {
        displayName,
      },
    );
    assert.equal(answer.statusCode, 201, answer.body);
    return answer.json();
  }

  async function create(path: string, body: object) {
    const answer = await call('global', 'POST', path, body);
    assert.equal(answer.statusCode, 201, answer.body);
    return answer.json();
  }

  describe('publishing an application, in the order of the Graph tutorials', () => {
    test('instantiate, configure, bind, assign, read', async () => {
      const { application, servicePrincipal } = await instantiate('Wiki');
      const group = await create(`${profile}/connectorGroups`, { name: 'Site A', region: 'eur' });
      const user = await create('users', { userPrincipalName: 'anna@test.example', displayName: 'Anna' });

      const configured = await call('application', 'PATCH', `applications/${application.id}`, {
        onPremisesPublishing: {
          internalUrl: 'http://wiki.corp.example:8080/app',
          externalAuthenticationType: 'aadPreAuthentication',
          applicationServerTimeout: 'long',
        },
      });
      const bound = await call('application', 'PUT', `applications/${application.id}/connectorGroup/$ref`, {
        '@odata.id': `https://graph.microsoft.com/beta/${profile}/connectorGroups/${group.id}`,
      });
      const assigned = await call(
        'application',
        'POST',
        `servicePrincipals/${servicePrincipal.id}/appRoleAssignments`,
        { principalId: user.id, resourceId: servicePrincipal.id, appRoleId: defaultAppRoleId },
      );
      const publishing = await call(
        'application',
        'GET',
        `applications/${application.id}/onPremisesPublishing`,
      );
      const ofGroup = await call('application', 'GET', `${profile}/connectorGroups/${group.id}/applications`);
      const list = await call(
        'application',
        'GET',
        `servicePrincipals/${servicePrincipal.id}/appRoleAssignedTo`,
      );

      assert.equal(configured.statusCode, 204, configured.body);
      assert.equal(bound.statusCode, 204, bound.body);
      assert.equal(assigned.statusCode, 201, assigned.body);
      assert.deepEqual(publishing.json(), {
        ...publishingDefaults,
        externalUrl: 'https://wiki.test.example/',
        internalUrl: 'http://wiki.corp.example:8080/app/',
        applicationServerTimeout: 'long',
        isOnPremPublishingEnabled: true,
        verifiedCustomDomainCertificatesMetadata: null,
      });
      assert.deepEqual(
        ofGroup.json().value.map((each: { id: string }) => each.id),
        [application.id],
      );
      assert.equal(list.json().value[0].principalDisplayName, 'Anna');
      assert.equal(list.json().value[0].resourceDisplayName, 'Wiki');
    });

    test('a refusal names each value that was wrong', async () => {
      const { application } = await instantiate('Details');
      const change = (publishing: object) =>
        call('application', 'PATCH', `applications/${application.id}`, { onPremisesPublishing: publishing });
      const targets = (answer: Awaited<ReturnType<typeof call>>) =>
        answer.json().error.details.map((detail: { target: string }) => detail.target);

      const shapes = await change({ internalUrl: 'ftp://a.example/', isHttpOnlyCookieEnabled: 'yes' });
      const meaning = await change({
        internalUrl: 'http://a.example/',
        externalUrl: 'https://login.test.example/',
      });

      assert.deepEqual(targets(shapes), [
        'onPremisesPublishing.internalUrl',
        'onPremisesPublishing.isHttpOnlyCookieEnabled',
      ]);
      assert.match(shapes.json().error.details[0].message, /^must be an http or https address .*\.$/);
      assert.deepEqual(targets(meaning), ['externalUrl']);
    });

    test('onPremisesPublishing is not combined with other properties', async () => {
      const { application } = await instantiate('Combined');

      const answer = await call('application', 'PATCH', `applications/${application.id}`, {
        displayName: 'Other',
        onPremisesPublishing: { internalUrl: 'http://a.example/' },
      });

      assert.equal(answer.statusCode, 400);
      assert.match(answer.json().error.message, /cannot be combined with other properties/);
    });

    test('translation of links has settings of its own, and one at a time can be changed', async () => {
      const { application } = await instantiate('Links');
      const patch = async (onPremisesPublishing: object) =>
        call('application', 'PATCH', `applications/${application.id}`, { onPremisesPublishing });
      await patch({ internalUrl: 'http://a.example/', isTranslateLinksInBodyEnabled: true });

      await patch({ linkTranslation: { inlineScriptUrls: ['http://a.example'] } });
      const refused = await patch({ linkTranslation: { inlineScriptUrls: ['a.example'] } });
      await patch({ linkTranslation: { isJsonLdEnabled: true }, isTranslateResponseHeadersEnabled: false });

      assert.equal(refused.statusCode, 400);
      assert.match(
        refused.json().error.message,
        /linkTranslation\.inlineScriptUrls.*must be an http or https address/,
      );
      const shown = await call('application', 'GET', `applications/${application.id}`);
      const { onPremisesPublishing } = shown.json();
      assert.equal(onPremisesPublishing.isTranslateLinksInBodyEnabled, true);
      assert.equal(onPremisesPublishing.isTranslateResponseHeadersEnabled, false);
      assert.deepEqual(onPremisesPublishing.linkTranslation, {
        isJsonLdEnabled: true,
        inlineScriptUrls: ['http://a.example'],
      });
    });

    for (const internalUrl of [
      'ftp://a.example/',
      'http://user:secret@a.example/',
      'http://a.example/?q=1',
      'http://a.example/#top',
      'http://a.example\\evil/',
      'http://a.example/%2e%2e/',
      'http://a.example/a/../b/',
      'http://169.254.169.254/',
      'http://2852039166/',
      'http://[::]/',
      'javascript:alert(1)',
      '',
    ]) {
      test(`the internal URL ${JSON.stringify(internalUrl)} is refused (threat F11)`, async () => {
        const { application } = await instantiate('Refused');

        const answer = await call('application', 'PATCH', `applications/${application.id}`, {
          onPremisesPublishing: { internalUrl },
        });

        assert.equal(answer.statusCode, 400, answer.body);
      });
    }

    test('an external URL that is taken conflicts', async () => {
      const first = await instantiate('First');
      const second = await instantiate('Second');
      const body = {
        onPremisesPublishing: { internalUrl: 'http://a.example/', externalUrl: 'https://taken.test.example' },
      };
      await call('application', 'PATCH', `applications/${first.application.id}`, body);

      const answer = await call('application', 'PATCH', `applications/${second.application.id}`, body);

      assert.equal(answer.statusCode, 409);
      assert.match(answer.json().error.message, /belongs to the application First/);
    });

    test('the service principal opens, hides and blocks an application', async () => {
      const { servicePrincipal } = await instantiate('Open');
      const url = `servicePrincipals/${servicePrincipal.id}`;

      const changed = await call('application', 'PATCH', url, {
        appRoleAssignmentRequired: false,
        accountEnabled: false,
        tags: [...servicePrincipal.tags, 'HideApp'],
      });
      const read = (await call('application', 'GET', url)).json();

      assert.equal(changed.statusCode, 204, changed.body);
      assert.equal(read.appRoleAssignmentRequired, false);
      assert.equal(read.accountEnabled, false);
      assert.ok(read.tags.includes('HideApp'));
    });

    test('an assignment is of the service principal in the address, whatever the body says (threat F2)', async () => {
      const mine = await instantiate('Mine');
      const other = await instantiate('Other');
      const { userId } = bench.tokens.get('nobody')!;

      const disagreeing = await call(
        'application',
        'POST',
        `servicePrincipals/${mine.servicePrincipal.id}/appRoleAssignedTo`,
        { principalId: userId, resourceId: other.servicePrincipal.id },
      );
      const assignment = await create(`servicePrincipals/${mine.servicePrincipal.id}/appRoleAssignedTo`, {
        principalId: userId,
        resourceId: mine.servicePrincipal.id,
      });
      const throughOther = await call(
        'application',
        'DELETE',
        `servicePrincipals/${other.servicePrincipal.id}/appRoleAssignedTo/${assignment.id}`,
      );

      assert.equal(disagreeing.statusCode, 400);
      assert.equal(throughOther.statusCode, 404);
    });
  });

  describe('connectors', () => {
    async function register(machineName: string, row: { createdAt?: number; lastSeenAt?: number } = {}) {
      const { db } = bench.directory;
      const { id: groupId } = await db
        .selectFrom('connectorGroup')
        .select('id')
        .where('isDefault', '=', 1)
        .executeTakeFirstOrThrow();
      const id = crypto.randomUUID();
      const connector = {
        id,
        machineName,
        groupId,
        externalIp: '203.0.113.9',
        version: '0.1.0',
        os: 'linux',
      };
      await db
        .insertInto('connector')
        .values({ ...connector, createdAt: Date.now() - 60_000, lastSeenAt: null, revokedAt: null, ...row })
        .execute();
      return id;
    }

    test('a connector is active while a probe comes back through a tunnel of it', async () => {
      const id = await register('edge01', { createdAt: 1000, lastSeenAt: Date.now() });

      const before = await call('application', 'GET', `${profile}/connectors/${id}`);
      bench.live.add(id);
      const during = await call('application', 'GET', `${profile}/connectors/${id}`);

      assert.equal(before.json().status, 'inactive');
      const { lastSeenDateTime, ...shown } = during.json();
      assert.ok(Date.parse(lastSeenDateTime) <= Date.now());
      assert.deepEqual(shown, {
        id,
        machineName: 'edge01',
        externalIp: '203.0.113.9',
        status: 'active',
        version: '0.1.0',
        os: 'linux',
        registeredDateTime: '1970-01-01T00:00:01.000Z',
        revokedDateTime: null,
        isHidden: false,
        isDraining: false,
        region: null,
        certificate: null,
      });
    });

    test('a connector whose newest certificate has expired is expired, until it is revoked', async () => {
      const id = await register('edge11');
      const { db } = bench.directory;
      const certificate = { connectorId: id, revokedAt: null, pem: '', notBefore: 0 };
      const expired = { serial: 'e1', sha256: 'e1', thumbprint: 'E1', notAfter: Date.now() - 1 };
      await db
        .insertInto('connectorCertificate')
        .values({ ...certificate, ...expired })
        .execute();
      bench.live.add(id);
      const statusNow = async () =>
        (await call('application', 'GET', `${profile}/connectors/${id}`)).json().status;

      assert.equal(await statusNow(), 'expired');
      const renewed = { serial: 'e2', sha256: 'e2', thumbprint: 'E2', notAfter: Date.now() + 60_000 };
      await db
        .insertInto('connectorCertificate')
        .values({ ...certificate, ...renewed })
        .execute();
      assert.equal(await statusNow(), 'active');
      await call('application', 'POST', `${profile}/connectors/${id}/revoke`);
      assert.equal(await statusNow(), 'revoked');
    });

    test('a connector that was not seen for ten days is left out of lists, and is back with its next sign of life', async () => {
      const day = 86_400_000;
      const id = await register('edge12', { lastSeenAt: Date.now() - 10 * day - 1_000 });
      const seen = await register('edge13', { lastSeenAt: Date.now() - 10 * day + 60_000 });
      const group = (await call('application', 'GET', `${profile}/connectors/${id}/memberOf`)).json()
        .value[0];
      const idsIn = async (url: string) =>
        (await call('application', 'GET', url)).json().value.map((each: { id: string }) => each.id);

      for (const url of [`${profile}/connectors`, `${profile}/connectorGroups/${group.id}/members`]) {
        const listed = await idsIn(`${url}?$top=999`);
        assert.deepEqual([listed.includes(id), listed.includes(seen)], [false, true], url);
        const all = await idsIn(`${url}?$top=999&includeHidden=true`);
        assert.deepEqual([all.includes(id), all.includes(seen)], [true, true], url);
      }
      const shown = await call('application', 'GET', `${profile}/connectors/${id}`);
      assert.equal(shown.json().isHidden, true);

      await recordStillSeen(bench.directory, [id]);
      assert.ok((await idsIn(`${profile}/connectors?$top=999`)).includes(id));
    });

    test('the pages of a list with hidden connectors lead to more of them', async () => {
      await register('old1', { createdAt: 0 });
      await register('old2', { createdAt: 0 });
      const url = `${profile}/connectors?$top=1&includeHidden=true&$filter=startswith(machineName,'old')`;

      const first = await call('application', 'GET', url);
      const next = new URL(first.json()['@odata.nextLink']);
      const second = await call('application', 'GET', next.pathname + next.search);
      next.searchParams.delete('includeHidden');
      const mixed = await call('application', 'GET', next.pathname + next.search);

      assert.equal(first.json().value[0].machineName, 'old1');
      assert.equal(second.json().value[0].machineName, 'old2');
      assert.equal(mixed.statusCode, 400);
    });

    test('exchanging an authority is for Global Administrators, and names one that is used', async () => {
      const url = `${profile}/certificateAuthorities`;

      const listed = await call('application', 'GET', url);
      const refused = await call('application', 'POST', `${url}/service/rotate`);
      const unknown = await call('global', 'POST', `${url}/other/rotate`);
      const unused = await call('global', 'POST', `${url}/local/rotate`);
      const rotated = await call('global', 'POST', `${url}/service/rotate`);

      assert.deepEqual(
        [listed, refused, unknown, unused, rotated].map(one => one.statusCode),
        [200, 403, 400, 409, 200],
      );
      assert.deepEqual(bench.rotated, ['service']);
    });

    test('a connector shows the certificate that is valid longest, and how many days are left', async () => {
      const id = await register('edge09');
      const day = 86_400_000;
      const notBefore = Date.now() - 170 * day;
      const row = { connectorId: id, revokedAt: null, pem: '' };
      const validity = { notBefore, notAfter: notBefore + 180 * day };
      const older = { notBefore: notBefore - 180 * day, notAfter: notBefore };
      await bench.directory.db
        .insertInto('connectorCertificate')
        .values([
          { serial: '1', sha256: '1', thumbprint: 'OLD', ...row, ...older },
          { serial: '2', sha256: '2', thumbprint: 'NEW', ...row, ...validity },
        ])
        .execute();

      const shown = await call('application', 'GET', `${profile}/connectors/${id}`);
      const listed = await call('application', 'GET', `${profile}/connectors?$filter=id eq '${id}'`);

      assert.deepEqual(shown.json().certificate, {
        thumbprint: 'NEW',
        startDateTime: new Date(validity.notBefore).toISOString(),
        expirationDateTime: new Date(validity.notAfter).toISOString(),
        expiresInDays: 10,
        expiryWarning: 14,
      });
      assert.deepEqual(listed.json().value[0].certificate, shown.json().certificate);
    });

    test('a connector shows what happened to it, the newest first', async () => {
      const id = await register('edge10');
      bench.journal.connected(id, '203.0.113.9', '0.1.0');
      await call('application', 'POST', `${profile}/connectors/${id}/revoke`);
      await bench.journal.settled();

      const shown = await call('application', 'GET', `${profile}/connectors/${id}/events`);
      const unknown = await call('application', 'GET', `${profile}/connectors/${crypto.randomUUID()}/events`);

      const { value } = shown.json();
      assert.deepEqual(
        value.map(({ event, level }: { event: string; level: string }) => [event, level]),
        [
          ['revoked', 'warn'],
          ['connected', 'info'],
        ],
      );
      assert.match(value[1].message, /from 203\.0\.113\.9/);
      assert.equal(unknown.statusCode, 404);
    });

    test('a connector moves between groups, and a group with a connector stays', async () => {
      const id = await register('edge02');
      const group = await create(`${profile}/connectorGroups`, { name: 'Site B' });

      const moved = await call('application', 'POST', `${profile}/connectors/${id}/memberOf/$ref`, {
        '@odata.id': `https://portal.test.example/api/v1.0/${profile}/connectorGroups('${group.id}')`,
      });
      const memberOf = await call('application', 'GET', `${profile}/connectors/${id}/memberOf`);
      const members = await call('application', 'GET', `${profile}/connectorGroups/${group.id}/members`);
      const removed = await call('application', 'DELETE', `${profile}/connectorGroups/${group.id}`);

      assert.equal(moved.statusCode, 204, moved.body);
      assert.equal(memberOf.json().value[0].name, 'Site B');
      assert.equal(members.json().value[0].id, id);
      assert.equal(removed.statusCode, 409);
    });

    test('a group takes connectors and applications by reference', async () => {
      const id = await register('edge04');
      const group = await create(`${profile}/connectorGroups`, { name: 'Site C' });
      const { application } = await instantiate('Bound');
      const url = `${profile}/connectorGroups/${group.id}`;

      const member = await call('application', 'POST', `${url}/members/$ref`, { '@odata.id': id });
      const bound = await call('application', 'POST', `${url}/applications/$ref`, {
        '@odata.id': application.id,
      });
      const members = await call('application', 'GET', `${url}/members`);
      const group2 = await call('application', 'GET', `applications/${application.id}/connectorGroup`);

      assert.deepEqual([member.statusCode, bound.statusCode], [204, 204]);
      assert.equal(members.json().value[0].id, id);
      assert.equal(group2.json().id, group.id);
    });

    test('a revoked connector stays in the list as revoked', async () => {
      const id = await register('edge03');
      bench.live.add(id);

      const revoked = await call('application', 'POST', `${profile}/connectors/${id}/revoke`);
      const again = await call('application', 'DELETE', `${profile}/connectors/${id}`);
      const read = await call('application', 'GET', `${profile}/connectors/${id}`);

      assert.equal(revoked.statusCode, 204, revoked.body);
      assert.equal(again.statusCode, 204);
      assert.equal(read.json().status, 'revoked');
      assert.notEqual(read.json().revokedDateTime, null);
    });
  });

  describe('users, groups and roles', () => {
    test('a group has members, and a user shows groups and roles', async () => {
      const user = await create('users', {
        userPrincipalName: 'ben',
        displayName: 'Ben',
        mail: 'ben@test.example',
      });
      const group = await create('groups', { displayName: 'Staff' });

      const joined = await call('global', 'POST', `groups/${group.id}/members/$ref`, {
        '@odata.id': `https://portal.test.example/api/v1.0/users/${user.id}`,
      });
      const appointed = await call(
        'global',
        'POST',
        `directoryRoles/${roleTemplateIds['Application Administrator']}/members/$ref`,
        { '@odata.id': `users/${user.id}` },
      );
      const memberOf = await call('application', 'GET', `users/${user.id}/memberOf`);
      const left = await call('global', 'DELETE', `groups/${group.id}/members/${user.id}/$ref`);
      const members = await call('global', 'GET', `groups/${group.id}/members`);

      assert.equal(joined.statusCode, 204, joined.body);
      assert.equal(appointed.statusCode, 204, appointed.body);
      assert.deepEqual(
        memberOf.json().value.map((each: { displayName: string }) => each.displayName),
        ['Application Administrator', 'Staff'],
      );
      assert.equal(left.statusCode, 204);
      assert.deepEqual(members.json().value, []);
    });

    test('an invitation is a link with an end', async () => {
      const { userId } = bench.tokens.get('nobody')!;

      const answer = await call('global', 'POST', `users/${userId}/invite`);

      assert.equal(answer.statusCode, 201);
      assert.equal(answer.json().inviteRedeemUrl, `https://login.test.example/set-up?secret=${userId}`);
      assert.equal(answer.headers['cache-control'], 'no-store');
    });

    test('the last enabled Global Administrator cannot be removed, disabled or relieved (threat F5)', async () => {
      await using alone = await openAdminApi();
      await alone.call('global', 'DELETE', `users/${alone.tokens.get('portal')!.userId}`);
      const { userId } = alone.tokens.get('global')!;
      const role = roleTemplateIds['Global Administrator'];

      const disabled = await alone.call('global', 'PATCH', `users/${userId}`, { accountEnabled: false });
      const removed = await alone.call('global', 'DELETE', `users/${userId}`);
      const relieved = await alone.call('global', 'DELETE', `directoryRoles/${role}/members/${userId}/$ref`);

      assert.deepEqual([disabled.statusCode, removed.statusCode, relieved.statusCode], [409, 409, 409]);
      assert.match(relieved.json().error.message, /last enabled Global Administrator/);
    });

    test('of two administrators who change the same object one is told so (threat F5)', async () => {
      const group = await call('global', 'POST', 'groups', { displayName: 'Raced' });
      const url = `groups/${group.json().id}`;
      const headers = { 'if-match': String(group.headers.etag) };

      const answers = await Promise.all([
        call('global', 'PATCH', url, { description: 'first' }, headers),
        call('global', 'PATCH', url, { description: 'second' }, headers),
      ]);
      const nonsense = await call('global', 'PATCH', url, { description: 'third' }, { 'if-match': 'x' });

      assert.deepEqual(answers.map(each => each.statusCode).sort(), [204, 412]);
      assert.equal(nonsense.statusCode, 400);
    });

    async function proveDomain(id: string): Promise<void> {
      await create('domains', { id });
      const records = await call('global', 'GET', `domains/${id}/verificationDnsRecords`);
      bench.dns.texts.set(`_postern.${id}`, [records.json().value[0].text]);
      await call('global', 'POST', `domains/${id}/verify`);
    }

    test('a certificate in a change that comes too late is not taken into service', async () => {
      using authority = new TestAuthority();
      const { id: applicationId } = await create('applications', { displayName: 'Late' });
      await proveDomain('late.test');
      const url = `applications/${applicationId}`;
      const published = { externalUrl: 'https://wiki.late.test/', internalUrl: 'http://wiki.corp.example/' };
      await call('global', 'PATCH', url, { onPremisesPublishing: published });
      const value = authority.pfx(authority.issue({ names: ['wiki.late.test'] }), 'geheim');
      const onPremisesPublishing = {
        verifiedCustomDomainKeyCredential: { type: 'X509CertAndPassword', value },
        verifiedCustomDomainPasswordCredential: { value: 'geheim' },
      };

      const late = await call('global', 'PATCH', url, { onPremisesPublishing }, { 'if-match': 'W/"1"' });

      assert.equal(late.statusCode, 412, late.body);
      assert.deepEqual((await call('global', 'GET', `${profile}/certificates`)).json().value, []);
      const again = await call('global', 'PATCH', url, { onPremisesPublishing });
      assert.equal(again.statusCode, 204, again.body);
    });

    test('a certificate that comes with a setting that is refused is not taken either', async () => {
      using authority = new TestAuthority();
      await proveDomain('mixed.test');
      const applicationId = (await create('applications', { displayName: 'Mixed' })).id;
      const value = authority.pfx(authority.issue({ names: ['wiki.mixed.test'] }), 'geheim');
      const onPremisesPublishing = {
        externalUrl: 'https://wiki.mixed.test/',
        internalUrl: 'http://169.254.169.254/',
        verifiedCustomDomainKeyCredential: { type: 'X509CertAndPassword', value },
        verifiedCustomDomainPasswordCredential: { value: 'geheim' },
      };
      const url = `applications/${applicationId}`;
      const before = (await call('global', 'GET', `${profile}/certificates`)).json().value;

      const refused = await call('global', 'PATCH', url, { onPremisesPublishing });

      assert.equal(refused.statusCode, 400, refused.body);
      assert.deepEqual((await call('global', 'GET', `${profile}/certificates`)).json().value, before);
      const internalUrl = 'http://wiki.corp.example/';
      const taken = await call('global', 'PATCH', url, {
        onPremisesPublishing: { ...onPremisesPublishing, internalUrl },
      });
      assert.equal(taken.statusCode, 204, taken.body);
      const after = (await call('global', 'GET', `${profile}/certificates`)).json().value;
      assert.equal(after.length, before.length + 1);
    });
  });

  describe('lists', () => {
    test('pages follow one another by a signed continuation that is good for its list alone (threat F8)', async () => {
      for (const name of ['a', 'b', 'c', 'd', 'e']) {
        await create('groups', { displayName: `Page ${name}` });
      }
      const filter = `$filter=${encodeURIComponent("startswith(displayName,'Page ')")}`;

      const names: string[] = [];
      let url: string | undefined = `groups?$top=2&${filter}`;
      let secondUrl = '';
      while (url !== undefined) {
        const answer = await call('application', 'GET', url);
        const page: { value: { displayName: string }[]; '@odata.nextLink'?: string } = answer.json();
        names.push(...page.value.map(each => each.displayName));
        const next = page['@odata.nextLink'];
        assert.ok(next === undefined || next.startsWith('https://portal.test.example/api/v1.0/groups?'));
        url = next?.replace('https://portal.test.example', '');
        secondUrl ||= url ?? '';
      }
      const withoutFilter = await call('application', 'GET', secondUrl.replace(/%24filter=[^&]*&/, ''));
      const elsewhere = await call('application', 'GET', secondUrl.replace('/groups?', '/users?'));
      const tampered = await call('application', 'GET', secondUrl.replace(/.{4}$/, 'AAAA'));

      assert.deepEqual(names, ['Page a', 'Page b', 'Page c', 'Page d', 'Page e']);
      for (const answer of [withoutFilter, elsewhere, tampered]) {
        assert.equal(answer.statusCode, 400, answer.body);
        assert.match(answer.json().error.message, /\$skiptoken is not one of this list/);
      }
    });

    for (const filter of [
      "displayName eq 'x' or 1 eq 1",
      "passwordHash eq 'x'",
      "constructor eq 'x'",
      "displayName eq 'x'' or ''1'='1'",
      'displayName eq 1',
      "displayName'; drop table user; --",
      "startswith(passwordHash,'$argon2')",
      "contains(passwordHash,'$argon2')",
      "displayName eq 'x' or contains(passwordHash,'a')",
      "displayName eq 'x' or ",
      "displayName eq 'x' and mail eq 'y'",
    ]) {
      test(`the filter ${filter} is refused (threat F8)`, async () => {
        const answer = await call('global', 'GET', `users?$filter=${encodeURIComponent(filter)}`);

        assert.equal(answer.statusCode, 400, answer.body);
      });
    }

    test('a filter finds any part of a text, in one property or another', async () => {
      await create('users', {
        userPrincipalName: 'zoe',
        displayName: 'Or Starling',
        mail: 'birds@test.example',
      });
      const search = async (filter: string) => {
        const answer = await call('application', 'GET', `users?$filter=${encodeURIComponent(filter)}`);
        assert.equal(answer.statusCode, 200, answer.body);
        return answer.json().value.map((each: { userPrincipalName: string }) => each.userPrincipalName);
      };

      assert.deepEqual(await search("contains(displayName,'r star')"), ['zoe']);
      assert.deepEqual(await search("contains(displayName,'irds') or contains(mail,'IRDS')"), ['zoe']);
      assert.deepEqual(await search("displayName eq 'a' or  startswith(userPrincipalName,'zo')"), ['zoe']);
      assert.deepEqual(
        await search("contains(displayName,'') or contains(mail,'no one')").then(all => all.length > 1),
        true,
      );
    });

    test('a filter has at most four comparisons', async () => {
      const filter = Array.from({ length: 5 }, () => "displayName eq 'a'").join(' or ');

      const answer = await call('global', 'GET', `users?$filter=${encodeURIComponent(filter)}`);

      assert.equal(answer.statusCode, 400, answer.body);
    });

    test('a filter compares text and nothing else', async () => {
      await create('groups', { displayName: "100% O'Neill_" });

      const found = await call(
        'global',
        'GET',
        `groups?$filter=${encodeURIComponent("startswith(displayName,'100% O''Neill_')")}`,
      );
      const wild = await call(
        'global',
        'GET',
        `groups?$filter=${encodeURIComponent("startswith(displayName,'%')")}`,
      );

      assert.equal(found.json().value.length, 1);
      assert.equal(wild.json().value.length, 0);
    });

    for (const query of [
      '$top=0',
      '$top=1000',
      '$top=x',
      '$orderby=id',
      '__proto__=x',
      'constructor=x',
      '$top=1&$top=2',
    ]) {
      test(`the query ${query} is refused`, async () => {
        const answer = await call('global', 'GET', `users?${query}`);

        assert.equal(answer.statusCode, 400, answer.body);
      });
    }
  });

  describe('bodies', () => {
    const hostile: readonly (readonly [string, string])[] = [
      ['an unknown property', '{"userPrincipalName":"x","displayName":"x","role":"Global Administrator"}'],
      ['a property of the row', '{"userPrincipalName":"x","displayName":"x","passwordHash":"$argon2id$"}'],
      ['an id of one’s own', `{"userPrincipalName":"x","displayName":"x","id":"${absentId}"}`],
      ['__proto__', '{"userPrincipalName":"x","displayName":"x","__proto__":{"accountEnabled":true}}'],
      ['constructor', '{"userPrincipalName":"x","displayName":"x","constructor":{"prototype":{"a":1}}}'],
      ['a control character in a name', '{"userPrincipalName":"x","displayName":"a\\r\\nb"}'],
      ['an array', '[]'],
      ['null', 'null'],
      ['nothing', ''],
      ['no JSON', '{'],
    ];
    for (const [what, body] of hostile) {
      test(`${what} is refused (threat F4)`, async () => {
        const answer = await call('global', 'POST', 'users', body);

        assert.equal(answer.statusCode, 400, answer.body);
        assert.equal(answer.json().error.code, 'Request_BadRequest');
      });
    }

    for (const contentType of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonx',
    ]) {
      test(`${contentType} is refused (threat F1)`, async () => {
        const body = '{"userPrincipalName":"x","displayName":"x"}';

        const answer = await call('global', 'POST', 'users', body, { 'content-type': contentType });

        assert.equal(answer.statusCode, 415, answer.body);
        assert.match(answer.json().error.message, /reads JSON only/);
      });
    }

    test('a body that is too long is refused', async () => {
      const answer = await call('global', 'POST', 'users', { displayName: 'x'.repeat(300_000) });

      assert.equal(answer.statusCode, 413);
    });

    test('the first problems are named with their property', async () => {
      const answer = await call('global', 'POST', 'users', { userPrincipalName: 'a b', mail: 'none' });

      assert.equal(answer.statusCode, 400);
      assert.match(answer.json().error.message, /userPrincipalName: must be a name such as/);
      assert.match(answer.json().error.message, /mail: /);
    });
  });

  describe('errors', () => {
    test('have the form of Microsoft Graph, with the request id', async () => {
      const answer = await call('global', 'GET', `users/${absentId}`);
      const { error } = answer.json();

      assert.equal(answer.statusCode, 404);
      assert.equal(error.code, 'Request_ResourceNotFound');
      assert.equal(error.message, `There is no user ${absentId}.`);
      assert.equal(error.innerError['request-id'], answer.headers['request-id']);
      assert.ok(!Number.isNaN(Date.parse(error.innerError.date)));
    });

    for (const url of [
      'users/1',
      "users/' or 1=1",
      'users/anna@test.example',
      `applicationTemplates/${absentId}`,
    ]) {
      test(`${url} is no address`, async () => {
        const answer = await call('global', 'GET', encodeURI(url));

        assert.ok([400, 404].includes(answer.statusCode), answer.body);
        assert.equal(typeof answer.json().error.message, 'string');
      });
    }

    for (const [method, url, named] of [
      ['GET', 'applications/wiki', 'wiki'],
      ['GET', 'users/anna@test.example', 'anna@test.example'],
      ['DELETE', `groups/${absentId}/members/x/$ref`, 'x'],
    ] as const) {
      test(`what is no id names no object: ${method} ${url}`, async () => {
        const answer = await call('global', method, encodeURI(url));

        assert.equal(answer.statusCode, 404, answer.body);
        const { code, message } = answer.json().error;
        assert.deepEqual([code, message], ['Request_ResourceNotFound', `There is no object "${named}".`]);
      });
    }

    test('an id is found whatever its case', async () => {
      const { userId } = bench.tokens.get('nobody')!;

      const answer = await call('global', 'GET', `users/${userId.toUpperCase()}`);

      assert.equal(answer.json().id, userId);
    });

    test('the profile cannot be switched off, and says so', async () => {
      const on = await call('application', 'PATCH', profile, { isEnabled: true });
      const off = await call('application', 'PATCH', profile, { isEnabled: false });

      assert.equal(on.statusCode, 204);
      assert.equal(off.statusCode, 400);
      assert.match(off.json().error.message, /cannot be switched off here/);
    });
  });

  test('every change is one event, with who made it and for which request', async () => {
    bench.events.length = 0;
    const actor = bench.tokens.get('global')!.userId;

    const group = await create('groups', { displayName: 'Logged' });
    const changed = await call('global', 'PATCH', `groups/${group.id}`, { description: 'x' });
    await call('global', 'PATCH', `groups/${absentId}`, { description: 'x' });
    await call('nobody', 'DELETE', `groups/${group.id}`);
    await call('global', 'DELETE', `groups/${group.id}`);

    const shown = bench.events.map(({ event, what, groupId }) => ({ event, what, groupId }));
    assert.deepEqual(
      shown,
      ['created', 'updated', 'deleted'].map(what => ({ event: 'group_changed', what, groupId: group.id })),
    );
    assert.deepEqual(bench.events[1]['actor'], { userId: actor, requestId: changed.headers['request-id'] });
  });

  test('the description is served to anybody', async () => {
    const answer = await call(null, 'GET', '/api/openapi.json');

    assert.equal(answer.statusCode, 200);
    assert.equal(answer.json().openapi, '3.1.0');
  });
});
