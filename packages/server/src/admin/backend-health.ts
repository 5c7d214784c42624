import {
  type BackendHealth,
  backendHealth,
  type ConnectorHealth,
} from '@postern/protocol/admin/backend-health';
import { collection } from '@postern/protocol/admin/collection';
import { isWildcardHost } from '@postern/protocol/tunnel/wildcard-host';
import { requireApplication } from '../directory/applications.ts';
import { type StoredPublishing, storedPublishing } from '../directory/publishing.ts';
import type { BackendReport } from '../feed/backend-reports.ts';
import { type ConnectorRow, listConnectorsOfGroup } from '../store/connectors.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { dateTime, dateTimeOrNull, idParams } from './requests.ts';

/** Adds what is known of the health of an application's backends. */
export function addBackendHealth(app: AdminApp, { directory, reportBackends }: ResourceParts): void {
  app.get(
    '/applications/:id/backendHealth',
    {
      schema: {
        summary: 'Show how the backends of an application fare through each connector',
        description:
          'As the requests of people and, where healthProbe is on, probes have found them. Of a wildcard nothing is shown: each of its hosts is a backend.',
        tags: ['applications'],
        params: idParams,
        response: { 200: collection(backendHealth) },
      },
    },
    async request => {
      const row = await requireApplication(directory.db, request.params.id);
      const publishing = storedPublishing(row);
      if (publishing === null) return { value: [] };
      const connectors = await listConnectorsOfGroup(directory.db, row.connectorGroupId);
      const reports = await reportBackends(row.id);
      return { value: representHealth(publishing, connectors, reports) };
    },
  );
}

/**
 * @param connectors Of the group; revoked ones are left out.
 * @param reports What relays know; where several know of the same pair, the one who knows the worst is believed.
 */
export function representHealth(
  publishing: StoredPublishing,
  connectors: readonly Pick<ConnectorRow, 'id' | 'machineName' | 'revokedAt'>[],
  reports: readonly BackendReport[],
): BackendHealth[] {
  const present = connectors.filter(one => one.revokedAt === null);
  return backendsOf(publishing).map(backend => {
    const { origin } = new URL(backend.url);
    const ofBackend = reports.filter(report => report.origin === origin);
    return {
      ...backend,
      connectors: present.map(connector =>
        representConnector(
          connector,
          ofBackend.filter(report => report.connectorId === connector.id),
        ),
      ),
    };
  });
}

function backendsOf(publishing: StoredPublishing): Omit<BackendHealth, 'connectors'>[] {
  const { internalUrl, internalUrlWeight, backends, segments } = publishing;
  if (segments !== undefined) {
    const origins = new Set(segments.map(segment => new URL(segment.internalUrl).origin));
    return [...origins].map(origin => ({ url: `${origin}/`, weight: 1, isBackup: false }));
  }
  if (isWildcardHost(new URL(internalUrl).hostname)) return [];
  return [{ url: internalUrl, weight: internalUrlWeight, isBackup: false }, ...backends];
}

const states = ['healthy', 'unknown', 'unhealthy'] as const;

function representConnector(
  { id, machineName }: Pick<ConnectorRow, 'id' | 'machineName'>,
  reports: readonly BackendReport[],
): ConnectorHealth {
  const worst = reports.reduce<BackendReport | null>(
    (a, b) => (a !== null && states.indexOf(a.state) >= states.indexOf(b.state) ? a : b),
    null,
  );
  if (worst === null) {
    return { connectorId: id, machineName, state: 'offline', sinceDateTime: null, lastFailure: null };
  }
  const { state, since, lastFailure } = worst;
  return {
    connectorId: id,
    machineName,
    state,
    sinceDateTime: dateTimeOrNull(since),
    lastFailure: lastFailure && {
      code: lastFailure.code,
      hop: lastFailure.hop,
      detail: lastFailure.detail,
      remedy: remedyFor(lastFailure.code, machineName),
      dateTime: dateTime(lastFailure.at),
    },
  };
}

/** What an administrator does about a backend that a connector could not reach, or that a probe found unhealthy. */
function remedyFor(code: string, machineName: string): string {
  switch (code) {
    case 'backend_refused':
      return `Is the backend running, and does it listen at this address? Look from the connector's machine: postern connector doctor --connector ${machineName}.`;
    case 'connect_timeout':
      return `A firewall between ${machineName} and the backend drops the connection, or the address is wrong.`;
    case 'name_not_resolved':
      return `${machineName} does not know the name: mend its DNS, or name the backend by its address.`;
    case 'backend_tls':
      return 'The certificate does not hold up: renew it, name its authority with --backend-ca, or correct the host.';
    case 'backend_not_http2':
      return 'Switch HTTP/2 on at the backend, or set the backend protocol to http1; update connectors of older releases.';
    case 'dial_not_allowed':
      return `The allow-list of ${machineName} (Config/connector.json) does not have this backend: add it there.`;
    case 'connector_busy':
      return `${machineName} has too many connections open: add a connector to the group.`;
    case 'unexpected_status':
      return "The backend's own log says why; if the answer is right, correct the probe's path or its expected statuses.";
    case 'no_answer_in_time':
      return 'The backend takes too long: look at its load, or give the probe more time.';
    default:
      return `Test the whole path: postern app test. The log of ${machineName} says more.`;
  }
}
