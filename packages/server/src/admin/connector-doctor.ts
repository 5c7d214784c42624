import { doctorReport } from '@postern/protocol/doctor';
import { requireConnector } from '../directory/connectors.ts';
import { AdminError } from './admin-error.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { profilePath } from './publishing-profile.ts';
import { idParams } from './requests.ts';

export function addConnectorDoctor(app: AdminApp, { directory, examineConnector }: ResourceParts): void {
  app.post(
    `${profilePath}/connectors/:id/doctor`,
    {
      schema: {
        summary: 'Let a connector look at itself',
        description:
          'Runs the checks of `postern connector doctor` in the connector that runs, and gives its report. Takes some seconds, at most about half a minute.',
        tags: ['connectors'],
        params: idParams,
        response: { 200: doctorReport },
      },
    },
    async request => {
      const { id, machineName } = await requireConnector(directory.db, request.params.id);
      const report = await examineConnector(id);
      if (report !== null) return report;
      throw new AdminError(
        'Service_Unavailable',
        `The connector ${machineName} has no tunnel now, or did not answer. Run \`postern connector doctor\` on its machine.`,
      );
    },
  );
}
