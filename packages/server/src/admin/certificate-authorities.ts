import {
  type CertificateAuthority,
  certificateAuthority,
  certificateAuthorityName,
} from '@postern/protocol/admin/certificate-authorities';
import { collection } from '@postern/protocol/admin/collection';
import { sha256Of, validityOf } from '@postern/protocol/x509/certificate';
import { z } from 'zod';
import type { AuthorityState } from '../registration/rotation.ts';
import * as events from '../telemetry/events.ts';
import { AdminError } from './admin-error.ts';
import { actorOf } from './authorize.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { profilePath } from './publishing-profile.ts';
import { dateTime, dateTimeOrNull } from './requests.ts';

const tags = ['certificateAuthorities'];
const path = `${profilePath}/certificateAuthorities` as const;

/** Most connectors that are named as waited for. */
const maxNamed = 100;

export function addCertificateAuthorities(app: AdminApp, { rotation, log }: ResourceParts): void {
  const list = async () => ({ value: (await rotation.list()).map(represent) });

  app.get(
    path,
    {
      schema: {
        summary: 'List the certificate authorities that connectors and the service trust',
        tags,
        response: { 200: collection(certificateAuthority) },
      },
    },
    list,
  );

  app.post(
    `${path}/:name/rotate`,
    {
      schema: {
        summary: 'Exchange a certificate authority',
        description:
          'Makes a new one, which is trusted before it signs; nobody has to register again. The next local one is in the file that people import 90 days before it signs. Asked again while that is under way, it changes nothing. Answers as the list does.',
        tags,
        params: z.strictObject({ name: certificateAuthorityName }),
        response: { 200: collection(certificateAuthority) },
      },
    },
    async request => {
      const { name } = request.params;
      if (!rotation.uses(name)) {
        throw new AdminError(
          'Request_Conflict',
          'This service does not use its local authority: certificates.local is off in its configuration.',
        );
      }
      events.authorityRotationWanted(log, { authority: name, actor: actorOf(request) });
      await rotation.rotate(name);
      return list();
    },
  );
}

function represent({
  name,
  certificate,
  state,
  retiresAt,
  signsAt,
  waitsFor,
}: AuthorityState): CertificateAuthority {
  const { notBefore, notAfter } = validityOf(certificate);
  return {
    name,
    state,
    subject: certificate.subject.replace(/^CN=/, ''),
    sha256: sha256Of(certificate),
    startDateTime: dateTime(notBefore),
    expirationDateTime: dateTime(notAfter),
    retirementDateTime: dateTimeOrNull(retiresAt),
    signingDateTime: dateTimeOrNull(signsAt),
    waitsForCount: waitsFor.length,
    waitsFor: waitsFor.slice(0, maxNamed).map(({ id, machineName, lastSeenAt }) => ({
      id,
      machineName,
      lastSeenDateTime: dateTimeOrNull(lastSeenAt),
    })),
  };
}
