import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { publishingDefaults } from '@postern/protocol/admin/publishing';
import { findApplication } from '../store/applications.ts';
import { findDefaultConnectorGroup } from '../store/connector-groups.ts';
import {
  configurePublishing,
  createApplication,
  deleteApplication,
  setConnectorGroup,
  updateAccess,
  updateApplication,
} from './applications.ts';
import { assign, unassign } from './assignments.ts';
import { createConnectorGroup } from './connector-groups.ts';
import { openDirectoryForTests } from './directory-for-tests.ts';
import { createGroup, deleteGroup } from './groups.ts';
import { publishingOf, updatePublishing } from './publishing.ts';
import { createUser } from './users.ts';

const internalUrl = 'http://wiki.corp.example:8080/';

describe('publishing an application', () => {
  test('takes the defaults and an address from the name, and tells the relays', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const group = await findDefaultConnectorGroup(directory.db);
    const created = await createApplication(directory, { displayName: 'Staff Wiki' });
    assert.deepEqual(opened.takeChanges(), []);

    const application = await configurePublishing(directory, created.id, { internalUrl });

    assert.deepEqual(publishingOf(application, directory.address), {
      ...publishingDefaults,
      externalUrl: 'https://staff-wiki.example.test:8443/',
      internalUrl,
      isOnPremPublishingEnabled: true,
    });
    assert.deepEqual(opened.takeChanges(), [
      {
        set: 'applications',
        put: {
          id: created.id,
          displayName: 'Staff Wiki',
          externalUrl: 'https://staff-wiki.example.test:8443/',
          internalUrl,
          preAuthentication: 'preAuthenticated',
          connectorGroupId: group.id,
          assignmentRequired: true,
          assignedUserIds: [],
          assignedGroupIds: [],
          backendTimeoutMs: 85_000,
          translateHostHeader: true,
          validateBackendCertificate: true,
          enabled: true,
          httpOnlyCookies: true,
        },
      },
    ]);
  });

  test('what was stored before a setting existed keeps its values, and takes the defaults of what is new', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const { id } = await createApplication(directory, { displayName: 'Old' });
    const { publishingJson } = await configurePublishing(directory, id, { internalUrl });
    const { robotsTxt, customHeaders, securityHeaders, limits, maintenanceMode, ...before } = JSON.parse(
      publishingJson!,
    );
    const old = { ...before, isHttpOnlyCookieEnabled: false, isSecureCookieEnabled: false };
    await directory.db
      .updateTable('application')
      .set({ publishingJson: JSON.stringify(old) })
      .where('id', '=', id)
      .execute();

    const shown = publishingOf((await findApplication(directory.db, id))!, directory.address);
    await configurePublishing(directory, id, { limits: { openRequests: 5 } });
    const [change] = opened.takeChanges().slice(-1);

    assert.equal(shown!.isHttpOnlyCookieEnabled, false);
    assert.equal(shown!.isSecureCookieEnabled, true);
    assert.deepEqual(
      { robotsTxt, customHeaders, securityHeaders, limits, maintenanceMode },
      {
        robotsTxt: shown!.robotsTxt,
        customHeaders: shown!.customHeaders,
        securityHeaders: shown!.securityHeaders,
        limits: shown!.limits,
        maintenanceMode: shown!.maintenanceMode,
      },
    );
    assert.ok(change !== undefined && 'put' in change && change.set === 'applications');
    assert.equal(change.put.httpOnlyCookies, undefined);
    assert.deepEqual(change.put.limits, { ...limits, openRequests: 5 });
  });

  test('groups of settings keep what an update of them does not name; lists are taken whole', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const { id } = await createApplication(directory, { displayName: 'Wiki' });
    const fields = [{ name: 'X-A', value: 'a' }];
    await configurePublishing(directory, id, {
      internalUrl,
      customHeaders: { setRequestHeaders: fields, removeResponseHeaders: ['Server', 'X-Powered-By'] },
      maintenanceMode: { isEnabled: true, message: 'Back at ten.' },
    });

    const after = await configurePublishing(directory, id, {
      customHeaders: { removeResponseHeaders: ['Server'] },
      maintenanceMode: { isEnabled: false },
    });

    const publishing = publishingOf(after, directory.address)!;
    assert.deepEqual(publishing.customHeaders.setRequestHeaders, fields);
    assert.deepEqual(publishing.customHeaders.removeResponseHeaders, ['Server']);
    assert.equal(publishing.maintenanceMode.message, 'Back at ten.');
  });

  test('a header that tells backends who is asking is refused by name', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const address = { ...directory.address, identityHeaders: { user: 'X-WebAuth-User', email: '' } };
    const { id } = await createApplication(directory, { displayName: 'Wiki' });
    const row = (await findApplication(directory.db, id))!;

    for (const customHeaders of [
      { setRequestHeaders: [{ name: 'x-webauth-USER', value: 'root' }] },
      { removeRequestHeaders: ['X-WEBAUTH-USER'] },
    ]) {
      assert.throws(() => updatePublishing(row, { internalUrl, customHeaders }, address), {
        code: 'invalid',
        property: 'customHeaders',
        message: /tells backends who is asking/,
      });
    }
  });

  test('a backend protocol that does not go with an address is refused, with the one that does', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const { id } = await createApplication(directory, { displayName: 'Orders' });
    const row = (await findApplication(directory.db, id))!;
    const update = (
      backendProtocol: 'http1' | 'http2' | 'h2c',
      url: string,
      further: readonly string[] = [],
    ) =>
      updatePublishing(
        row,
        { backendProtocol, internalUrl: url, backends: further.map(one => ({ url: one })) },
        directory.address,
      );

    for (const [protocol, url, further, message] of [
      ['http2', 'http://orders.corp.example:50051/', [], /http2 is for .* https:\/\/.*set h2c/],
      ['h2c', 'https://orders.corp.example/', [], /h2c is for .* http:\/\/.*set http2/],
      [
        'h2c',
        'http://a.corp.example/',
        ['https://b.corp.example/'],
        /for https:\/\/b\.corp\.example\/ set http2/,
      ],
    ] as const) {
      assert.throws(() => update(protocol, url, further), {
        code: 'invalid',
        property: 'backendProtocol',
        message,
      });
    }
    assert.equal(update('h2c', 'http://orders.corp.example:50051/').backendProtocol, 'h2c');
    assert.equal(update('http1', 'https://orders.corp.example/').backendProtocol, 'http1');
  });

  test('an update keeps what it does not name', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const { id } = await createApplication(directory, { displayName: 'Wiki' });
    await configurePublishing(directory, id, { internalUrl, externalAuthenticationType: 'passthru' });
    opened.takeChanges();

    for (const [timeout, ms] of [
      ['long', 180_000],
      [7, 7_000],
    ] as const) {
      await configurePublishing(directory, id, { applicationServerTimeout: timeout });

      const [change] = opened.takeChanges();
      assert(change.set === 'applications' && 'put' in change);
      assert.equal(change.put.backendTimeoutMs, ms);
      assert.equal(change.put.preAuthentication, 'passthrough');
      assert.equal(change.put.internalUrl, internalUrl);
    }
  });

  test('needs an internal URL', async () => {
    await using opened = await openDirectoryForTests();
    const { id } = await createApplication(opened.directory, { displayName: 'Wiki' });

    await assert.rejects(configurePublishing(opened.directory, id, {}), {
      code: 'invalid',
      property: 'internalUrl',
    });
  });

  test('an external URL belongs to one application, however it is written; its paths may go to others', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const first = await createApplication(directory, { displayName: 'Wiki' });
    const second = await createApplication(directory, { displayName: 'Wiki' });
    await configurePublishing(directory, first.id, { internalUrl });

    for (const externalUrl of ['https://WIKI.example.test', 'https://wiki.example.test:8443/']) {
      await assert.rejects(configurePublishing(directory, second.id, { internalUrl, externalUrl }), {
        code: 'conflict',
        property: 'externalUrl',
      });
    }
    await assert.rejects(configurePublishing(directory, second.id, { internalUrl }), { code: 'conflict' });
    await configurePublishing(directory, second.id, {
      internalUrl,
      externalUrl: 'https://wiki.example.test/docs',
    });

    // Writing the same again is no conflict with itself.
    await configurePublishing(directory, first.id, { externalUrl: 'https://wiki.example.test/' });
  });

  test('an older version is refused by every change', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const { id, version, connectorGroupId } = await createApplication(directory, { displayName: 'Wiki' });
    await updateApplication(directory, id, { displayName: 'Wiki 2' }, version);

    const refused = { code: 'precondition_failed' };
    await assert.rejects(updateApplication(directory, id, { displayName: 'x' }, version), refused);
    await assert.rejects(configurePublishing(directory, id, { internalUrl }, version), refused);
    await assert.rejects(updateAccess(directory, id, { accountEnabled: false }, version), refused);
    await assert.rejects(setConnectorGroup(directory, id, connectorGroupId, version), refused);
    await assert.rejects(deleteApplication(directory, id, version), refused);
    assert.equal((await findApplication(directory.db, id))?.version, version + 1);
  });

  test('a home page must lie below the external URL and goes when that moves away', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const { id } = await createApplication(directory, { displayName: 'Wiki' });
    await configurePublishing(directory, id, { internalUrl });
    const homePageUrl = 'https://wiki.example.test:8443/start';

    for (const elsewhere of ['https://evil.test/', 'https://wiki.example.test:8443.evil.test/']) {
      await assert.rejects(updateApplication(directory, id, { homePageUrl: elsewhere }), {
        code: 'invalid',
        property: 'homePageUrl',
      });
    }
    assert.equal((await updateApplication(directory, id, { homePageUrl })).homePageUrl, homePageUrl);

    const moved = await configurePublishing(directory, id, { externalUrl: 'https://wiki2.example.test/' });
    assert.equal(moved.homePageUrl, null);
  });

  test('disabling, moving and deleting reach the relays', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const { id } = await createApplication(directory, { displayName: 'Wiki' });
    await configurePublishing(directory, id, { internalUrl });
    const group = await createConnectorGroup(directory, { name: 'Site A' });
    opened.takeChanges();

    await updateAccess(directory, id, { accountEnabled: false, assignmentRequired: false });
    await setConnectorGroup(directory, id, group.id);
    await deleteApplication(directory, id);

    const [disabled, moved, deleted] = opened.takeChanges();
    assert(disabled.set === 'applications' && 'put' in disabled);
    assert.equal(disabled.put.enabled, false);
    assert.equal(disabled.put.assignmentRequired, false);
    assert(moved.set === 'applications' && 'put' in moved);
    assert.equal(moved.put.connectorGroupId, group.id);
    assert.deepEqual(deleted, { set: 'applications', remove: id });
    await assert.rejects(setConnectorGroup(directory, id, group.id), { code: 'not_found' });
  });
});

