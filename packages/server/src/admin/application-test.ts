import {
  type ApplicationTest,
  type ApplicationTestRequest,
  applicationTest,
  applicationTestRequest,
} from '@postern/protocol/admin/application-test';
import { wildcardLabels } from '@postern/protocol/tunnel/wildcard-host';
import type { FastifyRequest } from 'fastify';
import { requireApplication } from '../directory/applications.ts';
import { requireConnectorGroup } from '../directory/connector-groups.ts';
import { isDraining } from '../directory/connectors.ts';
import { publishingOf, type StoredPublishing, storedPublishing } from '../directory/publishing.ts';
import { clientAddress } from '../sign-in/client-address.ts';
import type { ApplicationRow } from '../store/applications.ts';
import { listConnectorsOfGroup } from '../store/connectors.ts';
import { findUser } from '../store/users.ts';
import { AdminError } from './admin-error.ts';
import { callerOf } from './authorize.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { reportOf, type TestSubject } from './path-report.ts';
import { idParams } from './requests.ts';

/** Adds the test of an application: one request on the path that people's requests take, and what it met there. */
export function addApplicationTest(app: AdminApp, parts: ResourceParts): void {
  app.post(
    '/applications/:id/test',
    {
      schema: {
        summary: 'Send a request to an application and tell how it fares',
        description:
          'A GET in the name of whoever asks, through relay, tunnel and connector to the backend, with the time that each took and a remedy for what is wrong. Redirects are named and not followed; nothing of the content is given. Takes at most 25 seconds.',
        tags: ['applications'],
        params: idParams,
        body: applicationTestRequest,
        response: { 200: applicationTest },
      },
    },
    request => testApplication(request, request.params.id, request.body, parts),
  );
}

async function testApplication(
  request: FastifyRequest,
  id: string,
  wanted: ApplicationTestRequest,
  parts: ResourceParts,
): Promise<ApplicationTest> {
  const { directory } = parts;
  const row = await requireApplication(directory.db, id);
  const publishing = publishingOf(row, directory.address);
  if (publishing === null) {
    throw new AdminError(
      'Request_BadRequest',
      `${row.displayName} is not published yet: there is no path to test.`,
    );
  }
  const url = urlOf(row, storedPublishing(row)!, wanted);
  const testedAt = directory.now();
  const facts = await parts.testPath({
    applicationId: id,
    host: url.hostname,
    target: `${url.pathname}${url.search}`,
    userId: callerOf(request).userId,
    clientAddress: clientAddress(request.headers['x-forwarded-for']),
  });
  if (facts === null) {
    throw new AdminError(
      'Service_Unavailable',
      `The relay could not test ${row.displayName}: it does not publish ${url.href}, or did not answer. If the application was published this second, try again.`,
    );
  }
  const { port } = new URL(publishing.externalUrl.replace('*.', ''));
  url.port = port;
  const subject = await subjectOf(request, row, parts);
  const { pathname } = new URL(subject.internalUrl);
  const internalUrl =
    facts.backendOrigin === undefined ? subject.internalUrl : `${facts.backendOrigin}${pathname}`;
  return reportOf(facts, { ...subject, internalUrl, url: url.href, testedAt });
}

/** @throws AdminError where no host or path of the application is named. */
function urlOf(
  row: ApplicationRow,
  publishing: StoredPublishing,
  { path, host }: ApplicationTestRequest,
): URL {
  const refuse = (message: string): never => {
    throw new AdminError('Request_BadRequest', message);
  };
  const segment = publishing.segments?.find(
    one => host === undefined || new URL(one.externalUrl).hostname === host,
  );
  const published = new URL(segment?.externalUrl ?? row.externalUrl!);
  const home = row.homePageUrl === null ? null : URL.parse(row.homePageUrl);
  if (published.hostname.startsWith('*.')) {
    const named = host ?? home?.hostname;
    if (named === undefined || wildcardLabels(published.hostname, named) === null) {
      refuse(
        `host: it must be a host under ${published.hostname}, for example any${published.hostname.slice(1)}.`,
      );
    }
    published.hostname = named!;
  } else if (host !== undefined && host !== published.hostname) {
    refuse(`host: ${row.displayName} is published at ${published.hostname}.`);
  }
  if (path === undefined) return published;
  if (!path.startsWith(published.pathname)) {
    refuse(`path: it must lie below ${published.pathname}, where the application is published.`);
  }
  const url = URL.parse(path, published.origin);
  // The relay would refuse what is not written plainly, and so it should be said here.
  if (url === null || url.origin !== published.origin || `${url.pathname}${url.search}` !== path) {
    return refuse('path: it must be written plainly, without dot segments, such as /status?full=1.');
  }
  return url;
}

async function subjectOf(
  request: FastifyRequest,
  row: ApplicationRow,
  { directory, isConnectorActive }: ResourceParts,
): Promise<Omit<TestSubject, 'url' | 'testedAt'>> {
  const { db } = directory;
  const user = await findUser(db, callerOf(request).userId);
  const group = await requireConnectorGroup(db, row.connectorGroupId);
  const connectors = await listConnectorsOfGroup(db, row.connectorGroupId);
  const publishing = storedPublishing(row)!;
  return {
    applicationId: row.id,
    displayName: row.displayName,
    internalUrl: publishing.segments?.[0]?.internalUrl ?? publishing.internalUrl,
    userName: user?.userPrincipalName ?? callerOf(request).userId,
    isPassthrough: publishing.externalAuthenticationType === 'passthru',
    groupName: group.name,
    connectors: connectors
      .filter(({ revokedAt }) => revokedAt === null)
      .map(one => ({
        id: one.id,
        machineName: one.machineName,
        state: !isConnectorActive(one.id) ? 'away' : isDraining(one) ? 'draining' : 'live',
      })),
  };
}
