import {
  type PublishingProfile,
  publishingProfile,
  publishingProfileUpdate,
} from '@postern/protocol/admin/connectors';
import type { AdminApp } from './parts.ts';
import { nothing } from './requests.ts';

/** Where connectors and their groups are. */
export const profilePath = '/onPremisesPublishingProfiles/applicationProxy';

const tags = ['onPremisesPublishingProfiles'];

const profile: PublishingProfile = {
  id: 'applicationProxy',
  isEnabled: true,
  isDefaultAccessEnabled: false,
};

export function addPublishingProfile(app: AdminApp): void {
  app.get(
    profilePath,
    { schema: { summary: 'Show the publishing profile', tags, response: { 200: publishingProfile } } },
    async () => profile,
  );

  app.patch(
    profilePath,
    {
      schema: {
        summary: 'Confirm the publishing profile',
        description: 'Accepts what is so already, for scripts that begin with it, and refuses anything else.',
        tags,
        body: publishingProfileUpdate,
        response: { 204: nothing },
      },
    },
    async (_request, reply) => reply.code(204).send(),
  );
}