describe('assignments', () => {
  test('users and groups are assigned once each, told to the relays, and taken away again', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const application = await createApplication(directory, { displayName: 'Wiki' });
    await configurePublishing(directory, application.id, { internalUrl });
    const user = await createUser(directory, { userPrincipalName: 'anna', displayName: 'Anna' });
    const group = await createGroup(directory, { displayName: 'Staff' });
    opened.takeChanges();
    const assignedNow = () => {
      const change = opened.takeChanges().findLast(last => last.set === 'applications');
      assert(change !== undefined && 'put' in change && change.set === 'applications');
      return [change.put.assignedUserIds, change.put.assignedGroupIds];
    };

    const ofUser = await assign(directory, application.servicePrincipalId, user.id);
    await assign(directory, application.servicePrincipalId, group.id);
    assert.deepEqual(assignedNow(), [[user.id], [group.id]]);

    await assert.rejects(assign(directory, application.servicePrincipalId, user.id), { code: 'conflict' });
    await assert.rejects(assign(directory, application.servicePrincipalId, 'nobody'), { code: 'not_found' });
    await assert.rejects(assign(directory, application.id, user.id), { code: 'not_found' });

    await unassign(directory, application.servicePrincipalId, ofUser.id);
    assert.deepEqual(assignedNow(), [[], [group.id]]);
    await deleteGroup(directory, group.id);
    assert.deepEqual(assignedNow(), [[], []]);
  });

  test('an assignment cannot be removed through another application (threat F2)', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const wiki = await createApplication(directory, { displayName: 'Wiki' });
    const payroll = await createApplication(directory, { displayName: 'Payroll' });
    const user = await createUser(directory, { userPrincipalName: 'anna', displayName: 'Anna' });
    const assignment = await assign(directory, payroll.servicePrincipalId, user.id);

    await assert.rejects(unassign(directory, wiki.servicePrincipalId, assignment.id), { code: 'not_found' });

    await unassign(directory, payroll.servicePrincipalId, assignment.id);
  });
});
